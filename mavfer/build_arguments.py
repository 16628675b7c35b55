"""The command line of ``mavfer-build-dataset``.

Imports nothing heavy, so that --help answers at once.
"""

import argparse
import os
from pathlib import Path

from capture import terminal

_EPILOG = """\
examples:
  mavfer-build-dataset sessions/* --calibration rig.yaml --labels labels.csv -o store.h5
  mavfer-build-dataset sessions/* --calibration rig.yaml --labels labels.csv -o store.h5 \\
      --test-subjects S15,S16,S17 --validation-subjects S14 --preview crops.png
  mavfer-build-dataset --video clips/*.mp4 -o store.h5 --rate-hz native
  mavfer-build-dataset --video a1.mp4 a2.mp4 b.mp4 --subjects anna anna ben -o store.h5
  mavfer-build-dataset sessions/* --calibration rig.yaml -o store.h5 --scheduler tcp://head:8786

An interrupted build goes on where it was when the same command is run again.
"""
_COMPRESSIONS = ("bitshuffle-lz4", "lzf", "gzip", "none")
DEFAULT_MODALITIES = "color,depth,thermal"


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="mavfer-build-dataset",
        description="Synchronise, find the face, align and crop every modality of recorded "
        "sessions, or of color video files, into one HDF5 clip store.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_argument_group("what to build from")
    source.add_argument(
        "sessions",
        nargs="*",
        type=Path,
        metavar="SESSION",
        help="session folders, or folders of sessions",
    )
    source.add_argument(
        "--video", nargs="+", type=Path, default=[], metavar="FILE", help="color video files"
    )
    source.add_argument(
        "--subjects",
        nargs="+",
        metavar="NAME",
        help="who is seen in each --video, in their order (default: every file another subject)",
    )
    source.add_argument(
        "--calibration", type=Path, metavar="YAML", help="of mavfer-calibrate; sessions need it"
    )
    source.add_argument(
        "--labels",
        type=Path,
        metavar="LABELS",
        help="gold label CSV, or an annotation project: its raters, and their mean as the gold "
        "label; without them labels are NaN",
    )
    source.add_argument(
        "--raters",
        nargs="+",
        type=Path,
        default=[],
        metavar="RATINGS",
        help="rater CSV files or annotation projects, kept beside the gold labels; without "
        "--labels their mean is the gold label",
    )
    source.add_argument(
        "--rater-scale", type=float, default=10.0, metavar="N", help="ratings are ±N (default: 10)"
    )
    source.add_argument(
        "--lag-s",
        type=float,
        default=0.0,
        metavar="S",
        help="raters' reaction time: a row shows what was said S later; the traces in the store "
        "stay unshifted (default: 0)",
    )
    source.add_argument(
        "--purpose",
        choices=("train", "share", "publish"),
        help="leave out sessions whose subject did not consent to this use; films, whose consent "
        "is on no record, are for train only",
    )
    output = parser.add_argument_group("the store")
    output.add_argument("-o", "--output", type=Path, required=True, metavar="STORE.h5")
    output.add_argument("--preview", type=Path, metavar="PNG", help="also draw a contact sheet")
    output.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    output.add_argument(
        "--modalities",
        default=None,
        metavar="LIST",
        help=f"of sessions (default: {DEFAULT_MODALITIES})",
    )
    output.add_argument(
        "--rate-hz",
        type=rate_hz,
        default=4.0,
        metavar="HZ",
        help="time grid; 'native' takes every frame of a video file (default: 4)",
    )
    output.add_argument("--crop-px", type=int, default=96, metavar="N", help="(default: 96)")
    output.add_argument("--clip-length", type=int, default=16, metavar="N", help="(default: 16)")
    output.add_argument(
        "--compression", choices=_COMPRESSIONS, default="bitshuffle-lz4", help="of the crops"
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--landmarks",
        type=int,
        choices=(68, 5),
        default=68,
        help="predictor; 68 points bar commercial use (NOTICE), 5 do not (default: 68)",
    )
    how.add_argument(
        "--tolerance-ms",
        type=float,
        default=60.0,
        metavar="MS",
        help="largest time between color and the other streams of a moment (default: 60)",
    )
    how.add_argument(
        "--fill-gaps",
        type=float,
        default=0.0,
        metavar="S",
        help="cut crops at the interpolated place where the face is missed for up to S seconds, "
        "marked as interpolated (default: 0, none)",
    )
    how.add_argument(
        "--no-identity",
        action="store_true",
        help="compute no face descriptors: other people are told by place and size alone",
    )
    how.add_argument(
        "--workers", type=int, default=None, metavar="N", help="processes (default: one a core)"
    )
    how.add_argument(
        "--segment-rows",
        type=int,
        default=None,
        metavar="N",
        help="rows of a piece of work, which an interrupted build repeats at most "
        "(default: 128 of a session, 512 of a film)",
    )
    how.add_argument(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="Dask scheduler whose workers take the place of --workers (mavfer[dask])",
    )
    how.add_argument(
        "--skip-bad", action="store_true", help="store the good sources although others failed"
    )
    split = parser.add_argument_group("subject-disjoint split")
    split.add_argument(
        "--split",
        type=_fractions,
        default=None,
        metavar="TRAIN,VAL,TEST",
        help="shares of the subjects, or 'none' to put all into train "
        "(default: 0.7,0.15,0.15; 'none' for fewer than 3 video files' subjects)",
    )
    split.add_argument("--split-seed", type=int, default=0, metavar="N", help="(default: 0)")
    split.add_argument("--validation-subjects", type=_names, default=frozenset(), metavar="A,B")
    split.add_argument("--test-subjects", type=_names, default=frozenset(), metavar="A,B")
    terminal.add_common_options(parser)
    return parser


def default_workers() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0))


def rate_hz(text: str) -> float:
    """Parse a rate, 0 for ``native``."""
    if text == "native":
        return 0.0
    (rate,) = _numbers(text, 1, expected="a number of Hz or 'native'")
    if not 0 < rate < 1000:
        raise argparse.ArgumentTypeError(f"{text} Hz: expected more than 0 and less than 1000")
    return rate


def _fractions(text: str) -> tuple[float, float, float]:
    if text == "none":
        return (1.0, 0.0, 0.0)
    train, validation, test = _numbers(text, 3, expected="TRAIN,VALIDATION,TEST or 'none'")
    return (train, validation, test)


def _numbers(text: str, count: int, *, expected: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise argparse.ArgumentTypeError(f"{text!r}: expected {expected}")
    return numbers


def _names(text: str) -> frozenset[str]:
    return frozenset(name for name in text.split(",") if name)
