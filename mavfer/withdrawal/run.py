"""Withdrawing a subject: find, act, look again, and write a receipt that names nobody."""

import fcntl
import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from capture.files import write_text_atomic
from capture.terminal import OnProgress

from ..errors import DatasetError
from .act import act_on
from .find import RECEIPT_PREFIX, OnPath, find_holdings
from .holdings import Holdings, Item
from .journal import Journal, read_journal
from .names import Names

RECEIPT_FORMAT = "mavfer-withdrawal-receipt"
# Unfinished outputs before all: those of an interrupted run would be taken for new ones. Films
# before the tables that tell whose they are; sessions last, they name their subject to the end.
_ORDER = {"unfinished output": -2, "named file": -1, "session": 1}


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a withdrawal did.

    Attributes
    ----------
    receipt : Path
    done : tuple of Item
        Removed or rewritten, also by earlier runs that were interrupted.
    left : Holdings
        What a second look found: nothing but what is for people to look at.
    """

    receipt: Path
    done: tuple[Item, ...]
    left: Holdings


def look_for(subject: str, roots: Sequence[Path], *, on_path: OnPath | None = None) -> Holdings:
    """Find what `withdraw` would act on.

    Raises
    ------
    DatasetError
        A root is no folder, or nothing of `subject` is there.
    """
    return _look(subject, roots, _journal(roots, subject), on_path=on_path)


def withdraw(
    subject: str,
    roots: Sequence[Path],
    *,
    receipt_folder: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Withdrawal:
    """Remove everything of `subject` under `roots`.

    May be interrupted at any moment and run again: a journal in the first root keeps the names
    of sessions and what was done until the end, and every item is changed whole or not at all.

    Parameters
    ----------
    receipt_folder : Path, optional
        Where the receipt goes; default: the first root.

    Raises
    ------
    DatasetError
        As `look_for`; also if another withdrawal is at work on the first root, or the receipt
        could not be written.
    """
    with _only_one(roots[0]):
        journal = _journal(roots, subject)
        receipts = receipt_folder or roots[0]
        _require_folder(receipts)
        holdings = _look(subject, roots, journal)
        _require_outside([*roots, receipts], holdings)
        journal = journal or Journal(roots[0], holdings.names)
        journal.begin(holdings)
        items = sorted(holdings.items, key=lambda item: _ORDER.get(item.kind, 0))
        for done, item in enumerate(items):
            if on_progress is not None:
                on_progress(done, len(items))
            journal.note(item)
            act_on(item, holdings.names)
        left = find_holdings(subject, roots, known=holdings.names)
        if left.items:
            listed = ", ".join(str(item.path) for item in left.items[:3])
            raise DatasetError(
                f"while it was removed, more of subject {subject} appeared: {listed}",
                remedy="end what writes there, then run this again",
            )
        gone = {p: why for p, why in journal.unsearched.items() if not os.path.lexists(p)}
        left.unsearched = {**gone, **left.unsearched}
        receipt = _write_receipt(receipts, journal, left)
        journal.end()
    return Withdrawal(receipt, tuple(journal.done), left)


def _journal(roots: Sequence[Path], subject: str) -> Journal | None:
    if not subject.strip() or not subject.isprintable():
        raise DatasetError(f"{subject!r} is no pseudonym", remedy="name a subject")
    return read_journal(roots, subject)


def _look(
    subject: str,
    roots: Sequence[Path],
    journal: Journal | None,
    *,
    on_path: OnPath | None = None,
) -> Holdings:
    known: Names | None = None if journal is None else journal.names
    holdings = find_holdings(subject, roots, known=known, on_path=on_path)
    if holdings.is_complete and not (holdings.items or journal):
        raise DatasetError(
            f"nothing of subject {subject} lies under {', '.join(map(str, roots))}",
            remedy="check the pseudonym (case matters) and the folders",
        )
    return holdings


def _require_folder(folder: Path) -> None:
    """Refuse, before anything is removed, a folder that no receipt could be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(None, "it cannot be written to")
    except OSError as error:
        raise DatasetError(
            f"{folder} cannot be the folder of the receipt: {error.strerror}",
            remedy="choose another --receipt",
        ) from error


def _require_outside(folders: Sequence[Path], holdings: Holdings) -> None:
    """Refuse to remove a folder that journal or receipt have to lie in."""
    for item in holdings.items:
        inside = [f for f in folders if f.resolve().is_relative_to(item.path.resolve())]
        if item.kind == "session" and inside:
            raise DatasetError(
                f"{inside[0]} is, or lies in, a session that is to be removed",
                remedy="pass the folder that holds the session, and keep the receipt out of it",
            )


def _write_receipt(folder: Path, journal: Journal, left: Holdings) -> Path:
    number = str(uuid.uuid4())
    removed = [item for item in journal.done if item.what.startswith("remove")]
    rewritten = [item for item in journal.done if not item.what.startswith("remove")]
    document = {
        "format": RECEIPT_FORMAT,
        "schema_version": 1,
        "number": number,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "software_version": version("mavfer"),
        "runs": journal.runs,
        "removed": dict(Counter(item.kind for item in removed)),
        "rewritten": dict(Counter(item.kind for item in rewritten)),
        "removed_bytes": sum(item.n_bytes for item in removed),
        "searched_again": {
            "holdings_left": len(left.items),
            "files_that_mention_the_subject": len(left.mentions),
            "may_be_of_the_subject": len(left.suspects),
            "could_not_be_judged": len(left.unreadable),
            "could_not_be_searched": len(left.unsearched),
            "networks_trained_on_stores_that_held_the_subject": len(left.trained),
        },
    }
    path = folder / f"{RECEIPT_PREFIX}{number}.json"
    write_text_atomic(path, json.dumps(document, indent=2) + "\n")
    return path


@contextmanager
def _only_one(root: Path) -> Iterator[None]:
    """Hold the folder against a second withdrawal; the lock ends with the process."""
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder", remedy="pass the folders that hold data")
    handle = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetError(f"another withdrawal is at work in {root}") from None
        yield
    finally:
        os.close(handle)
