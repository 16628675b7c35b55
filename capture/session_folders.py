"""Which sessions a person means who names folders."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .errors import RecordingError
from .file_lock import is_controlled
from .manifest import MANIFEST_NAME, Manifest, read_manifest


def left_open(root: Path) -> list[str]:
    """Name the sessions in `root` whose controller died, newest first."""
    found = []
    for path in sorted(root.glob(f"*/{MANIFEST_NAME}"), reverse=True):
        with suppress(RecordingError):
            if is_left_open(path.parent, read_manifest(path.parent)):
                found.append(path.parent.name)
    return found


def is_left_open(path: Path, manifest: Manifest) -> bool:
    """Tell whether nobody controls a session that was never closed."""
    return manifest.status == "recording" and not is_controlled(path)


def session_folders(paths: Iterable[Path]) -> list[Path]:
    """Replace each folder of sessions by the sessions in it, by name; keep the rest as it is.

    Parameters
    ----------
    paths : iterable of Path
        Session folders, or folders that hold session folders (not deeper).

    Returns
    -------
    list of Path
        In the order named; a session named twice is there twice. Folders that hold recordings
        without a manifest, or cannot be looked into, are among them: whoever opens one says what
        is wrong, and nobody's recording is left out in silence.

    Raises
    ------
    RecordingError
        A folder that neither is nor holds a session, or a path that is no folder.
    """
    found: list[Path] = []
    for path in paths:
        if (path / MANIFEST_NAME).exists():
            found.append(path)
            continue
        if not path.is_dir():
            what = "is no folder" if path.exists() else "does not exist"
            raise RecordingError(f"{path} {what}", remedy="pass the folder of a session")
        inside = [child for child in sorted(path.iterdir()) if _is_meant(child)]
        if not inside:
            raise RecordingError(
                f"{path} has no {MANIFEST_NAME} and holds no session",
                remedy="pass session folders, or a folder that holds them",
            )
        found += inside
    return found


def _is_meant(path: Path) -> bool:
    """Tell whether what lies in a folder of sessions is one, or the remains of one."""
    if path.name.startswith(".") or not path.is_dir():
        return False
    try:
        return any(p.name == MANIFEST_NAME or p.suffix == ".mcap" for p in path.iterdir())
    except OSError:
        return True
