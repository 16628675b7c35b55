"""What a finished stage left on disk, and whether it still lies there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Losses:
    """What became of the files of a stage.

    Attributes
    ----------
    missing : tuple of str
        Names that are gone.
    changed : tuple of (str, int, int)
        Files of another size than they had, and folders with less in them: name, bytes now,
        bytes then.
    """

    missing: tuple[str, ...]
    changed: tuple[tuple[str, int, int], ...]


def sizes_of(folder: Path, leaves: Sequence[str]) -> dict[str, int]:
    """Return the bytes of every file of `leaves`; of a folder, those of each thing in it.

    Parameters
    ----------
    folder : Path
    leaves : sequence of str
        Files and folders, relative to `folder`. What starts with a dot is left out.
    """
    found: dict[str, int] = {}
    for name in leaves:
        path = folder / name
        if path.is_dir():
            inner = (each for each in path.iterdir() if not each.name.startswith("."))
            found |= {f"{name}/{each.name}": _bytes_of(each) for each in inner}
        elif path.exists():
            found[name] = path.stat().st_size
    return dict(sorted(found.items()))


def find_losses(folder: Path, recorded: Mapping[str, int]) -> Losses:
    """Compare what lies in `folder` with what `sizes_of` told when the stage finished.

    Folders may have grown: people add notes to sessions.
    """
    missing, changed = [], []
    for name, before in recorded.items():
        path = folder / name
        if not path.exists():
            missing.append(name)
            continue
        now = _bytes_of(path)
        if now < before or (path.is_file() and now != before):
            changed.append((name, now, before))
    return Losses(tuple(missing), tuple(changed))


def _bytes_of(path: Path) -> int:
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size
