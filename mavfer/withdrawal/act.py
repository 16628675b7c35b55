"""Removing and rewriting what was found, one item after the other, each whole or not at all."""

import json
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from annotation.labels import Labels, load_labels, save_labels
from capture.files import atomic_output, require_free_space, sync_folder
from capture.manifest import MANIFEST_NAME

from ..provenance import without_names
from ..store_assembly import rewrite_store
from ..store_file import open_hdf5
from ..store_writer import SPARE_BYTES
from .holdings import Item
from .names import Names
from .parquet import MAGIC, rewrite_parquet
from .tables import rewrite_table


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
            staying = {str(videos[v].attrs[a]) for v in keep for a in ("subject", "source")}
            provenance = _without(json.loads(source.attrs["provenance"]), names, {*keep, *staying})
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
        provenance = _without(dict(labels.provenance), names, kept)
        save_labels(path, Labels(kept, provenance), overwrite=True)
        sync_folder(path.parent)
    else:
        _remove_file(path, names)


def _rewrite_table(path: Path, names: Names) -> None:
    with path.open("rb") as handle:
        is_parquet = handle.read(len(MAGIC)) == MAGIC
    if rewrite_parquet(path, names) if is_parquet else rewrite_table(path, names):
        sync_folder(path.parent)
    else:
        _remove_file(path, names)


def _rewrite_project(path: Path, names: Names) -> None:
    from annotation.project.folder import open_project
    from annotation.project.forget import forget_videos

    forget_videos(open_project(path), names.sessions)


def _without(value: Any, names: Names, staying: Collection[str]) -> Any:
    """Copy a JSON value without the subject and the sessions, also where they stand in a text."""
    gone = {names.subject, *names.sessions, *names.uuids}
    return without_names(value, gone, staying=staying, instead="(withdrawn)")


_ACTIONS: dict[str, Callable[[Path, Names], None]] = {
    "session": _remove_session,
    "store": _rewrite_store,
    "labels": _rewrite_labels,
    "table": _rewrite_table,
    "project": _rewrite_project,
}
