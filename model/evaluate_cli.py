"""``mavfer-evaluate``: score a checkpoint on a clip store, frame by frame."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from capture import terminal

_EPILOG = """\
examples:
  mavfer-evaluate runs/mran --store store.h5
  mavfer-evaluate runs/mran store.h5 -o evaluation/val --split validation
  mavfer-evaluate runs/mran store.h5 --knockout guides=shuffle -o evaluation/shuffled
  mavfer-evaluate runs/mran store.h5 --controls --groups sessions.csv
  mavfer-evaluate --predictions theirs.parquet --store store.h5 -o evaluation/theirs
  mavfer-evaluate --predictions s0.parquet --predictions s1.parquet --predictions s2.parquet \
    --store mavfer-sim-small.h5 -o evaluation/theirs --row "Their network"
  mavfer-evaluate --video interview.mp4 --run runs/uran
  mavfer-evaluate --live sessions/20260304-101500_S01 --run runs/uran
  mavfer-evaluate --live tcp://10.0.0.2:5570 --keys keys --run runs/uran

Clips overlap by half; a frame's prediction is the mean over the clips that hold it. Moments are
population moments. `pooled` takes all frames of the split together: the headline.
The knock-outs spoil something and leave the weights alone. A modality that matters at test time
shows in them; a difference between two trained networks alone does not tell.
"""
_OLD_NAMES = {
    "shuffle-guides": "guides=shuffle",
    "zero-guides": "guides=zero",
    "mean-attention": "attention=mean",
    "uniform-attention": "attention=uniform",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return terminal.run_command(_evaluate, _parser().parse_args(argv))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mavfer-evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "run", nargs="?", type=Path, metavar="RUN", help="run folder or checkpoint.safetensors"
    )
    parser.add_argument("store", nargs="?", type=Path, metavar="STORE", help="clip store")
    parser.add_argument(
        "--run", dest="named_run", type=Path, metavar="RUN", help="the same as the argument RUN"
    )
    parser.add_argument(
        "--store", dest="named_store", type=Path, metavar="STORE", help="as the argument STORE"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="folder for the results (default: evaluation/ in the run folder, with split and "
        "knock-out in its name)",
    )
    parser.add_argument("--split", choices=("train", "validation", "test"), help="default: test")
    parser.add_argument(
        "--stride", type=int, metavar="FRAMES", help="between clips (default: half a clip)"
    )
    parser.add_argument(
        "--knockout",
        "--knock-out",
        action="append",
        default=[],
        metavar="WHAT=HOW",
        help="guides=shuffle|zero, attention=mean|uniform, MODALITY=blank|shuffle; several with "
        "commas",
    )
    parser.add_argument(
        "--controls", action="store_true", help="also score every knock-out that applies"
    )
    parser.add_argument(
        "--groups", type=Path, metavar="CSV", help="further tables: video or subject, and groups"
    )
    parser.add_argument(
        "--no-post-processing", action="store_true", help="no smoothing, centring and scaling"
    )
    parser.add_argument(
        "--predictions",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="score this Parquet or CSV file instead; several times, with --row: one a seed",
    )
    parser.add_argument(
        "--row", metavar="NAME", help="--predictions: also make a row of the leaderboard"
    )
    parser.add_argument(
        "--video", type=Path, metavar="FILE", help="predict on a film (runs that see color only)"
    )
    parser.add_argument(
        "--live",
        metavar="WHERE",
        help="predict on what a session shows while it records: its folder, or tcp://host:port of "
        "a daemon",
    )
    parser.add_argument("--keys", type=Path, metavar="DIR", help="--live beyond this machine")
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="--live: end after so long (default: Ctrl-C)"
    )
    parser.add_argument("--batch-size", type=int, metavar="N", help="clips at a time (default: 8)")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--overwrite", action="store_true", help="replace results in OUTPUT")
    terminal.add_common_options(parser)
    return parser


def _evaluate(args: argparse.Namespace) -> int:
    from .errors import ModelError
    from .evaluate_options import settled

    way = settled(args)
    if args.batch_size < 1:
        raise ModelError(f"--batch-size is {args.batch_size}, expected at least 1")
    if way == "predictions":
        from .foreign_cli import evaluate_predictions

        return evaluate_predictions(args, _text)
    args.run = _one_of(args.run, args.named_run, "RUN", "name a run folder")
    if way is not None:
        if args.store or args.named_store:
            raise ModelError(f"--{way} takes no clip store", remedy="leave it out")
        from .film_cli import predict_film
        from .live_cli import predict_live

        return predict_film(args) if way == "video" else predict_live(args)
    args.store = _one_of(args.store, args.named_store, "STORE", "name it with --store")
    return _evaluate_run(args)


def _one_of(positional: Path | None, named: Path | None, what: str, remedy: str) -> Path:
    from .errors import ModelError

    if positional is not None and named is not None:
        raise ModelError(f"{what} is given twice: {positional} and {named}")
    found = positional or named
    if found is None:
        raise ModelError(f"{what} is missing", remedy=remedy)
    return found


def _evaluate_run(args: argparse.Namespace) -> int:
    from mavfer.store import open_store

    from .checkpoint import load_checkpoint
    from .device import chosen_device
    from .evaluate import evaluate
    from .fit_chain import chain_of_run
    from .groups import read_groups
    from .knock_out import KnockOut, knock_outs_of
    from .may_publish import may_publish
    from .model_card import write_model_card
    from .results import check_output, describe_run, summarise, write_results
    from .run_folder import CHECKPOINT

    knock_out = KnockOut.parse([_OLD_NAMES.get(word, word) for word in args.knockout])
    run = args.run if args.run.is_dir() else None
    output = args.output or _default_output(args, str(knock_out))
    check_output(output, overwrite=args.overwrite)
    path = args.run / CHECKPOINT if run else args.run
    device = chosen_device(args.device, threads=args.threads)
    network, info = load_checkpoint(path, device=device)
    shown = not args.quiet
    with open_store(args.store) as store:
        fingerprint = store.fingerprint
        groups = read_groups(args.groups, store) if args.groups else {}
        with terminal.progress("evaluating", enabled=shown) as on_progress:
            evaluation = evaluate(
                network,
                info,
                store,
                split=args.split,
                stride_frames=args.stride,
                knock_out=knock_out,
                batch_size=args.batch_size,
                groups=groups,
                on_progress=on_progress,
            )
        chain = None
        if not args.no_post_processing:
            with terminal.progress("fitting post-processing", enabled=shown) as on_progress:
                chain = chain_of_run(
                    network,
                    info,
                    store,
                    run=run,
                    batch_size=args.batch_size,
                    on_progress=on_progress,
                )
        private = sorted(
            example.subject
            for example in evaluation.examples
            if not may_publish(store.videos[example.video_id])
        )
        controls = {}
        for control in knock_outs_of(info.model) if args.controls else ():
            with terminal.progress(str(control), enabled=shown) as on_progress:
                controls[str(control)] = evaluate(
                    network,
                    info,
                    store,
                    split=args.split,
                    stride_frames=args.stride,
                    knock_out=control,
                    batch_size=args.batch_size,
                    on_progress=on_progress,
                ).pooled()
    summary = summarise(evaluation, describe_run(info, path), split=args.split, chain=chain)
    summary |= {"store": str(args.store), "knock_out": str(knock_out) or None}
    summary["evaluated_on"] = fingerprint
    summary["shown_without_consent_to_publish"] = private
    if controls:
        summary["controls"] = controls
    files = write_results(evaluation, summary, output, chain=chain, overwrite=args.overwrite)
    # The checkpoint of a run may be named instead of its folder; a copy elsewhere has no card.
    of_run = path.name == CHECKPOINT and output == path.parent / "evaluation" / "test"
    if of_run and info.store_fingerprint == fingerprint:
        with open_store(args.store) as store:
            files["model_card"] = str(write_model_card(path.parent, store, info))
    terminal.print_result(args, summary | files, _text(summary, files))
    return terminal.EXIT_OK


def _default_output(args: argparse.Namespace, knock_out: str) -> Path:
    folder: Path = args.run if args.run.is_dir() else args.run.parent
    spoiled = "".join(f"-{word}" for word in knock_out.split(",") if word)
    return folder / "evaluation" / f"{args.split}{spoiled}"


def _text(summary: dict[str, Any], files: dict[str, str]) -> list[str]:
    spoiled = f", {summary['knock_out']}" if summary["knock_out"] else ""
    preset = f", preset {summary['preset']}" if summary["preset"] else ""
    lines = [
        f"{summary['model']} {'+'.join(summary['modalities'])}{preset}{spoiled}: "
        f"{summary['n_frames']} frames of {summary['n_videos']} videos, "
        f"{summary['n_subjects']} subjects of the {summary['split']} split; "
        f"{summary['n_frames_interpolated']} frames interpolated"
    ]
    if left := summary["videos_left_out"]:
        lines.append(
            f"not scored, shorter than a clip or without a face: {len(left)} videos, {left[0]} …"
        )
    for output, entry in summary["outputs"].items():
        if "accuracy" in entry["pooled"]:
            lines += _category_lines(summary, entry)
            continue
        lines += [
            f"{output:<24}{'RMSE':>8}{'CC':>8}{'CCC':>8}{'frames':>8}",
            _row("pooled", entry["pooled"]),
            *([_row("video mean", entry["video_mean"])] if entry["video_mean"]["n"] else []),
            *([_row("video sd", entry["video_sd"])] if entry["video_mean"]["n"] else []),
        ]
        if whole := entry["ccc_interval"].get("all"):
            lines.append(
                f"  CCC with other people: {whole['low']:.3f} to {whole['high']:.3f} (95 %)"
            )
        if not entry["video_mean"]["n"]:
            lines.append("  no video is longer than a clip: no mean over videos")
        if after := entry.get("post_processed"):
            lines.append(_row("post-processed", after["pooled"]))
        lines += [_row(name, scores) for name, scores in entry["subjects"].items()]
        for group, table in entry["groups"].items():
            lines += [_row(f"{group} {name}", scores) for name, scores in table.items()]
        for name, scores in summary.get("controls", {}).items():
            lines.append(_row(name, scores[output]))
    if summary["attention_contrast"] is not None:
        lines.append(
            f"attention: contrast {summary['attention_contrast']:.3f}, between clips "
            f"{summary['attention_between_clips']:.3f} (0: every clip gets the same map)"
        )
    if regions := summary["attention_regions"]:
        told = ", ".join(f"{name} {v:.2f}" for name, v in regions.items() if v is not None)
        lines.append(f"attention in regions (1: uniform): {told}")
    return [*lines, *(f"{name}: {path}" for name, path in files.items())]


def _category_lines(summary: dict[str, Any], entry: dict[str, Any]) -> list[str]:
    pooled, names = entry["pooled"], summary["categories"]
    if pooled["accuracy"] is None:
        return ["no video has a category"]
    lines = [
        f"accuracy {pooled['accuracy']:.3f} over {pooled['n']} videos, "
        f"recall averaged over categories {pooled['uar']:.3f}",
        f"{'gold, predicted:':<16}" + "".join(f"{name[:9]:>10}" for name in names),
    ]
    for name, counts in zip(names, summary["confusion"], strict=True):
        lines.append(f"{name[:15]:<16}" + "".join(f"{count:>10}" for count in counts))
    return lines


def _row(name: str, scores: dict[str, Any]) -> str:
    values = "".join(
        f"{scores[key]:>8.3f}" if scores[key] is not None else f"{'-':>8}"
        for key in ("rmse", "cc", "ccc")
    )
    return f"  {name:<22}{values}{scores['n']:>8}"


if __name__ == "__main__":
    sys.exit(main())
