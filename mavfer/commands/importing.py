"""``mavfer import``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from capture import terminal

from ..build_arguments import default_workers, rate_hz
from ..build_report import report_document, report_text

if TYPE_CHECKING:
    from ..importers.corpus import Corpus
    from ..part import BuildPlan, SourceFile

_EPILOG = """\
examples:
  mavfer import recola AVEC2016 --list
  mavfer import recola AVEC2016 -o recola.h5 --lag-s 2.4
  mavfer import sewa AVEC2017_SEWA -o sewa.h5 --rate-hz 10
  mavfer import afew EmotiW -o afew.h5
  mavfer import afew-va AFEW-VA -o afew-va.h5 --rate-hz native
  mavfer import folder films -o films.h5
"""
_RAW = argparse.RawDescriptionHelpFormatter
_LAYOUTS = {
    "recola": "AVEC 2015/2016: recordings_video, ratings_gold_standard, ratings_individual",
    "sewa": "AVEC 2017: video, labels",
    "afew": "EmotiW: Train_AFEW/Angry/… and the other six, Val_AFEW, Test_AFEW",
    "afew-va": "001/001.json with 001/00000.png …, 002 …",
    "folder": "any videos; beside them videos.csv, labels.csv, raters.csv, all optional",
}
# argparse has no public name for what add_subparsers() returns
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def add(commands: _Commands) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "import",
        help="build a clip store from a published corpus, or any folder of videos",
        description="Build a color clip store from a corpus laid out as its authors give it out: "
        "labels in capture time, ratings of every rater where they are published, the published "
        "split. What each corpus needs: docs/how-to/import-….md.",
        epilog=_EPILOG,
        formatter_class=_RAW,
    )
    layouts = parser.add_subparsers(dest="layout", required=True, metavar="LAYOUT")
    for layout, text in _LAYOUTS.items():
        _add_layout(layouts, layout, text)


def _add_layout(layouts: _Commands, layout: str, text: str) -> None:
    parser = layouts.add_parser(
        layout,
        help=text,
        description=f"Layout: {text}.",
        epilog=f"example:\n  mavfer import {layout} DIR -o store.h5\n",
        formatter_class=_RAW,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="of the unpacked corpus")
    parser.add_argument("-o", "--output", type=Path, metavar="STORE.h5", help="clip store to write")
    parser.add_argument("--list", action="store_true", help="say what was found, build nothing")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.add_argument(
        "--rate-hz",
        type=rate_hz,
        default=4.0,
        metavar="HZ",
        help="time grid; 'native' takes every frame (default: 4)",
    )
    parser.add_argument("--crop-px", type=int, default=96, metavar="N", help="(default: 96)")
    parser.add_argument("--clip-length", type=int, default=16, metavar="N", help="(default: 16)")
    parser.add_argument(
        "--compression",
        choices=("bitshuffle-lz4", "lzf", "gzip", "none"),
        default="bitshuffle-lz4",
        help="of the crops",
    )
    parser.add_argument(
        "--landmarks", type=int, choices=(68, 5), default=68, help="predictor (default: 68)"
    )
    parser.add_argument(
        "--lag-s",
        type=float,
        default=0.0,
        metavar="S",
        help="raters' reaction time to take out (default: 0)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    parser.add_argument(
        "--skip-bad", action="store_true", help="store the good videos although others failed"
    )
    if layout in ("afew", "afew-va", "folder"):
        told = "needed for them" if layout == "folder" else "default: 25"
        parser.add_argument(
            "--frame-rate-hz",
            type=float,
            metavar="HZ",
            help=f"of videos that are folders of images ({told})",
        )
    if layout == "afew-va":
        parser.add_argument(
            "--detect", action="store_true", help="look for faces although landmarks are given"
        )
    if layout == "folder":
        parser.add_argument(
            "--rater-scale",
            type=float,
            default=10.0,
            metavar="N",
            help="raters.csv holds ±N (default: 10)",
        )
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_import)


def _import(args: argparse.Namespace) -> int:
    import time

    from capture.files import check_output

    from ..build import SourcesFailedError, build_store
    from ..errors import DatasetError
    from ..importers.corpus import check_not_corpus
    from ..store_description import describe_store

    corpus = _read(args)
    if args.list:
        terminal.print_result(args, _found(corpus), _found_text(corpus))
        return terminal.EXIT_OK
    if args.output is None:
        raise DatasetError("no output named", remedy="pass -o STORE.h5, or --list to look only")
    check_not_corpus(args.output, args.folder, corpus)
    check_output(args.output, overwrite=args.overwrite)
    workers = default_workers() if args.workers is None else args.workers
    if workers < 1:
        raise DatasetError(f"--workers {workers}: at least 1")
    sources, plan = _plan(corpus, args)
    started_s = time.monotonic()
    try:
        with terminal.progress("importing", enabled=not args.quiet) as on_progress:
            built = build_store(
                args.output,
                sources,
                plan,
                workers=workers,
                skip_bad=args.skip_bad,
                overwrite=args.overwrite,
                on_progress=on_progress,
            )
    except SourcesFailedError as error:
        if args.json:
            told = {"store": None, "corpus": corpus.name, **report_document(error.reports)}
            terminal.print_result(args, told, [])
        raise
    summary = describe_store(args.output)
    result = {
        "store": str(args.output),
        "corpus": corpus.name,
        "remarks": list(corpus.remarks),
        **report_document(built.parts),
        "reused_segments": built.n_reused,
        "elapsed_s": round(time.monotonic() - started_s, 2),
        **{key: summary[key] for key in ("fingerprint", "modalities", "rate_hz", "splits")},
    }
    remarks = [f"remark: {remark}" for remark in corpus.remarks]
    terminal.print_result(args, result, [*remarks, *report_text(result)])
    return terminal.EXIT_OK


def _read(args: argparse.Namespace) -> "Corpus":
    rate = {}
    if getattr(args, "frame_rate_hz", None) is not None:
        rate["frame_rate_hz"] = args.frame_rate_hz
    match args.layout:
        case "recola":
            from ..importers.recola import read_recola

            return read_recola(args.folder)
        case "sewa":
            from ..importers.sewa import read_sewa

            return read_sewa(args.folder)
        case "afew":
            from ..importers.afew import read_afew

            return read_afew(args.folder, **rate)
        case "afew-va":
            from ..importers.afew_va import read_afew_va

            return read_afew_va(args.folder, **rate)
        case _:
            from ..importers.folder import read_folder

            return read_folder(args.folder, **rate, rater_scale=args.rater_scale)


def _plan(corpus: "Corpus", args: argparse.Namespace) -> "tuple[list[SourceFile], BuildPlan]":
    from ..labelling import Labelling, lag_ns_of
    from ..part import BuildPlan, SourceFile
    from ..splits import DEFAULT_FRACTIONS, SplitPlan
    from ..store_writer import StoreLayout

    given = not getattr(args, "detect", False)
    sources = [
        SourceFile(
            video.path,
            subject=video.subject,
            is_video=True,
            name=video.id,
            frame_rate_hz=video.frame_rate_hz,
            landmarks=video.landmarks if given else None,
        )
        for video in corpus.videos
    ]
    n_subjects = len({video.subject for video in corpus.videos})
    if corpus.splits:
        split = SplitPlan(
            fractions=(1, 0, 0),
            validation=frozenset(s for s, name in corpus.splits.items() if name == "validation"),
            test=frozenset(s for s, name in corpus.splits.items() if name == "test"),
            lenient=True,
        )
    else:
        fractions = DEFAULT_FRACTIONS if n_subjects >= 3 else (1, 0, 0)
        split = SplitPlan(fractions=fractions, lenient=True)
    plan = BuildPlan(
        layout=StoreLayout(
            modalities=("color",),
            crop_px=args.crop_px,
            clip_length=args.clip_length,
            rate_hz=args.rate_hz,
            landmarks=args.landmarks,
            compression=args.compression,
        ),
        split=split,
        # who is meant is told by the landmarks that come with the corpus, where they are used
        identity=args.landmarks != 68 or not all(source.landmarks for source in sources),
        labelling=Labelling(
            gold=corpus.gold,
            raters=corpus.raters,
            categories=corpus.categories,
            lag_ns=lag_ns_of(args.lag_s),
            partial=True,
        ),
        provenance={
            "corpus": corpus.name,
            "labels": dict(corpus.gold.provenance) if corpus.gold else None,
        },
    )
    return sources, plan


def _found(corpus: "Corpus") -> dict[str, Any]:
    gold = corpus.gold.sessions if corpus.gold else {}
    return {
        "corpus": corpus.name,
        "videos": {
            video.id: {
                "path": str(video.path),
                "subject": video.subject,
                "split": corpus.splits.get(video.subject),
                "labels": len(gold[video.id]) if video.id in gold else 0,
                "raters": len({trace.rater for trace in corpus.raters.get(video.id, ())}),
                "category": corpus.categories.get(video.id),
                "landmarks": video.landmarks is not None,
            }
            for video in corpus.videos
        },
        "remarks": list(corpus.remarks),
    }


def _found_text(corpus: "Corpus") -> list[str]:
    found = _found(corpus)
    lines = [
        f"{name:24} {video['subject']:16} {video['split'] or 'dealt later':12} "
        f"{video['labels']:6} labels  {video['raters']} raters  {video['category'] or ''}".rstrip()
        for name, video in found["videos"].items()
    ]
    lines += [f"remark: {remark}" for remark in corpus.remarks]
    return [*lines, f"{corpus.name}: {len(corpus.videos)} videos; nothing was built"]
