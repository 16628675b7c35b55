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
from typing import Any

from capture.files import write_text_atomic
from capture.terminal import OnProgress

from ..errors import DatasetError
from .act import act_on
from .find import JOURNAL_NAME, RECEIPT_PREFIX, Holdings, Item, OnPath, find_holdings
from .names import Names

RECEIPT_FORMAT = "mavfer-withdrawal-receipt"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a withdrawal did.

    Attributes
    ----------
    receipt : Path
    done : tuple of Item
        Removed or rewritten.
    left : Holdings
        What a second look found: nothing but mentions and what could not be judged.
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
    if not subject.strip() or not subject.isprintable():
        raise DatasetError(f"{subject!r} is no pseudonym", remedy="name a subject")
    known = _read_journal(roots, subject)
    holdings = find_holdings(subject, roots, known=known, on_path=on_path)
    if not (holdings.items or holdings.mentions or holdings.unreadable or known):
        raise DatasetError(
            f"nothing of subject {subject} lies under {', '.join(map(str, roots))}",
            remedy="check the pseudonym (case matters) and the folders",
        )
    return holdings


def withdraw(
    subject: str,
    roots: Sequence[Path],
    *,
    receipt_folder: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Withdrawal:
    """Remove everything of `subject` under `roots`.

    May be interrupted at any moment and run again: a journal in the first root keeps the names
    of sessions until the end, and every item is changed whole or not at all.

    Parameters
    ----------
    receipt_folder : Path, optional
        Where the receipt goes; default: the first root.

    Raises
    ------
    DatasetError
        As `look_for`; also if another withdrawal is at work on the first root.
    """
    with _only_one(roots[0]):
        holdings = look_for(subject, roots)
        _write_journal(roots[0], holdings.names)
        # Unfinished outputs first: those of an interrupted run would be taken for new ones.
        items = sorted(holdings.items, key=lambda i: (i.kind == "session", str(i.path)))
        for done, item in enumerate(items):
            if on_progress is not None:
                on_progress(done, len(items))
            act_on(item, holdings.names)
        left = find_holdings(subject, roots, known=holdings.names)
        if left.items:
            listed = ", ".join(str(item.path) for item in left.items[:3])
            raise DatasetError(
                f"while it was removed, more of subject {subject} appeared: {listed}",
                remedy="end what writes there, then run this again",
            )
        receipt = _write_receipt(receipt_folder or roots[0], items, left)
        (roots[0] / JOURNAL_NAME).unlink()
    return Withdrawal(receipt, tuple(items), left)


def _write_receipt(folder: Path, items: Sequence[Item], left: Holdings) -> Path:
    number = str(uuid.uuid4())
    removed = [item for item in items if item.what.startswith("remove")]
    document = {
        "format": RECEIPT_FORMAT,
        "schema_version": 1,
        "number": number,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "software_version": version("mavfer"),
        "removed": dict(Counter(item.kind for item in removed)),
        "rewritten": dict(Counter(item.kind for item in items if item not in removed)),
        "removed_bytes": sum(item.n_bytes for item in removed),
        "searched_again": {
            "holdings_left": len(left.items),
            "files_that_mention_the_subject": len(left.mentions),
            "could_not_be_judged": len(left.unreadable),
            "networks_trained_on_stores_that_held_the_subject": len(left.trained),
        },
    }
    path = folder / f"{RECEIPT_PREFIX}{number}.json"
    write_text_atomic(path, json.dumps(document, indent=2) + "\n")
    return path


def _write_journal(root: Path, names: Names) -> None:
    text = json.dumps(names.document(), indent=2) + "\n"
    write_text_atomic(root / JOURNAL_NAME, text, overwrite=True)


def _read_journal(roots: Sequence[Path], subject: str) -> Names | None:
    path = roots[0] / JOURNAL_NAME
    if not path.is_file():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        names = Names(
            document["subject"],
            **{key: document[key] for key in ("sessions", "uuids", "fingerprints")},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path}, left by an interrupted withdrawal, is damaged ({error})",
            remedy="delete it; labels of sessions that are gone already must then go by hand",
        ) from error
    if names.subject != subject:
        raise DatasetError(
            f"the withdrawal of another subject was interrupted here ({path})",
            remedy=f"finish it first: mavfer withdraw {names.subject} … --yes",
        )
    return names


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
