"""Ratings from other tools and sets, brought to a scale of -10 to 10."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from .afew_va import afew_va_traces, load_afew_va
from .ceap import load_ceap
from .errors import AnnotationError
from .raters_csv import RAW_SCALE
from .strict_csv import NS_PER_S
from .trace import Dimension, Trace
from .wide_csv import TimeUnit, load_wide_csv, place_of, wide_traces

Kind = Literal["afew-va", "ceap", "recola", "muse"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_SUFFIX: dict[Kind, str] = {"afew-va": ".json", "ceap": ".json", "recola": ".csv", "muse": ".csv"}
_SCALE: dict[Kind, float] = {"afew-va": 10.0, "ceap": 1.0, "recola": 1.0, "muse": 1000.0}
"""Rating of each kind that becomes 10: MuSe's joystick has whole numbers up to ±1000."""
_OVERSHOOTS: tuple[Kind, ...] = ("ceap",)
"""A round joystick's corners lie beyond its nominal range."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the files themselves do not say.

    Attributes
    ----------
    kind : str
    rater : str or None
        Whose ratings AFEW-VA files are.
    frame_rate_hz : float or None
        Of the videos that AFEW-VA files count the frames of.
    first_frame : int
        Number of the frame at time 0, in AFEW-VA files.
    dimension : str or None
        Of RECOLA and MuSe tables; None: the name of their folder.
    time_unit : {"s", "ms"}
        Of RECOLA and MuSe tables.
    scale : float or None
        Rating that becomes 10; None: as usual for the kind.
    clip : bool
        Ratings beyond the scale become its end instead of an error.
    """

    kind: Kind
    rater: str | None = None
    frame_rate_hz: float | None = None
    first_frame: int = 0
    dimension: Dimension | None = None
    time_unit: TimeUnit = "s"
    scale: float | None = None
    clip: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """Traces on a scale of -10 to 10, and what a reader should know of them.

    Attributes
    ----------
    traces : tuple of Trace
    n_files : int
    n_clipped : int
        Ratings beyond the scale, taken for its end.
    notes : tuple of str
        What may have been meant otherwise.
    """

    traces: tuple[Trace, ...]
    n_files: int
    n_clipped: int
    notes: tuple[str, ...] = ()


def import_ratings(paths: Sequence[Path], options: ImportOptions) -> Imported:
    """Read files, or all files of folders, completely or refuse them.

    Raises
    ------
    AnnotationError
        No file of that kind, one that cannot be read, a rating beyond the scale, the same trace
        in two files.
    """
    files = list(_files(paths, options.kind))
    scale = options.scale or _SCALE[options.kind]
    clip = options.clip or options.kind in _OVERSHOOTS
    traces: dict[tuple[str, str, str], tuple[Path, Trace]] = {}
    n_clipped = 0
    for file in files:
        for trace in _read(file, options):
            key = (trace.session, trace.dimension, trace.rater)
            if key in traces:
                raise AnnotationError(
                    f"{file}: {trace.rater} rated {trace.dimension} of {trace.session} already in "
                    f"{traces[key][0]}",
                    remedy="import them apart, with --rater naming whose they are",
                )
            scaled, beyond = _rescale(trace, scale, file, clip=clip)
            traces[key] = (file, scaled)
            n_clipped += beyond
    if not traces:
        raise AnnotationError(f"{files[0]}: no rating has a value")
    ordered = tuple(traces[key][1] for key in sorted(traces))
    return Imported(ordered, len(files), n_clipped, tuple(_notes(ordered, options)))


def _notes(traces: Sequence[Trace], options: ImportOptions) -> Iterator[str]:
    """Files of the web annotator count from 1, those of AFEW-VA from 0, and none says which."""
    if options.kind != "afew-va" or options.frame_rate_hz is None:
        return
    first_s = min(int(trace.time_ns[0]) for trace in traces) / NS_PER_S
    number = options.first_frame + round(first_s * options.frame_rate_hz)
    if number > options.first_frame:
        yield (
            f"the first rated frame is number {number}, taken to be {first_s:.3f} s into the "
            f"video; if it is the first of the video: --first-frame {number}"
        )


def _files(paths: Sequence[Path], kind: Kind) -> Iterator[Path]:
    suffix = _SUFFIX[kind]
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for file in path.rglob(f"*{suffix}") if file.is_file())
        if kind == "ceap":
            found = [file for file in found if "Annotation" in file.name]
        if not found:
            raise AnnotationError(f"{path} holds no {suffix} files of {kind}")
        yield from found


def _read(file: Path, options: ImportOptions) -> tuple[Trace, ...]:
    if options.kind == "ceap":
        return load_ceap(file)
    if options.kind == "afew-va":
        if options.frame_rate_hz is None:
            raise AnnotationError(
                "AFEW-VA files count frames and do not know how many there are a second",
                remedy="pass --frame-rate-hz",
            )
        return afew_va_traces(
            load_afew_va(file),
            rate_hz=options.frame_rate_hz,
            rater=options.rater or options.kind,
            first_frame=options.first_frame,
        )
    table = load_wide_csv(file, time_unit=options.time_unit)
    if options.dimension is None:
        session, dimension = place_of(file)
    else:
        session, dimension = file.stem, options.dimension
    return wide_traces(table, session, dimension)


def _rescale(trace: Trace, scale: float, file: Path, *, clip: bool) -> tuple[Trace, int]:
    beyond = np.abs(trace.value) > scale
    if np.any(beyond) and not clip:
        worst = float(trace.value[np.argmax(np.abs(trace.value))])
        raise AnnotationError(
            f"{file}: {trace.rater} rated {trace.session} {worst:g}, outside the scale of "
            f"{-scale:g} to {scale:g}",
            remedy="pass --scale with the rating that becomes 10, or --clip",
        )
    value = np.clip(trace.value, -scale, scale) * (RAW_SCALE / scale)
    return (
        Trace(trace.session, trace.rater, trace.dimension, trace.time_ns, value),
        int(np.sum(beyond)),
    )
