"""Subject-disjoint splits: nobody is seen both in training and in testing."""

import hashlib
import logging
import math
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from .errors import DatasetError

logger = logging.getLogger(__name__)

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
DEFAULT_FRACTIONS = (0.7, 0.15, 0.15)


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How subjects are dealt to the splits.

    Attributes
    ----------
    fractions : tuple of 3 float
        Shares of train, validation and test; scaled to sum 1. A zero leaves a split empty.
    seed : int
        Another seed deals the subjects anew.
    validation, test : frozenset of str, optional
        Subjects named outright. When either is given, fractions and seed are not used and
        everybody else trains.
    lenient : bool
        Leave splits empty rather than refuse: for splits that a corpus published, of which
        somebody may have a part, and for those nobody asked for.
    """

    fractions: tuple[float, float, float] = DEFAULT_FRACTIONS
    seed: int = 0
    validation: frozenset[str] = frozenset()
    test: frozenset[str] = frozenset()
    lenient: bool = False

    def __post_init__(self) -> None:
        if any(not math.isfinite(f) or f < 0 for f in self.fractions) or sum(self.fractions) <= 0:
            raise DatasetError(
                f"split fractions {self.fractions}: expected three shares >= 0, not all zero",
                remedy="for instance --split 0.7,0.15,0.15",
            )
        if both := self.validation & self.test:
            raise DatasetError(f"{_names(both)} named for both validation and test")

    @property
    def explicit(self) -> bool:
        """Whether subjects were named outright."""
        return bool(self.validation or self.test)


def assign_splits(subjects: Collection[str], plan: SplitPlan) -> dict[str, Split]:
    """Deal every subject to one split, independent of the order of `subjects`.

    Subjects are ordered by a hash of seed and name, then cut by the fractions rounded to whole
    subjects; every split with a share gets at least one.

    Returns
    -------
    dict of str to {"train", "validation", "test"}

    Raises
    ------
    DatasetError
        Fewer subjects than splits with a share, a named subject that is not there, or two names
        that differ in nothing but case and space.
    """
    distinct = set(subjects)
    check_names(distinct)
    if plan.explicit:
        return _assign_named(distinct, plan)
    wanted = [name for name, share in zip(SPLITS, plan.fractions, strict=True) if share > 0]
    if len(distinct) < len(wanted):
        if plan.lenient:
            return dict.fromkeys(distinct, "train")
        raise DatasetError(
            f"{len(distinct)} subject(s) ({_names(distinct)}) cannot fill the "
            f"{len(wanted)} splits {', '.join(wanted)} without sharing a person",
            remedy="add sessions of other subjects, or ask for fewer splits (--split 1,0,0)",
        )
    counts = _whole_shares(len(distinct), plan.fractions)
    ordered = sorted(distinct, key=lambda subject: _rank(subject, plan.seed))
    assigned: dict[str, Split] = {}
    # Test subjects are dealt first: a wish for more training data does not move the test set.
    for name in reversed(SPLITS):
        for _ in range(counts[name]):
            assigned[ordered[len(assigned)]] = name
    return assigned


def assign_left(left: Collection[str], known: Collection[str], plan: SplitPlan) -> dict[str, Split]:
    """Deal those who are left of all `known` as if everybody were: who comes back moves nobody.

    A split that was dealt to nobody who is left is filled by dealing anew, and the log says so;
    one whose subjects were named stays empty.
    """
    check_names({*left, *known})
    if plan.explicit:
        named = replace(plan, validation=plan.validation & {*left}, test=plan.test & {*left})
        return _assign_named({*left}, named)
    dealt = assign_splits({*left, *known}, plan)
    kept = {subject: dealt[subject] for subject in left}
    empty = [name for name in SPLITS if name in {*dealt.values()} - {*kept.values()}]
    if not empty:
        return kept
    logger.warning(
        "nobody of %s is left: subjects are dealt anew, not as in a store of all sources",
        ", ".join(empty),
    )
    return assign_splits(left, plan)


def _assign_named(subjects: set[str], plan: SplitPlan) -> dict[str, Split]:
    if missing := (plan.validation | plan.test) - subjects:
        raise DatasetError(
            f"no session of {_names(missing)}, named for a split; there are {_names(subjects)}"
        )
    if not subjects - plan.validation - plan.test and not plan.lenient:
        raise DatasetError(
            "every subject is named for validation or test: nobody is left to train",
            remedy="name fewer, or add sessions of other subjects",
        )
    return {
        subject: "validation"
        if subject in plan.validation
        else "test"
        if subject in plan.test
        else "train"
        for subject in subjects
    }


def check_names(subjects: Collection[str]) -> None:
    """Refuse two spellings of what may be one person, who would be on both sides of a split."""
    spelled: dict[str, str] = {}
    for subject in sorted(subjects):
        if (other := spelled.setdefault(folded(subject), subject)) != subject:
            raise DatasetError(
                f"subjects {other!r} and {subject!r} differ in nothing but case or space",
                remedy="write one person's name one way, and other people's names apart",
            )


def folded(name: str) -> str:
    """Return what two spellings of one name have in common: all but case and space."""
    return "".join(unicodedata.normalize("NFKC", name).split()).casefold()


def _whole_shares(n_subjects: int, fractions: tuple[float, float, float]) -> Mapping[Split, int]:
    """Round shares to whole subjects by largest remainder, at least one where a share is > 0."""
    total = sum(fractions)
    exact = {s: n_subjects * f / total for s, f in zip(SPLITS, fractions, strict=True)}
    counts = {s: max(math.floor(x + 1e-9), 1 if x > 0 else 0) for s, x in exact.items()}
    while sum(counts.values()) < n_subjects:
        counts[max(SPLITS, key=lambda s: exact[s] - counts[s])] += 1
    while sum(counts.values()) > n_subjects:
        counts[max(SPLITS, key=lambda s: counts[s])] -= 1
    return counts


def _rank(subject: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}\0{subject}".encode()).hexdigest()


def _names(subjects: Collection[str]) -> str:
    shown = sorted(subjects)
    return ", ".join(shown[:8]) + (", …" if len(shown) > 8 else "")
