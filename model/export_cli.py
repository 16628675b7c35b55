"""``mavfer-train export``: a trained network as an ONNX file."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from capture import terminal

_EPILOG = """\
examples:
  mavfer-train export runs/mran -o mran.onnx
  mavfer-train export runs/uran/checkpoint.safetensors -o uran.onnx --overwrite

The file takes normalised clips (B, T, C, H, W) by modality and gives score and attention. It is
compared with torch on random clips before it is kept. Needs the extra onnx.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="mavfer-train export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    parser.add_argument("run", type=Path, help="run folder, or a checkpoint")
    parser.add_argument("-o", "--output", type=Path, required=True, help="ONNX file")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    terminal.add_common_options(parser)
    return terminal.run_command(_export, parser.parse_args(argv))


def _export(args: argparse.Namespace) -> int:
    from .checkpoint import load_checkpoint
    from .export import export_onnx
    from .run_folder import RunFolder

    path = RunFolder(args.run).checkpoint if args.run.is_dir() else args.run
    network, info = load_checkpoint(path)
    check = export_onnx(network, info, args.output, overwrite=args.overwrite)
    report = {
        "output": str(args.output),
        "model": info.model.architecture,
        "size_bytes": args.output.stat().st_size,
        "largest_score_difference": check.score,
        "largest_attention_difference": check.attention,
    }
    terminal.print_result(
        args,
        report,
        [
            f"{args.output}: {info.model.architecture}, {report['size_bytes'] / 1e6:.1f} MB",
            f"differs from torch by at most {check.score:.1g} in scores, "
            f"{check.attention:.1g} in attention",
        ],
    )
    return terminal.EXIT_OK
