"""How ratings become labels: the choices that are recorded with them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from .errors import AnnotationError
from .strict_csv import MAX_TIME_S

Method = Literal["mean", "ewe", "ewe-leave-one-out", "ewe-pairwise-cc", "ewe-pairwise-ccc", "ges"]
METHODS: tuple[Method, ...] = get_args(Method)
Edges = Literal["missing", "hold"]
EDGES: tuple[Edges, ...] = get_args(Edges)


@dataclass(frozen=True, slots=True)
class FusionOptions:
    """How ratings become labels; recorded with them.

    Attributes
    ----------
    method : str
        ``mean`` (the paper), one of the evaluator weighted estimators (see `rater_weights`), or
        ``ges``: the mean, re-centred where the raters who agree put it (AVEC 2018).
    scale : float
        Rating that becomes a label of 1.
    rate_hz : float or None
        Rate of the gold grid, which is anchored at the session's start; None: every moment that
        any rater of the session rated, such as the frames of the video they saw.
    lag_s : float
        The raters' reaction time: what was said at t + lag_s is taken to be about t. The last
        `lag_s` seconds of a session then have no label.
    rater_lag_s : mapping of rater to float
        On top of `lag_s`, what each rater is later than the others; see `annotation.lag`.
    min_raters : int or None
        Raters that must have spoken for a label; None: every rater of that session and
        dimension, so that the mean never jumps because somebody starts late.
    max_gap_s : float or None
        Widest pause of a rater that is interpolated; None: any.
    edges : {"missing", "hold"}
        Before a rater's first and after the last rating: nothing, or that rating.
    """

    scale: float = 10.0
    rate_hz: float | None = 30.0
    lag_s: float = 0.0
    min_raters: int | None = None
    max_gap_s: float | None = None
    method: Method = "mean"
    edges: Edges = "missing"
    rater_lag_s: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise AnnotationError(f"method is {self.method!r}, expected {', '.join(METHODS)}")
        if self.edges not in EDGES:
            raise AnnotationError(f"edges is {self.edges!r}, expected {' or '.join(EDGES)}")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise AnnotationError(f"scale is {self.scale:g}, expected a number above 0")
        if self.max_gap_s is not None and not 0 < self.max_gap_s <= MAX_TIME_S:
            raise AnnotationError(
                f"max_gap_s is {self.max_gap_s:g}, expected a number above 0, at most "
                f"{MAX_TIME_S:g}"
            )
        if not 0 <= self.lag_s <= MAX_TIME_S:
            raise AnnotationError(f"lag_s is {self.lag_s:g}, expected 0 to {MAX_TIME_S:g} seconds")
        for rater, lag_s in self.rater_lag_s.items():
            if not abs(lag_s) <= MAX_TIME_S:
                raise AnnotationError(f"the lag of {rater} is {lag_s:g} s, expected a number")
        if self.min_raters is not None and self.min_raters < 1:
            raise AnnotationError(f"min_raters is {self.min_raters}, expected 1 or more")
