"""``mavfer-evaluate``: score a checkpoint on a clip store, frame by frame."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from capture import terminal

_EPILOG = """\
examples:
  mavfer-evaluate runs/mran store.h5 -o evaluation/mran
  mavfer-evaluate runs/mran/checkpoint.safetensors store.h5 -o evaluation/val --split validation
  mavfer-evaluate runs/mran store.h5 -o evaluation/shuffled --knock-out shuffle-guides

Clips overlap by half; a frame's prediction is the mean over the clips that hold it. Moments are
population moments. `pooled` takes all frames of the split together: the headline.
The knock-outs spoil one thing and leave the weights alone. A modality that matters at test time
shows in them; a difference between two trained networks alone does not tell.
"""
KNOCK_OUTS = ("shuffle-guides", "zero-guides", "mean-attention", "uniform-attention")


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
    parser.add_argument("checkpoint", type=Path, help="run folder or checkpoint.safetensors")
    parser.add_argument("store", type=Path, help="clip store")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the results")
    parser.add_argument("--split", choices=("train", "validation", "test"), default="test")
    parser.add_argument(
        "--stride", type=int, metavar="FRAMES", help="between clips (default: half a clip)"
    )
    parser.add_argument("--knock-out", choices=KNOCK_OUTS, help="spoil one input, keep the weights")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--overwrite", action="store_true", help="replace results in OUTPUT")
    terminal.add_common_options(parser)
    return parser


def _evaluate(args: argparse.Namespace) -> int:
    from mavfer.store import open_store

    from .checkpoint import load_checkpoint
    from .device import chosen_device
    from .errors import ModelError
    from .evaluate import evaluate
    from .results import check_output, summarise, write_results
    from .run_folder import CHECKPOINT

    if args.batch_size < 1:
        raise ModelError(f"--batch-size is {args.batch_size}, expected at least 1")
    check_output(args.output, overwrite=args.overwrite)
    path = args.checkpoint / CHECKPOINT if args.checkpoint.is_dir() else args.checkpoint
    device = chosen_device(args.device, threads=args.threads)
    network, info = load_checkpoint(path, device=device)
    with (
        open_store(args.store) as store,
        terminal.progress("evaluating", enabled=not args.quiet) as on_progress,
    ):
        evaluation = evaluate(
            network,
            info,
            store,
            split=args.split,
            stride_frames=args.stride,
            knock_out=args.knock_out,
            batch_size=args.batch_size,
            on_progress=on_progress,
        )
    summary = summarise(evaluation, info, checkpoint=path, split=args.split)
    summary |= {"store": str(args.store), "knock_out": args.knock_out}
    files = write_results(evaluation, summary, args.output, overwrite=args.overwrite)
    terminal.print_result(args, summary | files, _text(summary, files))
    return terminal.EXIT_OK


def _text(summary: dict[str, Any], files: dict[str, str]) -> list[str]:
    spoiled = f", {summary['knock_out']}" if summary["knock_out"] else ""
    lines = [
        f"{summary['model']} {'+'.join(summary['modalities'])}, preset {summary['preset']}"
        f"{spoiled}: {summary['n_frames']} frames of {summary['n_videos']} videos, "
        f"{summary['n_subjects']} subjects of the {summary['split']} split"
    ]
    for output, entry in summary["outputs"].items():
        lines += [
            f"{output:<12}{'RMSE':>8}{'CC':>8}{'CCC':>8}{'frames':>8}",
            _row("pooled", entry["pooled"]),
            *([_row("video mean", entry["video_mean"])] if entry["video_mean"]["n"] else []),
            *(_row(name, scores) for name, scores in entry["subjects"].items()),
        ]
    lines.append(
        f"attention: contrast {summary['attention_contrast']:.3f}, between clips "
        f"{summary['attention_between_clips']:.3f} (0: every clip gets the same map)"
    )
    return [*lines, *(f"{name}: {path}" for name, path in files.items())]


def _row(name: str, scores: dict[str, Any]) -> str:
    values = "".join(
        f"{scores[key]:>8.3f}" if scores[key] is not None else f"{'-':>8}"
        for key in ("rmse", "cc", "ccc")
    )
    return f"  {name:<10}{values}{scores['n']:>8}"


if __name__ == "__main__":
    sys.exit(main())
