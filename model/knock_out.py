"""Controls for what attention and modalities contribute: the same weights with an input spoiled.

Without them a table of modalities reads differences between runs as the work of a modality
(docs/how-to/train.md). Each leaves the network as it is and changes what reaches it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .config import MODALITIES, ModelConfig
from .errors import ModelError

Spoiled = Literal["shuffle", "zero", "blank"]
_MODALITY_WAYS = ("blank", "shuffle")
_WAYS = {
    "guides": ("shuffle", "zero"),
    "attention": ("mean", "uniform"),
    **dict.fromkeys(MODALITIES, _MODALITY_WAYS),
}


@dataclass(frozen=True, slots=True)
class KnockOut:
    """What is spoiled.

    Attributes
    ----------
    guides : {"shuffle", "zero"} or None
        Every clip gets the guides of another clip; guides say nothing.
    attention : {"mean", "uniform"} or None
        Every clip gets the average map of all; no pixel is preferred.
    blank, shuffle : frozenset of str
        Modalities that say nothing, or come from another clip.
    """

    guides: Literal["shuffle", "zero"] | None = None
    attention: Literal["mean", "uniform"] | None = None
    blank: frozenset[str] = frozenset()
    shuffle: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, words: Sequence[str]) -> "KnockOut":
        """Read ``guides=shuffle``, ``attention=mean``, ``color=blank``, alone or with commas.

        Raises
        ------
        ModelError
            An unknown word, or two for one thing.
        """
        found: dict[str, str] = {}
        for word in (part.strip() for text in words for part in text.split(",")):
            what, sign, way = word.partition("=")
            if not sign or what not in _WAYS or way not in _WAYS[what]:
                known = ", ".join(f"{w}={'|'.join(ways)}" for w, ways in _WAYS.items())
                raise ModelError(f"--knockout {word!r}", remedy=f"known: {known}")
            if what in found:
                raise ModelError(f"--knockout: {what} is given twice")
            found[what] = way
        ways = {name: found.pop(name, None) for name in ("guides", "attention")}
        return cls(
            **ways,  # type: ignore[arg-type]  # checked above
            blank=frozenset(name for name, way in found.items() if way == "blank"),
            shuffle=frozenset(name for name, way in found.items() if way == "shuffle"),
        )

    def __str__(self) -> str:
        words = [f"guides={self.guides}"] if self.guides else []
        words += [f"attention={self.attention}"] if self.attention else []
        words += [f"{name}=blank" for name in sorted(self.blank)]
        words += [f"{name}=shuffle" for name in sorted(self.shuffle)]
        return ",".join(words)

    def __bool__(self) -> bool:
        return bool(str(self))

    def check(self, config: ModelConfig) -> None:
        """Refuse to spoil what the network has not."""
        if self.guides and not config.guides:
            raise ModelError(
                f"{self}: {config.architecture} {'+'.join(config.modalities)} has no guides"
            )
        if self.attention and not config.facts.attention:
            raise ModelError(f"{self}: {config.architecture} has no attention")
        if missing := (self.blank | self.shuffle) - set(config.modalities):
            raise ModelError(
                f"{self}: {config.architecture} takes {', '.join(config.modalities)}, "
                f"no {', '.join(sorted(missing))}"
            )

    def shuffled(self, config: ModelConfig) -> tuple[str, ...]:
        """Modalities that each clip gets from another clip."""
        guides = config.guides if self.guides == "shuffle" else ()
        return tuple(m for m in config.modalities if m in self.shuffle or m in guides)

    def blanked(self, config: ModelConfig) -> tuple[str, ...]:
        """Modalities that say nothing."""
        guides = config.guides if self.guides == "zero" else ()
        return tuple(m for m in config.modalities if m in self.blank or m in guides)


def knock_outs_of(config: ModelConfig) -> tuple[KnockOut, ...]:
    """Return the knock-outs that say what this network uses."""
    found = [KnockOut(guides="shuffle"), KnockOut(guides="zero")] if config.guides else []
    if config.facts.attention:
        found += [KnockOut(attention="mean"), KnockOut(attention="uniform")]
    found += [KnockOut(blank=frozenset({name})) for name in config.modalities]
    if len(config.modalities) > 1 and not config.guides:
        found += [KnockOut(shuffle=frozenset({name})) for name in config.modalities]
    return tuple(found)


def partners(n_clips: int, *, seed: int = 0) -> list[int]:
    """Return for every clip another clip, from which it gets what is shuffled; none keeps its own.

    A random cycle through all clips: nobody is their own successor, everybody is somebody's.
    """
    if n_clips < 2:
        raise ModelError(f"shuffling needs at least 2 clips, got {n_clips}")
    order = np.random.default_rng(seed).permutation(n_clips)
    found = np.empty(n_clips, np.int64)
    found[order] = np.roll(order, 1)
    return [int(partner) for partner in found]


def blank(clips: Mapping[str, Tensor], modalities: Sequence[str]) -> dict[str, Tensor]:
    """Return `clips` with modalities that say nothing: 0 is the neutral value of every one."""
    return {
        name: torch.zeros_like(clip) if name in modalities else clip for name, clip in clips.items()
    }


def uniform_attention(like: Tensor, config: ModelConfig) -> Tensor:
    """Return attention that prefers no pixel, of the shape of `like`."""
    pixels = like.shape[-1] * like.shape[-2]
    level = {"literal": 1 / pixels, "residual": 2.0}.get(config.attention, 1.0)
    return torch.full_like(like, level)
