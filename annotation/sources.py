"""Ratings from wherever they are: CSV files, Parquet files, annotation projects."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from capture.terminal import OnProgress

from .errors import AnnotationError
from .raters_csv import RAW_SCALE, load_traces
from .trace import Trace

if TYPE_CHECKING:
    from .project.ratings import FrameRatings

PARQUET_SUFFIX = ".parquet"
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """The frames that one rater was shown.

    Attributes
    ----------
    time_ns : (N,) int64
        Of every frame of the video.
    by_hand : (N,) bool
        The slider was moved while this frame was shown; elsewhere it was held, or is missing.
    """

    time_ns: NDArray[np.int64]
    by_hand: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """What raters said, and where it comes from.

    Attributes
    ----------
    traces : tuple of Trace
        Sorted by session, dimension and rater; on the raters' scale.
    scale : float
        Largest magnitude a rating can have.
    teams : dict of rater to name
        Empty where the source does not know.
    frames : dict of (session, dimension, rater) to Frames
        Of traces that come from a project.
    origins : tuple of dict
        Name and hash of each source, for the provenance of what is made of them.
    """

    traces: tuple[Trace, ...]
    scale: float
    teams: dict[str, str] = field(default_factory=dict)
    frames: dict[_Key, Frames] = field(default_factory=dict)
    origins: tuple[dict[str, Any], ...] = ()

    @property
    def all_from_projects(self) -> bool:
        """Every trace was rated frame by frame here."""
        return all(key_of(trace) in self.frames for trace in self.traces)

    @property
    def raters(self) -> tuple[str, ...]:
        """Names of all raters, sorted."""
        return tuple(sorted({trace.rater for trace in self.traces}))

    @property
    def sessions(self) -> tuple[str, ...]:
        """Names of all sessions, sorted."""
        return tuple(sorted({trace.session for trace in self.traces}))


def load_ratings(
    paths: Sequence[Path],
    *,
    scale: float = RAW_SCALE,
    include_unsubmitted: bool = False,
    on_progress: OnProgress | None = None,
) -> Ratings:
    """Read ratings completely or refuse them.

    Parameters
    ----------
    paths : sequence of Path
        CSV files, Parquet files (by their ending) and folders of annotation projects.
    scale : float
        Largest magnitude of a rating in files; a project's ratings are brought to it.
    include_unsubmitted : bool
        Of projects, also ratings in progress.
    on_progress : callable, optional
        Told bytes of each CSV file.

    Raises
    ------
    AnnotationError
        A source that cannot be read, a rating beyond the scale, or the same trace twice.
    """
    paths = [Path(path) for path in paths]
    if not paths:
        raise AnnotationError("no ratings were given")
    if not (math.isfinite(scale) and scale > 0):
        raise AnnotationError(f"the scale is {scale:g}, expected a number above 0")
    projects = [path for path in paths if path.is_dir()]
    tables = [path for path in paths if path not in projects and _is_parquet(path)]
    files = [path for path in paths if path not in projects and path not in tables]
    parts = [_from_project(path, scale, include_unsubmitted) for path in projects]
    parts += [_from_parquet(path, scale) for path in tables]
    if files:
        traces = load_traces(files, scale=scale, on_progress=on_progress)
        parts.append(Ratings(traces, scale, origins=tuple(origin_of_file(path) for path in files)))
    return _joined(parts, scale)


def key_of(trace: Trace) -> _Key:
    """Return what a trace is found by."""
    return (trace.session, trace.dimension, trace.rater)


def origin_of_file(path: Path) -> dict[str, Any]:
    """Name and SHA-256 of a file."""
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def digest_of(traces: Iterable[Trace]) -> str:
    """SHA-256 of ratings, whatever file they are in: of names, times and values, in their order."""
    digest = hashlib.sha256()
    for trace in traces:
        digest.update("\0".join((*key_of(trace), str(len(trace)))).encode())
        digest.update(trace.time_ns.astype("<i8").tobytes())
        digest.update(trace.value.astype("<f8").tobytes())
    return digest.hexdigest()


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == PARQUET_SUFFIX


def _from_project(path: Path, scale: float, include_unsubmitted: bool) -> Ratings:
    from .project.ratings import read_project_ratings

    found = read_project_ratings(path, include_unsubmitted=include_unsubmitted)
    if not found:
        state = "rated" if include_unsubmitted else "submitted"
        raise AnnotationError(
            f"{path}: nothing has been {state} yet",
            remedy=None if include_unsubmitted else "pass --unsubmitted to see ratings in progress",
        )
    traces = tuple(_scaled(each, scale) for each in found)
    return Ratings(
        traces,
        scale,
        teams={each.rater: each.team for each in found},
        frames={
            key_of(trace): Frames(each.time_ns, each.by_hand)
            for trace, each in zip(traces, found, strict=True)
        },
        origins=({"name": path.resolve().name, "ratings_sha256": digest_of(traces)},),
    )


def _scaled(ratings: "FrameRatings", scale: float) -> Trace:
    trace = ratings.trace
    if scale == RAW_SCALE:
        return trace
    value = trace.value * (scale / RAW_SCALE)
    return Trace(trace.session, trace.rater, trace.dimension, trace.time_ns, value)


def _from_parquet(path: Path, scale: float) -> Ratings:
    from .parquet import load_traces_parquet

    traces, teams = load_traces_parquet(path, scale=scale)
    return Ratings(traces, scale, teams=teams, origins=(origin_of_file(path),))


def _joined(parts: Sequence[Ratings], scale: float) -> Ratings:
    traces: dict[_Key, Trace] = {}
    joined = Ratings((), scale)
    for part in parts:
        for trace in part.traces:
            if key_of(trace) in traces:
                raise AnnotationError(
                    f"{trace.rater} rated {trace.dimension} of {trace.session} in two of the "
                    "sources",
                    remedy="keep one of them, or name them as two raters",
                )
            traces[key_of(trace)] = trace
        for rater, team in part.teams.items():
            if joined.teams.setdefault(rater, team) != team:
                raise AnnotationError(
                    f"{rater} is in team {joined.teams[rater]} of one source and {team} of another"
                )
        joined.frames.update(part.frames)
    ordered = tuple(traces[key] for key in sorted(traces))
    origins = tuple(origin for part in parts for origin in part.origins)
    return Ratings(ordered, scale, joined.teams, joined.frames, origins)
