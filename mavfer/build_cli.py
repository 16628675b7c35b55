"""``mavfer-build-dataset``: from sessions or video files to one clip store."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture import terminal

if TYPE_CHECKING:
    from .labelling import Labelling
    from .part import BuildPlan, PartReport, SourceFile

logger = logging.getLogger(__name__)

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
_MODALITIES = "color,depth,thermal"


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line; imports nothing heavy, so that --help answers at once."""
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
        help="leave out sessions whose subject did not consent to this use",
    )
    output = parser.add_argument_group("the store")
    output.add_argument("-o", "--output", type=Path, required=True, metavar="STORE.h5")
    output.add_argument("--preview", type=Path, metavar="PNG", help="also draw a contact sheet")
    output.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    output.add_argument(
        "--modalities", default=None, metavar="LIST", help=f"of sessions (default: {_MODALITIES})"
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mavfer-build-dataset``; returns the exit status."""
    return terminal.run_command(_build, build_parser().parse_args(argv))


def _build(args: argparse.Namespace) -> int:
    import time

    from capture.files import check_not_input

    from .build import SourcesFailedError, build_store
    from .errors import DatasetError
    from .store_description import describe_store

    check_not_input(
        [args.output, args.preview], [args.calibration, args.labels, *args.raters, *args.video]
    )
    if args.preview == args.output:
        raise DatasetError("--preview names the store itself", remedy="choose another file")
    sources = _sources(args)
    plan = _plan(args, sources)
    if args.preview is not None and args.preview.exists() and not args.overwrite:
        raise DatasetError(f"{args.preview} exists already", remedy="pass --overwrite")
    if args.scheduler is not None and args.workers is not None:
        raise DatasetError("--scheduler brings its own workers", remedy="leave --workers out")
    workers = default_workers() if args.workers is None else args.workers
    if workers < 1:
        raise DatasetError(f"--workers {workers}: at least 1")
    started_s = time.monotonic()
    try:
        with terminal.progress("building", enabled=not args.quiet) as on_progress:
            built = build_store(
                args.output,
                sources,
                plan,
                workers=workers,
                scheduler=args.scheduler,
                skip_bad=args.skip_bad,
                overwrite=args.overwrite,
                on_progress=on_progress,
            )
    except SourcesFailedError as error:
        if args.json:
            terminal.print_result(args, {"store": None, **report_document(error.reports)}, [])
        raise
    elapsed_s = time.monotonic() - started_s
    if args.preview is not None:
        from .preview import write_contact_sheet

        write_contact_sheet(args.output, args.preview, overwrite=args.overwrite)
    summary = describe_store(args.output)
    result = {
        "store": str(args.output),
        "preview": None if args.preview is None else str(args.preview),
        **report_document(built.parts),
        "stage_cpu_s": {kind: round(s, 3) for kind, s in built.stage_cpu_s.items()},
        "reused_segments": built.n_reused,
        "elapsed_s": round(elapsed_s, 2),
        **{key: summary[key] for key in ("fingerprint", "modalities", "rate_hz", "splits")},
    }
    terminal.print_result(args, result, report_text(result))
    return terminal.EXIT_OK


def _sources(args: argparse.Namespace) -> "list[SourceFile]":
    from capture.session_folders import session_folders

    from .consent import consenting
    from .errors import DatasetError
    from .part import SourceFile

    if args.sessions and args.video:
        raise DatasetError(
            "sessions and video files cannot share a store: a video has color only",
            remedy="build two stores",
        )
    if args.subjects is not None and len(args.subjects) != len(args.video):
        raise DatasetError(
            f"--subjects names {len(args.subjects)} for {len(args.video)} video files: "
            "expected one name a file"
        )
    subjects = args.subjects or [path.stem for path in args.video]
    sessions = session_folders(args.sessions)
    if args.purpose:
        sessions, refused = consenting(sessions, args.purpose)
        for path, reason in refused.items():
            logger.warning("%s left out: %s", path, reason)
        if refused and not sessions:
            reasons = ", ".join(sorted(set(refused.values())))
            raise DatasetError(f"no session may be used for --purpose {args.purpose}: {reasons}")
    return [SourceFile(path) for path in sessions] + [
        SourceFile(path, subject=subject, is_video=True)
        for path, subject in zip(args.video, subjects, strict=True)
    ]


def _plan(args: argparse.Namespace, sources: "Sequence[SourceFile]") -> "BuildPlan":
    from calibration.rig import load_rig_calibration

    from .errors import DatasetError
    from .part import BuildPlan
    from .splits import DEFAULT_FRACTIONS, SplitPlan
    from .store_schema import check_modalities
    from .store_writer import StoreLayout

    if args.modalities is not None and args.video:
        raise DatasetError("--modalities is for sessions: a video has color only")
    if not 0 <= args.tolerance_ms < 1e6:
        raise DatasetError(f"--tolerance-ms {args.tolerance_ms:g}: expected 0 or more")
    modalities = "color" if args.video else args.modalities or _MODALITIES
    # Somebody who tries one clip wants crops, not a lecture; with sessions the split is the point.
    few_videos = args.video and len({source.subject for source in sources}) < 3
    fractions = args.split or ((1.0, 0.0, 0.0) if few_videos else DEFAULT_FRACTIONS)
    return BuildPlan(
        layout=StoreLayout(
            modalities=check_modalities(tuple(modalities.split(","))),
            crop_px=args.crop_px,
            clip_length=args.clip_length,
            rate_hz=args.rate_hz,
            landmarks=args.landmarks,
            compression=args.compression,
        ),
        split=SplitPlan(
            fractions=fractions,
            seed=args.split_seed,
            validation=args.validation_subjects,
            test=args.test_subjects,
        ),
        tolerance_ns=round(args.tolerance_ms * 1e6),
        fill_gaps_s=args.fill_gaps,
        identity=not args.no_identity,
        segment_rows=args.segment_rows,
        rig=None if args.calibration is None else load_rig_calibration(args.calibration),
        labelling=_labelling(args),
        provenance={
            "calibration": _origin(args.calibration),
            "labels": _origin(args.labels),
            "raters": [_origin(path) for path in args.raters],
            **({"purpose": args.purpose} if args.purpose else {}),
        },
    )


def _labelling(args: argparse.Namespace) -> "Labelling":
    import math

    from annotation.labels import load_labels

    from .errors import DatasetError
    from .labelling import Labelling, by_session, gold_of, load_ratings

    if not math.isfinite(args.lag_s):
        raise DatasetError(f"--lag-s {args.lag_s}: expected a number of seconds")
    project = args.labels if args.labels is not None and args.labels.is_dir() else None
    sources = [*args.raters, *([] if project is None else [project])]
    ratings = load_ratings(sources, scale=args.rater_scale)
    gold = None if args.labels in (None, project) else load_labels(args.labels)
    if gold is None and ratings:
        gold = gold_of(ratings, every_frame=all(path.is_dir() for path in sources))
    return Labelling(
        gold=gold,
        raters=by_session(ratings),
        lag_ns=round(args.lag_s * 1e9),
    )


def _origin(path: Path | None) -> dict[str, str] | None:
    import hashlib

    if path is None:
        return None
    if path.is_dir():  # an annotation project goes on changing: its name says which
        return {"name": path.resolve().name}
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def report_document(reports: "Sequence[PartReport]") -> dict[str, Any]:
    """Say what became of the sources, as JSON values."""
    good = [report for report in reports if report.error is None]
    n_frames = sum(report.n_frames for report in good)
    return {
        "frames": n_frames,
        "face_percent": _percent(sum(report.n_faces for report in good), n_frames),
        "cpu_ms_per_frame": round(1000 * sum(r.cpu_s for r in good) / max(n_frames, 1), 2),
        "videos": {
            report.id: {
                "subject": report.subject,
                "frames": report.n_frames,
                "face_percent": _percent(report.n_faces, report.n_frames),
                "face_from_infrared": report.n_faces_infrared,
                "interpolated": report.n_interpolated,
                "missing": dict(report.missing),
                "flags": dict(report.flags),
                "labelled_frames": report.n_labelled,
                "damage": list(report.damage),
            }
            for report in good
        },
        "failed": {str(report.path): report.error for report in reports if report.error},
    }


def report_text(result: dict[str, Any]) -> list[str]:
    """Lay `report_document`, with the store it became, out in lines."""
    lines = [
        f"{name:32}  {video['subject']:12} {video['frames']:6} frames  "
        f"face {video['face_percent']:5.1f} %  labelled {video['labelled_frames']}"
        for name, video in result["videos"].items()
    ]
    shares = ", ".join(
        f"{split} {share['subjects']} subjects {share['clips']} clips"
        for split, share in result["splits"].items()
    )
    for name, video in result["videos"].items():
        lines += [f"incomplete: {name}: {what}" for what in video["damage"]]
        if told := {**video["missing"], **video["flags"]}:
            counts = ", ".join(f"{what.replace('_', ' ')} {n}" for what, n in told.items())
            lines.append(f"rows of {name}: {counts}")
    lines += [f"not stored: {path}: {error}" for path, error in result["failed"].items()]
    return [
        *lines,
        f"{result['store']}: {result['frames']} frames of {len(result['videos'])} videos, "
        f"face in {result['face_percent']:.1f} %, in {result['elapsed_s']:.1f} s",
        f"split: {shares}",
    ]


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0.0


def default_workers() -> int:
    """Processors this process may use."""
    import os

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


if __name__ == "__main__":
    raise SystemExit(main())
