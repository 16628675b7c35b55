"""What a video's rows are labelled with: gold in capture time, every rater, a category."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annotation.fusion import FusionOptions, fuse
from annotation.labels import Labels
from annotation.strict_csv import MAX_TIME_S
from annotation.trace import Trace

from .errors import DatasetError
from .store_schema import DIMENSIONS, Dimension
from .store_traces import LabelTrace


@dataclass(frozen=True, slots=True, eq=False)
class Labelling:
    """Everything that labels videos, by their ids.

    Attributes
    ----------
    gold : Labels, optional
        Without them every label is NaN.
    raters : mapping of video id to traces
        Kept beside the gold labels, in [-1, 1].
    categories : mapping of video id to str
    lag_ns : int
        Reaction time taken out when rows are labelled: a row at t shows what was said at
        t + lag. The traces themselves stay as they are.
    partial : bool
        Videos without gold labels are meant to be: a corpus keeps those of its test split.

    Raises
    ------
    DatasetError
        A lag that is negative, or one on top of the one the labels were fused with.
    """

    gold: Labels | None = None
    raters: Mapping[str, Sequence[LabelTrace]] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)
    lag_ns: int = 0
    partial: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.lag_ns <= MAX_TIME_S * 1e9:
            raise DatasetError(f"a lag of {self.lag_ns / 1e9:g} s: expected 0 to {MAX_TIME_S:g} s")
        if self.lag_ns and (fused_s := fused_lag_s(self.gold)):
            raise DatasetError(
                f"the labels were fused with a lag of {fused_s:g} s already",
                remedy="fuse them without --lag-s, or build without it",
            )

    def columns(
        self, video_id: str, time_ns: NDArray[np.int64]
    ) -> dict[Dimension, NDArray[np.float32]]:
        """Gold label of every row, (N,) float32 each; NaN where there is none."""
        if self.gold is None or (self.partial and video_id not in self.gold):
            return {d: np.full(len(time_ns), np.nan, np.float32) for d in DIMENSIONS}
        about_ns = time_ns + self.lag_ns
        return {d: self.gold.at(video_id, d, about_ns).astype(np.float32) for d in DIMENSIONS}

    def only(self, video_id: str) -> "Labelling":
        """Return what is about one video."""
        gold = self.gold
        if gold is not None:
            about = {k: v for k, v in gold.sessions.items() if k == video_id}
            gold = Labels(about, gold.provenance)
        return replace(
            self,
            gold=gold,
            raters={k: v for k, v in self.raters.items() if k == video_id},
            categories={k: v for k, v in self.categories.items() if k == video_id},
        )

    def traces(self, video_id: str) -> tuple[LabelTrace, ...]:
        """Return the gold trace as it came, then every rater's."""
        gold: list[LabelTrace] = []
        if self.gold is not None and video_id in self.gold:
            labels = self.gold.sessions[video_id]
            gold = [
                LabelTrace(d, labels.time_ns, labels.values(d))
                for d in DIMENSIONS
                if np.isfinite(labels.values(d)).any()
            ]
        return (*gold, *self.raters.get(video_id, ()))


def lag_ns_of(lag_s: float) -> int:
    """Return a lag in whole nanoseconds, refusing what is no time."""
    if not math.isfinite(lag_s):
        raise DatasetError(f"--lag-s {lag_s}: expected a number of seconds")
    if not 0 <= lag_s <= MAX_TIME_S:
        raise DatasetError(f"a lag of {lag_s:g} s: expected 0 to {MAX_TIME_S:g} s")
    return round(lag_s * 1e9)


def fused_lag_s(labels: Labels | None) -> float:
    """Lag that was taken out when labels were fused, as their file says."""
    options = {} if labels is None else labels.provenance.get("options")
    lag_s = options.get("lag_s") if isinstance(options, Mapping) else None
    return float(lag_s) if isinstance(lag_s, int | float) else 0.0


def load_ratings(paths: Sequence[Path], *, scale: float) -> tuple[Trace, ...]:
    """Read rater files, or the folders of annotation projects, and bring them to [-1, 1].

    Parameters
    ----------
    scale : float
        Ratings in files are ±`scale`; projects know theirs.
    """
    if not paths:
        return ()
    from annotation import sources

    return tuple(_divided(each, scale) for each in sources.load_ratings(paths, scale=scale).traces)


def by_session(traces: Sequence[Trace]) -> dict[str, tuple[LabelTrace, ...]]:
    """Sort traces in [-1, 1] by the session they are about."""
    found: dict[str, list[LabelTrace]] = {}
    for trace in traces:
        found.setdefault(trace.session, []).append(
            LabelTrace(trace.dimension, trace.time_ns, trace.value, trace.rater)
        )
    return {session: tuple(members) for session, members in found.items()}


def gold_of(traces: Sequence[Trace], *, every_frame: bool = False) -> Labels:
    """Fuse ratings in [-1, 1] as ``mavfer-annotate fuse`` does without options.

    Parameters
    ----------
    traces : sequence of Trace
    every_frame : bool
        Label the rated moments themselves, as the frames of a project's videos; else 30 a second.
    """
    options = FusionOptions(scale=1.0, rate_hz=None if every_frame else 30.0)
    return Labels(fuse(traces, options), {"method": "mean over raters", "options": {"lag_s": 0.0}})


def _divided(trace: Trace, scale: float) -> Trace:
    return replace(trace, value=trace.value / scale)
