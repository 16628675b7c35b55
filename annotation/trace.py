"""One rater's continuous judgement of one dimension of one session, and its value in between."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .errors import AnnotationError

Dimension = Literal["valence", "arousal"]
DIMENSIONS: tuple[Dimension, ...] = ("valence", "arousal")


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """What one rater said about one dimension of one session.

    Attributes
    ----------
    session : str
        Name of the session's folder.
    rater : str
        Pseudonym of the rater.
    dimension : {"valence", "arousal"}
    time_ns : (N,) int64
        Since the session's start, strictly increasing.
    value : (N,) float64
        Finite; on the rater's own scale until labels are fused.

    Raises
    ------
    AnnotationError
        Empty, unequal lengths, times not strictly increasing or values not finite.
    """

    session: str
    rater: str
    dimension: Dimension
    time_ns: NDArray[np.int64]
    value: NDArray[np.float64]

    def __post_init__(self) -> None:
        name = f"trace of {self.rater} on {self.session} ({self.dimension})"
        if self.dimension not in DIMENSIONS:
            raise AnnotationError(
                f"{name}: unknown dimension, expected one of {', '.join(DIMENSIONS)}"
            )
        if self.time_ns.ndim != 1 or self.time_ns.shape != self.value.shape or not len(self):
            raise AnnotationError(
                f"{name}: expected as many values as times and at least one, "
                f"got {self.value.shape} values for {self.time_ns.shape} times"
            )
        if np.any(np.diff(self.time_ns) <= 0):
            raise AnnotationError(f"{name}: times do not strictly increase")
        if not np.all(np.isfinite(self.value)):
            raise AnnotationError(f"{name}: values must be finite numbers")

    def __len__(self) -> int:
        return len(self.time_ns)

    def at(
        self, time_ns: NDArray[np.int64], *, max_gap_ns: int | None = None
    ) -> NDArray[np.float64]:
        """Value at other times; see `interpolate`."""
        return interpolate(time_ns, self.time_ns, self.value, max_gap_ns=max_gap_ns)


def interpolate(
    time_ns: NDArray[np.int64],
    knot_ns: NDArray[np.int64],
    value: NDArray[np.float64],
    *,
    max_gap_ns: int | None = None,
) -> NDArray[np.float64]:
    """Interpolate linearly in time, without inventing anything outside what was said.

    Parameters
    ----------
    time_ns : (N,) int64
        Wanted times, in any order.
    knot_ns : (M,) int64
        Known times, strictly increasing.
    value : (M,) float64
        Known values; NaN where missing.
    max_gap_ns : int, optional
        Widest distance of two neighbouring knots that is bridged.

    Returns
    -------
    (N,) float64
        Exactly the known value at a knot; NaN before the first knot, after the last, beside a
        missing value and inside a gap wider than `max_gap_ns`.
    """
    result = np.full(len(time_ns), np.nan)
    if not len(knot_ns):
        return result
    after = np.minimum(np.searchsorted(knot_ns, time_ns, side="left"), len(knot_ns) - 1)
    exact = knot_ns[after] == time_ns
    result[exact] = value[after[exact]]

    between = ~exact & (time_ns > knot_ns[0]) & (time_ns < knot_ns[-1])
    right = after[between]
    left = right - 1
    gap_ns = knot_ns[right] - knot_ns[left]
    weight = (time_ns[between] - knot_ns[left]) / gap_ns
    before, after_it = value[left], value[right]
    # this form keeps a constant constant to the bit: its correlation is undefined, not noise
    mixed = before + weight * (after_it - before)
    mixed = np.clip(mixed, np.minimum(before, after_it), np.maximum(before, after_it))
    if max_gap_ns is not None:
        mixed[gap_ns > max_gap_ns] = np.nan
    result[between] = mixed
    return result
