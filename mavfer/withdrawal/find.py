"""What there is of one subject under some folders; nothing is changed here."""

import csv
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from annotation.errors import AnnotationError
from annotation.labels import LABELS_FORMAT
from capture.manifest import MANIFEST_NAME

from ..derived import is_marked, overlapping_blocks
from ..export.croissant import METADATA_NAME, TABLE_NAMES
from ..frame_folder import IMAGE_SUFFIXES
from .derived_files import EVALUATION_END, is_about, is_of_evaluation
from .films import divide_films
from .holdings import Holdings, Item, Kind
from .names import Names
from .parquet import MAGIC as PARQUET_MAGIC
from .parquet import parquet_rows
from .stores import is_hdf5, is_part, learn_from_stores, videos_of
from .tables import rows_about, table_columns, told_subject
from .tree import Tree, look_below

JOURNAL_NAME = ".mavfer-withdrawal.json"
RECEIPT_PREFIX = "withdrawal-receipt-"
_UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MCAP_HEAD_BYTES = 1 << 16
_CHECKPOINT_HEAD_BYTES = 1 << 20
_TEXT_BYTES = 64 << 20
_BLOCK_BYTES = 1 << 22

OnPath = Callable[[int], None]


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
    tree = look_below(roots)
    holdings = Holdings(known or Names(subject), unsearched=tree.unsearched)
    search = _Search(holdings)
    search.sessions(tree)
    learn_from_stores(tree.files, holdings)
    search.films(tree)
    for count, path in enumerate(tree.files):
        if on_path is not None:
            on_path(count + 1)
        search.look_at(path, tree.files[path])
    search.end(tree)
    return holdings


def holds_names(path: Path, names: Names) -> bool:
    """Tell whether a file names the subject or a session.

    Texts are searched for the pseudonym as a word; other files, in which a short word stands by
    chance, for sessions.
    """
    size = path.stat().st_size
    start = _head(path, _BLOCK_BYTES)
    if size <= _TEXT_BYTES and b"\0" not in start:
        return names.pattern.search(path.read_bytes()) is not None
    return any(
        names.long_pattern.search(block) for block in overlapping_blocks(path, names.longest)
    )


