"""Which subjects training learns from and which ones tell when to stop."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from mavfer.splits import Split
from mavfer.store import ClipStore

from .config import TrainConfig
from .errors import ModelError

_FEWEST_TO_HOLD_OUT = 3
"""Of two subjects, holding one out would cost more than early stopping gains."""


@dataclass(frozen=True, slots=True)
class SubjectRoles:
    """Where the clips of training and of validation come from.

    Attributes
    ----------
    learn : frozenset of str
        Subjects of the train split that are learned from.
    validate : frozenset of str
        Subjects that early stopping listens to; empty without validation.
    validation_split : {"train", "validation"}
        Split in which those are found.
    """

    learn: frozenset[str]
    validate: frozenset[str]
    validation_split: Split


def subject_roles(store: ClipStore, config: TrainConfig) -> SubjectRoles:
    """Deal the subjects as ``validation`` of `config` says (`model.config.TrainConfig`).

    Subjects held out of the train split are chosen by a hash of their name, so they are the same
    for every seed: runs can be compared seed by seed.
    """
    train = _subjects(store, "train")
    own = _subjects(store, "validation")
    if config.validation == "none":
        return SubjectRoles(frozenset(train), frozenset(), "validation")
    if config.validation == "store" and not own:
        raise ModelError(
            f"{store.path.name} has no validation split",
            remedy="use validation=train, which holds subjects of the train split out",
        )
    if own and config.validation != "train":
        return SubjectRoles(frozenset(train), frozenset(own), "validation")
    if len(train) < _FEWEST_TO_HOLD_OUT:
        if config.validation == "train":
            raise ModelError(
                f"validation=train needs {_FEWEST_TO_HOLD_OUT} training subjects, "
                f"{store.path.name} has {len(train)}"
            )
        return SubjectRoles(frozenset(train), frozenset(), "validation")
    count = min(max(1, round(len(train) * config.validation_share)), len(train) - 1)
    held_out = frozenset(sorted(train, key=_rank)[:count])
    return SubjectRoles(frozenset(train) - held_out, held_out, "train")


def _subjects(store: ClipStore, split: Split) -> Sequence[str]:
    return sorted({video.subject for video in store.videos.values() if video.split == split})


def _rank(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()
