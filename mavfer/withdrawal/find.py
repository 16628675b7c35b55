"""What there is of one subject under some folders; nothing is changed here."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import h5py

from annotation.labels import LABELS_FORMAT
from annotation.strict_csv import COMMENT
from capture.manifest import MANIFEST_NAME

from ..derived import is_marked, overlapping_blocks
from ..errors import DatasetError
from ..export.croissant import METADATA_NAME, TABLE_NAMES
from ..frame_folder import IMAGE_SUFFIXES
from ..store_schema import FORMAT
from .names import Names

Kind = Literal[
    "session",
    "recording",
    "store",
    "part",
    "labels",
    "table",
    "project",
    "derived",
    "named file",
    "unfinished output",
]
"""What an item is: the first four and the last hold frames."""

JOURNAL_NAME = ".mavfer-withdrawal.json"
RECEIPT_PREFIX = "withdrawal-receipt-"
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_MCAP_HEAD_BYTES = 1 << 16
_CHECKPOINT_HEAD_BYTES = 1 << 20
_SESSION_COLUMNS = ("session", "video", "video_id")
_TEXT_BYTES = 64 << 20
_BLOCK_BYTES = 1 << 22

OnPath = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to remove or to rewrite.

    Attributes
    ----------
    kind : str
    path : Path
    what : str
        What will be done to it.
    n_bytes : int
        Its size now.
    """

    kind: Kind
    path: Path
    what: str
    n_bytes: int


@dataclass(slots=True)
class Holdings:
    """Everything that was found.

    Attributes
    ----------
    names : Names
        The subject and their sessions.
    items : list of Item
    mentions : list of Path
        Files of no kind known here that name the subject or a session: for a person to look at.
    unreadable : list of str
        What could not be judged, with the reason.
    trained : list of Path
        Networks trained on a store that held the subject; what that means is for people to say.
    """

    names: Names
    items: list[Item] = field(default_factory=list)
    mentions: list[Path] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    trained: list[Path] = field(default_factory=list)


def find_holdings(
    subject: str,
    roots: Iterable[Path],
    *,
    known: Names | None = None,
    on_path: OnPath | None = None,
) -> Holdings:
    """Look through `roots` for everything of `subject`; symbolic links are not followed.

    Parameters
    ----------
    subject : str
        Pseudonym.
    roots : iterable of Path
        Folders.
    known : Names, optional
        Sessions that an interrupted withdrawal found and may have removed already.
    on_path : callable, optional
        Called with the number of files looked at.

    Raises
    ------
    DatasetError
        A root is no folder.
    """
    holdings = Holdings(known or Names(subject))
    files: list[Path] = []
    unfinished: set[Path] = set()
    for root in roots:
        if not root.is_dir():
            raise DatasetError(f"{root} is no folder", remedy="pass the folders that hold data")
        found = _files(root)
        files += found
        unfinished.update(path for path in found if _is_unfinished(path.relative_to(root)))
    sessions = _sessions(files, holdings)
    stores = [path for path in files if _starts_with(path, _HDF5_MAGIC)]
    _learn_from_stores(stores, holdings)
    holdings.unreadable += [
        f"{folder}: a folder of frames of this name is in a store as the subject's: decide by hand"
        for folder in sorted({path.parent for path in files if _is_frame(path)} - sessions)
        if folder.name in holdings.names.uuids
    ]
    marked: dict[Path, list[Path]] = {}
    named: set[Path] = set()
    for count, path in enumerate(files):
        if on_path is not None:
            on_path(count + 1)
        if any(parent in sessions for parent in path.parents) or _is_own(path):
            continue
        if path in unfinished:
            item = _item("unfinished output", path, "remove: it may hold frames")
            holdings.items.append(item)
            continue
        try:
            _judge(path, holdings, marked, named)
        except OSError as error:
            holdings.unreadable.append(f"{path}: {error.strerror}")
    for members in marked.values():
        if named & set(members):  # figures of one folder are of one store: all go stale together
            holdings.items += [_item("derived", path, "remove") for path in members]
    return holdings


