"""Traces kept beside the rows of a video: what every rater said, and the gold label's source.

The rows' labels are made of these; keeping them makes the reaction lag reversible and lets
training see every rater.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from annotation.trace import interpolate

from .errors import DatasetError
from .store_content import require_rows_inside
from .store_schema import DIMENSIONS, Dimension

GOLD_GROUP = "gold"
RATERS_GROUP = "raters"


@dataclass(frozen=True, slots=True, eq=False)
class LabelTrace:
    """One dimension as one rater gave it, or the gold label as it was before any shift.

    Attributes
    ----------
    dimension : {"valence", "arousal"}
    time_ns : (M,) int64
        Capture time since the video's start, strictly increasing.
    value : (M,) float64
        In [-1, 1]; NaN = missing.
    rater : str
        Pseudonym; empty for gold.
    """

    dimension: Dimension
    time_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    rater: str = ""

    def __post_init__(self) -> None:
        name = f"{self.dimension} of {self.rater or 'gold'}"
        if self.dimension not in DIMENSIONS:
            raise DatasetError(f"trace {name}: expected one of {', '.join(DIMENSIONS)}")
        if self.time_ns.ndim != 1 or self.time_ns.shape != self.value.shape:
            raise DatasetError(
                f"trace {name}: {self.value.shape} values for {self.time_ns.shape} times"
            )
        if np.any(np.diff(self.time_ns) <= 0):
            raise DatasetError(f"trace {name}: times do not increase")
        if np.any(np.abs(self.value) > 1):
            raise DatasetError(f"trace {name}: values outside [-1, 1]", remedy="pass --scale")

    def at(self, time_ns: NDArray[np.int64], *, lag_ns: int) -> NDArray[np.float32]:
        """Value about each moment: what was said `lag_ns` later, (N,) float32; NaN unknown."""
        return interpolate(time_ns + lag_ns, self.time_ns, self.value).astype(np.float32)


def is_of_trace(name: str) -> bool:
    """Tell whether a data set of a video, told by its path, is part of a trace."""
    dimensions = "|".join(DIMENSIONS)
    place = f"(?:{GOLD_GROUP}|{RATERS_GROUP}/[^/]+)/(?:{dimensions})/(?:time_ns|value)"
    return re.fullmatch(place, name) is not None


def write_traces(group: h5py.Group, traces: Iterable[LabelTrace]) -> None:
    """Write traces into the group of a video.

    Raises
    ------
    DatasetError
        Two traces of one rater and dimension.
    """
    for trace in traces:
        place = f"{RATERS_GROUP}/{_link_name(trace.rater)}" if trace.rater else GOLD_GROUP
        path = f"{place}/{trace.dimension}"
        if path in group:
            raise DatasetError(f"two traces of {trace.dimension} by {trace.rater or 'gold'}")
        group[f"{path}/time_ns"] = trace.time_ns.astype(np.int64)
        group[f"{path}/value"] = trace.value.astype(np.float64)


def read_traces(group: h5py.Group) -> Iterator[LabelTrace]:
    """Yield the traces of a video: gold first, then by rater.

    Raises
    ------
    DatasetError
        A trace is contradictory.
    KeyError, TypeError
        A trace lacks a part.
    """
    places = [(GOLD_GROUP, "")]
    if RATERS_GROUP in group:
        if not isinstance(group[RATERS_GROUP], h5py.Group):
            raise DatasetError(f"{RATERS_GROUP} is no group")
        names = sorted(group[RATERS_GROUP])
        places += [(f"{RATERS_GROUP}/{name}", _rater_name(name)) for name in names]
    for place, rater in places:
        for dimension in DIMENSIONS:
            if place not in group:
                continue
            if not isinstance(group[place], h5py.Group):
                raise DatasetError(f"{place} is no group")
            if dimension in group[place]:
                trace = group[place][dimension]
                times, values = (
                    _column(trace[name], f"{place}/{dimension}/{name}", dtype)
                    for name, dtype in (("time_ns", np.int64), ("value", np.float64))
                )
                yield LabelTrace(dimension, times, values, rater)


def _column(found: object, where: str, dtype: type[np.generic]) -> NDArray[Any]:
    if not isinstance(found, h5py.Dataset) or found.ndim != 1 or found.dtype != dtype:
        what = f"{found.shape} {found.dtype}" if isinstance(found, h5py.Dataset) else "no data set"
        raise DatasetError(f"trace {where} is {what}, expected (M,) {np.dtype(dtype)}")
    require_rows_inside(found, where)
    values: NDArray[Any] = found[:]
    return values


def _link_name(rater: str) -> str:
    """Name that HDF5 takes: no slash, not only dots."""
    name = rater.replace("%", "%25").replace("/", "%2F")
    return name.replace(".", "%2E") if not name.strip(".") else name


def _rater_name(link: str) -> str:
    return link.replace("%2E", ".").replace("%2F", "/").replace("%25", "%")
