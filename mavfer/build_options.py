"""What a build is asked for: from the words of its command line to sources and a plan."""

import argparse
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from annotation.labels import load_labels
from calibration.rig import load_rig_calibration
from capture.files import check_not_input, check_not_within
from capture.session_folders import session_folders

from .build_arguments import DEFAULT_MODALITIES
from .consent import consenting, refuse_films
from .errors import DatasetError
from .labelling import Labelling, by_session, gold_of, lag_ns_of, load_ratings
from .part import BuildPlan, SourceFile
from .splits import DEFAULT_FRACTIONS, SplitPlan
from .store_schema import check_modalities
from .store_writer import StoreLayout

logger = logging.getLogger(__name__)


def check_outputs(args: argparse.Namespace) -> None:
    """Refuse to write over, or among, what is read: recordings, films, labels, calibration."""
    outputs = [args.output, args.preview]
    check_not_input(outputs, [args.calibration, args.labels, *args.raters, *args.video])
    if args.preview is not None and args.preview.resolve() == args.output.resolve():
        raise DatasetError("--preview names the store itself", remedy="choose another file")
    if films := [path for path in args.sessions if path.is_file()]:
        raise DatasetError(
            f"{films[0]} is a file, expected the folder of a session",
            remedy="films are named after --video",
        )
    check_not_within(outputs, session_folders(args.sessions))


def sources_of(args: argparse.Namespace) -> list[SourceFile]:
    """Return the sessions and films to build from; those without consent are left out."""
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
        if args.video:
            refuse_films(args.purpose)
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


def plan_of(args: argparse.Namespace, sources: Sequence[SourceFile]) -> BuildPlan:
    """Return what to make of the sources, and how."""
    if args.modalities is not None and args.video:
        raise DatasetError("--modalities is for sessions: a video has color only")
    if not 0 <= args.tolerance_ms < 1e6:
        raise DatasetError(f"--tolerance-ms {args.tolerance_ms:g}: expected 0 or more")
    modalities = "color" if args.video else args.modalities or DEFAULT_MODALITIES
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
        labelling=labelling_of(args),
        provenance={
            "calibration": _origin(args.calibration),
            "labels": _origin(args.labels),
            "raters": [_origin(path) for path in args.raters],
            **({"purpose": args.purpose} if args.purpose else {}),
        },
    )


def labelling_of(args: argparse.Namespace) -> Labelling:
    """Load gold labels and ratings, and fuse the ratings where there is no gold."""
    lag_ns = lag_ns_of(args.lag_s)
    project = args.labels if args.labels is not None and args.labels.is_dir() else None
    sources = [*args.raters, *([] if project is None else [project])]
    ratings = load_ratings(sources, scale=args.rater_scale)
    gold = None if args.labels in (None, project) else load_labels(args.labels)
    if gold is None and ratings:
        gold = gold_of(ratings, every_frame=all(path.is_dir() for path in sources))
    return Labelling(
        gold=gold,
        raters=by_session(ratings),
        lag_ns=lag_ns,
    )


def _origin(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    if path.is_dir():  # an annotation project goes on changing: its name says which
        return {"name": path.resolve().name}
    return {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