class _Search:
    """One look through a tree, what it has come upon and what it need not look at again."""

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._names = holdings.names
        self._folders: set[Path] = set()
        """Of sessions, whoever's they are."""
        self._dealt_with: set[Path] = set()
        """Files and folders that are items, or are told of otherwise."""
        self._other_uuids: set[bytes] = set()
        self._marked: dict[Path, list[Path]] = {}
        self._about: set[Path] = set()
        """Marked files that name the subject."""

    def sessions(self, tree: Tree) -> None:
        """Learn the subject's sessions."""
        for manifest in (path for path in tree.files if path.name == MANIFEST_NAME):
            folder = manifest.parent
            self._folders.add(folder)
            try:
                document = json.loads(manifest.read_text(encoding="utf-8"))
                subject, uuid = str(document["subject"]), str(document["uuid"])
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                if self._names.may_name(folder.name):
                    self._doubt(
                        folder,
                        "its manifest is damaged, but the name looks like the subject's: "
                        "decide by hand",
                    )
                elif not self._names.is_for_another(folder.name):
                    self._suspect(folder)
                continue
            if subject != self._names.subject:
                self._other_uuids.add(uuid.encode())
                continue
            self._names.add(folder.name, uuid)
            n_bytes = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            self._add(Item("session", folder, "remove", n_bytes))

    def films(self, tree: Tree) -> None:
        """Find the subject's films, and those that may be."""
        files = {
            path: root
            for path, root in tree.files.items()
            if not (self._is_in_session(path) or _is_in_project(path))
        }
        own, doubtful = divide_films(files, self._names)
        for path in own:
            self._add_file("named file", path, "remove")
        for path in doubtful:
            self._doubt(path, "a film of this name is the subject's, but others have it too")
        frames = {path.parent: root for path, root in files.items() if _is_frame(path)}
        for folder, root in sorted(frames.items()):
            if folder.name not in self._names.films:
                continue
            if told_subject(folder, root) in (None, self._names.subject):
                what = "a folder of frames of this name is in a store as the subject's"
                self._doubt(folder, f"{what}: decide by hand")

    def look_at(self, path: Path, root: Path) -> None:
        """Decide what a file is to the subject."""
        if path in self._dealt_with or self._is_in_session(path) or _is_own(path):
            return
        if _is_unfinished(path.relative_to(root)):
            self._add_file("unfinished output", path, "remove: it may hold frames")
            return
        try:
            self._judge(path)
        except OSError as error:
            self._doubt(path, str(error.strerror))
        except (AnnotationError, UnicodeDecodeError, csv.Error) as error:
            self._doubt(path, str(error))

    def end(self, tree: Tree) -> None:
        """Add what can only be told when everything was looked at."""
        for members in self._marked.values():
            if self._about & {*members}:  # those of one folder are of one store: all are stale
                # What proves it goes last: else an interruption would leave the rest behind.
                members.sort(key=lambda path: (path.name == EVALUATION_END, path in self._about))
                for path in members:
                    self._add_file("derived", path, "remove")
        pattern = self._names.path_pattern
        for path in sorted([*tree.folders, *tree.files, *tree.links]):
            is_told = path in self._dealt_with or _is_own(path)
            if is_told or path in self._folders or self._dealt_with & {*path.parents}:
                continue
            if pattern.search(path.name.encode(errors="surrogateescape")):
                self._suspect(path)
        self._holdings.suspects.sort()

    def _judge(self, path: Path) -> None:
        if is_hdf5(path):
            self._judge_store(path)
        elif path.suffix == ".safetensors":
            head = _head(path, _CHECKPOINT_HEAD_BYTES)
            if any(fingerprint.encode() in head for fingerprint in self._names.fingerprints):
                self._holdings.trained.append(path)
        elif path.suffix == ".mcap":
            self._judge_recording(path)
        elif path.name == "ratings.sqlite":
            self._judge_project(path.parent)
        elif path.name.removesuffix("-wal").removesuffix("-shm") == "ratings.sqlite":
            pass
        elif _is_in_project(path):
            pass  # it is judged as a whole
        elif self._names.is_named_after(path.name):
            self._add_file("named file", path, "remove")
        else:
            self._judge_text(path)

    def _judge_store(self, path: Path) -> None:
        names = self._names
        found = [each.subject == names.subject for each in videos_of(path, Holdings(names))]
        if any(found):
            whole = all(found) or is_part(path)
            what = f"rewrite without {sum(found)} of {len(found)} videos"
            self._add_file("part" if is_part(path) else "store", path, "remove" if whole else what)

    def _judge_recording(self, path: Path) -> None:
        """Judge a recording outside the folder of its session."""
        head = _head(path, _MCAP_HEAD_BYTES)
        if any(uuid.encode() in head for uuid in self._names.uuids - self._names.films):
            self._add_file("recording", path, "remove")
            return
        folder = path.parent.name  # which tells whose it is, if it has the form of a session's
        is_told = self._names.may_name(folder) or self._names.is_for_another(folder)
        if not ({*_UUID.findall(head)} & self._other_uuids or is_told):
            self._suspect(path)

    def _judge_project(self, folder: Path) -> None:
        from annotation.project.folder import open_project
        from annotation.project.forget import forgotten_by

        project = open_project(folder)
        videos = forgotten_by(project, self._names.sessions)
        self._dealt_with |= {p for p in project.videos.glob("*") if p.stem in videos}
        if doubtful := forgotten_by(project, self._names.contested):
            self._doubt(folder, f"it holds {doubtful[0]}, a name of others' films too")
        if videos:
            what = f"rewrite without {len(videos)} videos and all that was said about them"
            size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
            self._add(Item("project", folder, what, size))

    def _judge_text(self, path: Path) -> None:
        """Judge tables, and files that may be made from a store or name the subject."""
        described = path.name in TABLE_NAMES and (path.parent / METADATA_NAME).is_file()
        # Croissant's tables go with its metadata, which knows their hashes.
        is_derived = described or is_of_evaluation(path)
        rows = 0
        kind: Kind = "table"
        if _starts_with(path, PARQUET_MAGIC):
            is_derived |= is_marked(path)
            rows = parquet_rows(path, self._names)
        elif (columns := table_columns(path)) is not None:
            rows, kind = rows_about(path, columns, self._names), _kind_of_table(path)
        else:
            is_derived |= is_marked(path)
        if is_derived:
            self._marked.setdefault(path.parent, []).append(path)
            if rows or is_about(path, self._names):
                self._about.add(path)
        elif rows:
            self._add_file(kind, path, f"rewrite without {rows} rows")
        elif holds_names(path, self._names):
            self._holdings.mentions.append(path)
            self._dealt_with.add(path)

    def _is_in_session(self, path: Path) -> bool:
        return any(parent in self._folders for parent in path.parents)

    def _add_file(self, kind: Kind, path: Path, what: str) -> None:
        self._add(Item(kind, path, what, path.stat().st_size))

    def _add(self, item: Item) -> None:
        self._holdings.items.append(item)
        self._dealt_with.add(item.path)

    def _doubt(self, path: Path, why: str) -> None:
        self._holdings.unreadable.append(f"{path}: {why}")
        self._dealt_with.add(path)

    def _suspect(self, path: Path) -> None:
        self._holdings.suspects.append(path)
        self._dealt_with.add(path)


def _kind_of_table(path: Path) -> Kind:
    with path.open(encoding="utf-8-sig") as handle:
        return "labels" if LABELS_FORMAT in handle.readline() else "table"


def _is_in_project(path: Path) -> bool:
    """Tell whether a file is a video of an annotation project, or what it knows about one."""
    return path.parent.name == "videos" and (path.parent.parent / "ratings.sqlite").is_file()


def _is_frame(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.stem[-1:].isdigit()


def _is_unfinished(path: Path) -> bool:
    """Tell whether an output that was cut off left this, as a file or in a folder of parts.

    `path` is relative to the root: what lies above it says nothing.
    """
    hidden = [part for part in path.parts if part.startswith(".")]
    return any(part.endswith((".partial", ".parts")) for part in hidden)


def _is_own(path: Path) -> bool:
    return path.name == JOURNAL_NAME or path.name.startswith(RECEIPT_PREFIX)


def _starts_with(path: Path, magic: bytes) -> bool:
    try:
        return _head(path, len(magic)) == magic
    except OSError:
        return False


def _head(path: Path, n_bytes: int) -> bytes:
    with path.open("rb") as handle:
        return handle.read(n_bytes)
