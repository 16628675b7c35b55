"""Removing and rewriting what was found, one item after the other, each whole or not at all."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from annotation.labels import Labels, load_labels, save_labels
from annotation.strict_csv import COMMENT
from capture.files import atomic_output, require_free_space, sync_folder
from capture.manifest import MANIFEST_NAME

from ..provenance import without_names
from ..store_assembly import rewrite_store
from ..store_file import open_hdf5
from ..store_writer import SPARE_BYTES
from .find import Item, row_is_about, table_column
from .names import Names


def act_on(item: Item, names: Names) -> None:
    """Do to `item` what its ``what`` says."""
    if item.path.exists():
        _ACTIONS.get(item.kind, _remove_file)(item.path, names)


def _remove_session(path: Path, _names: Names) -> None:
    """Remove a session's folder, its manifest last: what is left names its subject to the end."""
    for each in path.iterdir():
        if each.name == MANIFEST_NAME:
            continue
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()
    (path / MANIFEST_NAME).unlink()
    path.rmdir()
    sync_folder(path.parent)


def _remove_file(path: Path, _names: Names) -> None:
    path.unlink()
    sync_folder(path.parent)


def _rewrite_store(path: Path, names: Names) -> None:
    """Write the store anew without the subject's videos: new statistics, new fingerprint."""
    with open_hdf5(path) as source:
        videos = source["videos"]
        keep = [v for v in videos if str(videos[v].attrs["subject"]) != names.subject]
        if keep:
            require_free_space(path.parent, path.stat().st_size + SPARE_BYTES)
            provenance = _without(json.loads(source.attrs["provenance"]), names)
            with atomic_output(path, overwrite=True) as partial:
                rewrite_store(source, partial, keep, provenance=provenance)
    if keep:
        sync_folder(path.parent)
    else:
        _remove_file(path, names)


def _rewrite_labels(path: Path, names: Names) -> None:
    labels = load_labels(path)
    kept = {s: each for s, each in labels.sessions.items() if s not in names.sessions}
    if kept:
        provenance = _without(dict(labels.provenance), names)
        save_labels(path, Labels(kept, provenance), overwrite=True)
        sync_folder(path.parent)
    else:
        _remove_file(path, names)


def _rewrite_table(path: Path, names: Names) -> None:
    column = table_column(path)
    if column is None:
        return
    with path.open(encoding="utf-8-sig", newline="") as handle:
        lines = [line for line in handle if not row_is_about(line, column, names)]
    if sum(bool(line.strip()) and not line.startswith(COMMENT) for line in lines) <= 1:
        _remove_file(path, names)
        return
    with (
        atomic_output(path, overwrite=True) as partial,
        partial.open("w", encoding="utf-8", newline="") as handle,
    ):
        handle.writelines(lines)
    sync_folder(path.parent)


def _rewrite_project(path: Path, names: Names) -> None:
    from annotation.project.folder import open_project
    from annotation.project.forget import forget_videos

    forget_videos(open_project(path), names.sessions)


def _without(value: Any, names: Names) -> Any:
    """Copy a JSON value without the subject and the sessions, also where they stand in a text."""
    kept = without_names(value, {names.subject, *names.sessions, *names.uuids})
    text = names.pattern.sub(b"(withdrawn)", json.dumps(kept, ensure_ascii=False).encode())
    return json.loads(text)


_ACTIONS: dict[str, Callable[[Path, Names], None]] = {
    "session": _remove_session,
    "store": _rewrite_store,
    "labels": _rewrite_labels,
    "table": _rewrite_table,
    "project": _rewrite_project,
}
