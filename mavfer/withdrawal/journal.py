"""What a withdrawal has found and done so far: it outlives an interruption, and ends with it."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from capture.files import write_text_atomic

from ..errors import DatasetError
from .find import JOURNAL_NAME
from .holdings import Holdings, Item
from .names import Names


@dataclass(slots=True)
class Journal:
    """A file in the first root: a line of what is known, then one for every item begun.

    Attributes
    ----------
    folder : Path
    names : Names
    unsearched : dict of Path to str
        What no run could look at, also if it is gone with a session's folder by now.
    done : list of Item
        Removed or rewritten, by this run and those before it.
    runs : int
        How often the withdrawal was begun.
    """

    folder: Path
    names: Names
    unsearched: dict[Path, str] = field(default_factory=dict)
    done: list[Item] = field(default_factory=list)
    runs: int = 0

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.folder / JOURNAL_NAME

    def begin(self, holdings: Holdings) -> None:
        """Write down what a run is about to do to `holdings`.

        An item that is there still was begun by an earlier run and not brought to its end.
        """
        again = {(item.kind, item.path) for item in holdings.items}
        self.done = [item for item in self.done if (item.kind, item.path) not in again]
        self.names = holdings.names
        self.unsearched |= holdings.unsearched
        self.runs += 1
        about = {
            **self.names.document(),
            "unsearched": {str(path): why for path, why in self.unsearched.items()},
            "runs": self.runs,
        }
        lines = [about, *map(_noted, self.done)]
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        write_text_atomic(self.path, text, overwrite=True)

    def note(self, item: Item) -> None:
        """Write down, before it is touched, that an item is dealt with."""
        with self.path.open("a", encoding="utf-8") as handle:
            handle.write(f"{json.dumps(_noted(item))}\n")
            handle.flush()
            os.fsync(handle.fileno())
        self.done.append(item)

    def end(self) -> None:
        """Forget the subject: all is done."""
        self.path.unlink()


def read_journal(roots: Sequence[Path], subject: str) -> Journal | None:
    """Read the journal of an interrupted withdrawal in one of `roots`; None: there is none.

    Raises
    ------
    DatasetError
        It is damaged, or of another subject.
    """
    folder = next((root for root in roots if (root / JOURNAL_NAME).is_file()), None)
    if folder is None:
        return None
    path = folder / JOURNAL_NAME
    try:
        first, *rest = path.read_text(encoding="utf-8").split("\n")
        about: dict[str, Any] = json.loads(first)
        names = Names(
            about["subject"],
            **{
                key: about[key]
                for key in Names(subject).document()
                if key in {*about} - {"subject"}
            },
        )
        # A last line without its end was cut off: its item was not begun.
        done = [_item(json.loads(line)) for line in rest[:-1]]
        unsearched = {Path(each): why for each, why in about.get("unsearched", {}).items()}
        runs = int(about.get("runs", 1))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path}, left by an interrupted withdrawal, is damaged ({error})",
            remedy="delete it; labels of sessions that are gone already must then go by hand",
        ) from error
    if names.subject != subject:
        raise DatasetError(
            f"the withdrawal of another subject was interrupted here ({path})",
            remedy=f"finish it first: mavfer withdraw {names.subject} … --yes",
        )
    return Journal(folder, names, unsearched, done, runs)


def _noted(item: Item) -> dict[str, Any]:
    return {**asdict(item), "path": str(item.path)}


def _item(noted: dict[str, Any]) -> Item:
    return Item(noted["kind"], Path(noted["path"]), noted["what"], noted["n_bytes"])
