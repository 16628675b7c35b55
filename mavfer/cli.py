"""``mavfer``: what a file is, the simulated laboratory, and the demonstration."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from capture import terminal

from .commands import browse, check, export, importing, simulate, stats, withdraw

_EPILOG = """\
examples:
  mavfer info sessions/20260301-101500_S01
  mavfer info store.h5 --json
  mavfer check store.h5
  mavfer browse store.h5 -o look
  mavfer stats store.h5 -o statistics
  mavfer export store store.h5 -o shared.h5 --purpose share
  mavfer import recola AVEC2016 -o recola.h5
  mavfer simulate subjects -o virtual --subjects 18 --clips 12
  mavfer simulate raters virtual/* -o raters.csv
  mavfer demo --output demo
"""
_RAW = argparse.RawDescriptionHelpFormatter
# argparse has no public name for what add_subparsers() returns
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line; imports nothing heavy, so that --help answers at once."""
    parser = argparse.ArgumentParser(
        prog="mavfer",
        description="The open laboratory for multi-modal facial affect. Recording, calibration, "
        "annotation, datasets and training have commands of their own: mavfer-capture, "
        "mavfer-calibrate, mavfer-annotate, mavfer-build-dataset, mavfer-train, mavfer-evaluate.",
        epilog=_EPILOG,
        formatter_class=_RAW,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_info(commands)
    importing.add(commands)
    check.add(commands)
    browse.add(commands)
    stats.add(commands)
    export.add(commands)
    simulate.add(commands)
    withdraw.add(commands)
    _add_demo(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mavfer``; returns the exit status."""
    args = build_parser().parse_args(argv)
    return terminal.run_command(args.handler, args)


def _add_info(commands: _Commands) -> None:
    parser = commands.add_parser(
        "info",
        help="tell what a file or folder is",
        description="Recognise by content and describe: session, folder of sessions, recording, "
        "rig calibration, annotation project, gold labels, ratings, clip store, checkpoint, "
        "training run.",
        epilog="example:\n  mavfer info store.h5 --json\n",
        formatter_class=_RAW,
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="file or folder")
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_info)


def _add_demo(commands: _Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="the whole chain on the simulated rig, with a report",
        description="Record, calibrate, annotate, build, train and evaluate on the simulated "
        "rig; writes one report.html. Run again to go on after an interruption.",
        epilog="example:\n  mavfer demo --output demo\n",
        formatter_class=_RAW,
    )
    parser.add_argument(
        "--output", type=Path, default=Path("demo"), help="folder (default: %(default)s)"
    )
    parser.add_argument("--fast", action="store_true", help="fewer subjects, shorter training")
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_demo)


def _info(args: argparse.Namespace) -> int:
    from .info import describe, render

    description = describe(args.path)
    terminal.print_result(args, description, render(description))
    return terminal.EXIT_OK


def _demo(args: argparse.Namespace) -> int:
    from .demo import run_demo

    return run_demo(args)