def holds_names(path: Path, names: Names) -> bool:
    """Tell whether a file names the subject or a session.

    Texts are searched for the pseudonym as a word; other files, in which a short word stands by
    chance, for sessions.
    """
    size = path.stat().st_size
    start = _head(path, _BLOCK_BYTES)
    if size <= _TEXT_BYTES and _is_text(start):
        return names.pattern.search(path.read_bytes()) is not None
    return any(
        names.long_pattern.search(block) for block in overlapping_blocks(path, names.longest)
    )


def _files(root: Path) -> list[Path]:
    found = []
    for folder, _, names in os.walk(root):
        found += [
            path
            for name in names
            if (path := Path(folder) / name).is_file() and not path.is_symlink()
        ]
    return sorted(found)


def _sessions(files: Iterable[Path], holdings: Holdings) -> set[Path]:
    """Learn the subject's sessions; return the folders of all sessions, whoever's they are."""
    folders = set()
    for manifest in (path for path in files if path.name == MANIFEST_NAME):
        folder = manifest.parent
        try:
            document = json.loads(manifest.read_text(encoding="utf-8"))
            subject, uuid = str(document["subject"]), str(document["uuid"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            if holdings.names.may_name(folder.name):
                holdings.unreadable.append(
                    f"{folder}: its manifest is damaged, but the name looks like the subject's: "
                    "decide by hand"
                )
            folders.add(folder)
            continue
        folders.add(folder)
        if subject == holdings.names.subject:
            holdings.names.add(folder.name, uuid)
            n_bytes = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            holdings.items.append(Item("session", folder, "remove", n_bytes))
    return folders


def _learn_from_stores(paths: Iterable[Path], holdings: Holdings) -> None:
    """Learn names of sessions that are gone but live on in a store."""
    for path in paths:
        for subject, video_id, source in _videos(path, holdings):
            if subject == holdings.names.subject:
                holdings.names.add(video_id, source)
                holdings.names.fingerprints |= _fingerprint(path)


def _fingerprint(path: Path) -> set[str]:
    with h5py.File(path, "r") as file:
        found = file.attrs.get("fingerprint")
    return set() if found is None else {str(found)}


def _videos(path: Path, holdings: Holdings) -> Iterator[tuple[str, str, str]]:
    """Subject, id and source of every video in a store or part; nothing for other HDF5 files."""
    try:
        with h5py.File(path, "r") as file:
            groups = {}
            if file.attrs.get("format") == FORMAT and isinstance(file.get("videos"), h5py.Group):
                groups = dict(file["videos"].items())
            elif isinstance(file.get("video"), h5py.Group):
                groups = {str(file["video"].attrs.get("id", "")): file["video"]}
            for video_id, group in groups.items():
                attrs = group.attrs
                yield str(attrs.get("subject", "")), video_id, str(attrs.get("source", ""))
    except (OSError, KeyError, RuntimeError) as error:
        holdings.unreadable.append(f"{path}: no HDF5 that can be read ({error})")


def _judge(
    path: Path, holdings: Holdings, marked: dict[Path, list[Path]], named: set[Path]
) -> None:
    """Decide what a file outside sessions is to the subject."""
    names = holdings.names
    if _starts_with(path, _HDF5_MAGIC):
        found = [subject == names.subject for subject, _, _ in _videos(path, Holdings(names))]
        if any(found):
            is_part = _is_part(path)
            what = f"rewrite without {sum(found)} of {len(found)} videos"
            whole = is_part or all(found)
            kind: Kind = "part" if is_part else "store"
            holdings.items.append(_item(kind, path, "remove" if whole else what))
        return
    if path.suffix == ".safetensors":
        head = _head(path, _CHECKPOINT_HEAD_BYTES)
        if any(fingerprint.encode() in head for fingerprint in names.fingerprints):
            holdings.trained.append(path)
        return
    if path.suffix == ".mcap":
        if any(uuid.encode() in _head(path, _MCAP_HEAD_BYTES) for uuid in names.uuids):
            holdings.items.append(_item("recording", path, "remove"))
        return
    if path.name == "ratings.sqlite":
        _judge_project(path.parent, holdings)
        return
    if path.name.removesuffix("-wal").removesuffix("-shm") == "ratings.sqlite":
        return
    if path.parent.name == "videos" and (path.parent.parent / "ratings.sqlite").is_file():
        return  # of the project, which is judged as a whole
    if names.is_named_after(path.name):
        holdings.items.append(_item("named file", path, "remove"))
        return
    described = path.name in TABLE_NAMES and (path.parent / METADATA_NAME).is_file()
    column = None if described else table_column(path)
    if column is not None and _judge_table(path, column, holdings):
        return
    # Croissant's tables go with its metadata, which knows their hashes.
    is_derived = described or (column is None and is_marked(path))
    if is_derived:
        marked.setdefault(path.parent, []).append(path)
    if holds_names(path, names):
        if is_derived:
            named.add(path)
        else:
            holdings.mentions.append(path)


def _judge_project(folder: Path, holdings: Holdings) -> None:
    from annotation.errors import AnnotationError
    from annotation.project.folder import open_project
    from annotation.project.forget import forgotten_by

    try:
        videos = forgotten_by(open_project(folder), holdings.names.sessions)
    except AnnotationError as error:
        holdings.unreadable.append(str(error))
        return
    if videos:
        what = f"rewrite without {len(videos)} videos and all that was said about them"
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        holdings.items.append(Item("project", folder, what, size))


def row_is_about(line: str, column: int, names: Names) -> bool:
    """Tell whether a row of a table is about a session or film of the subject."""
    cells = next(csv.reader([line]), [])
    return len(cells) > column and cells[column].strip() in names.sessions | names.uuids


def table_column(path: Path) -> int | None:
    """Column of a CSV table in which sessions stand; None for any other file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for line in handle:
                if line.startswith(COMMENT):
                    continue
                header = [cell.strip() for cell in next(csv.reader([line]), [])]
                columns = [header.index(name) for name in _SESSION_COLUMNS if name in header]
                return columns[0] if columns and len(header) > 1 else None
    except (UnicodeDecodeError, csv.Error):
        return None
    return None


def _judge_table(path: Path, column: int, holdings: Holdings) -> bool:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        rows = sum(row_is_about(line, column, holdings.names) for line in handle)
    if rows:
        with path.open(encoding="utf-8-sig") as handle:
            is_gold = LABELS_FORMAT in handle.readline()
        kind: Kind = "labels" if is_gold else "table"
        holdings.items.append(_item(kind, path, f"rewrite without {rows} rows"))
    return rows > 0


def _is_frame(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.stem[-1:].isdigit()


def _is_part(path: Path) -> bool:
    with h5py.File(path, "r") as file:
        return "video" in file


def _is_unfinished(path: Path) -> bool:
    """Tell whether an output that was cut off left this, as a file or in a folder of parts.

    `path` is relative to the root: what lies above it says nothing.
    """
    hidden = [part for part in path.parts if part.startswith(".")]
    return any(part.endswith((".partial", ".parts")) for part in hidden)


def _is_own(path: Path) -> bool:
    return path.name == JOURNAL_NAME or path.name.startswith(RECEIPT_PREFIX)


def _item(kind: Kind, path: Path, what: str) -> Item:
    return Item(kind, path, what, path.stat().st_size)


def _starts_with(path: Path, magic: bytes) -> bool:
    try:
        return _head(path, len(magic)) == magic
    except OSError:
        return False


def _head(path: Path, n_bytes: int) -> bytes:
    with path.open("rb") as handle:
        return handle.read(n_bytes)


def _is_text(start: bytes) -> bool:
    return b"\0" not in start
