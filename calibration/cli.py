"""``mavfer-calibrate``: from a board session to a rig calibration, and whether it still holds."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from capture.terminal import (
    EXIT_FAILED,
    EXIT_OK,
    add_common_options,
    print_result,
    progress,
    run_command,
)

from .cli_exchange import export_parser, import_parser, run_export, run_import
from .cli_images import images_parser, run_images
from .cli_live import live_parser, run_live
from .cli_options import add_board, add_session_options, session_options

_EXAMPLES = """\
examples:
  mavfer-calibrate sessions/20250101-101500_board -o rig.yaml
  mavfer-calibrate sessions/20250101-101500_board -o rig.yaml --report calibration-report
  mavfer-calibrate sessions/20250101-101500_board -o rig.yaml --board 7x9x0.025 --json
  mavfer-calibrate live --rig rig.toml -o rig.yaml              (record it, guided by a page)
  mavfer-calibrate check rig.yaml sessions/20250301-090000_board       (has the rig been bumped?)
  mavfer-calibrate images DIR -o cameras.yml                   (from a folder of pictures)
  mavfer-calibrate import DIR --into rig.yaml -o new.yaml      (iai_kinect2, ROS, OpenCV files)
  mavfer-calibrate export rig.yaml --ros camera_info                           (and back)

A board session shows the checkerboard to all cameras, held still for about a second in each of
30 or more places: near and far, tilted both ways, out to the corners of every image.

exit status: 0 good or fair, 1 refused, or written but beyond a limit (the report says which)
"""


_CHECK_EXAMPLES = """\
example:
  mavfer-calibrate check rig.yaml sessions/20250301-090000_board

Five views, still for a second each, are enough. Exit status: 0 it holds, 1 calibrate again.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mavfer-calibrate``; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["check"]:
        args = _check_parser().parse_args(arguments[1:])
        return run_command(_check, args)
    if arguments[:1] == ["import"]:
        return run_command(run_import, import_parser().parse_args(arguments[1:]))
    if arguments[:1] == ["images"]:
        return run_command(run_images, images_parser().parse_args(arguments[1:]))
    if arguments[:1] in (["live"], ["--live"]):
        return run_command(run_live, live_parser().parse_args(arguments[1:]))
    if arguments[:1] == ["export"]:
        return run_command(run_export, export_parser().parse_args(arguments[1:]))
    args = _parser().parse_args(arguments)
    return run_command(_calibrate, args)


def _check_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mavfer-calibrate check",
        description="Carry the corners of a new board session from infrared and thermal to color "
        "by an old calibration: a rig that was bumped misses them.",
        epilog=_CHECK_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("calibration", type=Path, metavar="RIG.yaml", help="to be checked")
    parser.add_argument("session", type=Path, metavar="SESSION", help="folder of a board session")
    add_board(parser)
    add_common_options(parser)
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mavfer-calibrate",
        description="Calibrate cameras, transforms, depth shift and crop window of the rig "
        "from a session of the checkerboard.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("session", type=Path, metavar="SESSION", help="folder of a board session")
    add_session_options(parser)
    add_common_options(parser)
    return parser


def _calibrate(args: argparse.Namespace) -> int:
    from .report import report_document, summary_lines
    from .session_outputs import Outputs, calibrate_into, open_board_session

    options = session_options(args)
    outputs = Outputs(args.output, args.report, args.iai, args.overwrite)
    outputs.require_free()
    session = open_board_session(args.session)
    with progress("board views", enabled=not args.quiet) as on_progress:
        result = calibrate_into(outputs, session, options, on_progress=on_progress)
    document = {"output": str(args.output), **report_document(result)}
    print_result(args, document, [*summary_lines(result), f"written: {args.output}"])
    return EXIT_FAILED if result.rig.quality["verdict"] == "fail" else EXIT_OK


def _check(args: argparse.Namespace) -> int:
    from .board import BoardSpec
    from .check import check_calibration
    from .rig import load_rig_calibration
    from .session_outputs import open_board_session

    board = BoardSpec.parse(args.board)
    rig = load_rig_calibration(args.calibration)
    session = open_board_session(args.session)
    with progress("board views", enabled=not args.quiet) as on_progress:
        checks = check_calibration(rig, session, board=board, on_progress=on_progress)
    holds = all(check.verdict != "fail" for check in checks)
    lines = [
        f"{check.camera} to color: {check.transfer_px:.2f} px rms over {check.n_views} views, "
        f"mean {check.offset_px[0]:+.2f} {check.offset_px[1]:+.2f} px: {check.verdict}"
        for check in checks
    ]
    lines.append("the calibration holds" if holds else "the rig has moved: calibrate again")
    print_result(args, {"holds": holds, "cameras": [asdict(check) for check in checks]}, lines)
    return EXIT_OK if holds else EXIT_FAILED
