"""``mavfer-calibrate``: from a board session to a rig calibration, and whether it still holds."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

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
from .cli_options import add_board, add_lens_options, by_camera, lens

if TYPE_CHECKING:
    from capture.session import Session


_EXAMPLES = """\
examples:
  mavfer-calibrate sessions/20250101-101500_board -o rig.yaml
  mavfer-calibrate sessions/20250101-101500_board -o rig.yaml --report calibration-report
  mavfer-calibrate sessions/20250101-101500_board -o rig.yaml --board 7x9x0.025 --json
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
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="RIG.yaml", help="calibration to write"
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="also write report.html, report.json and overlay.png",
    )
    add_board(parser)
    parser.add_argument(
        "--z-min-m",
        type=float,
        metavar="Z",
        help="nearest depth the crop window must hold for (default: the nearest that lets the "
        "paper's 1408x792 fit)",
    )
    parser.add_argument(
        "--depth-model",
        choices=("scalar", "linear"),
        default="scalar",
        help="correct depth by a shift (default) or by a scale, too; the report says whether the "
        "shift is enough",
    )
    add_lens_options(parser)
    parser.add_argument("--iai", type=Path, metavar="DIR", help="also write iai_kinect2's files")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    add_common_options(parser)
    return parser


def _calibrate(args: argparse.Namespace) -> int:
    from capture.files import OutputExistsError, all_or_none

    from .board import BoardSpec
    from .errors import CalibrationError
    from .iai import FILES, export_iai
    from .report import OVERLAY_NAME, REPORT_NAME, report_document, summary_lines, write_report
    from .report_html import PAGE_NAME, write_report_page
    from .rig import CAMERAS, save_rig_calibration
    from .session_calibration import calibrate_session

    board = BoardSpec.parse(args.board)
    if args.z_min_m is not None and not 0 < args.z_min_m < 100:
        raise CalibrationError(f"--z-min-m is {args.z_min_m}: expected metres, e.g. 0.6")
    outputs = [args.output]
    outputs += (
        [args.report / name for name in (PAGE_NAME, REPORT_NAME, OVERLAY_NAME)]
        if args.report
        else []
    )
    outputs += [args.iai / name for name in FILES] if args.iai else []
    for path in outputs:
        if path.exists() and not args.overwrite:
            raise OutputExistsError(
                f"{path} exists already", remedy="choose another output or pass --overwrite"
            )
    session = _open_board_session(args.session)
    with progress("board views", enabled=not args.quiet) as on_progress:
        result = calibrate_session(
            session,
            board=board,
            z_min_m=args.z_min_m,
            depth_model=args.depth_model,
            models={name: lens(model) for name, model in by_camera(args.lens, "--lens", CAMERAS)},
            fixed={name: set(k.split(",")) for name, k in by_camera(args.fix, "--fix", CAMERAS)},
            board_warp=args.board_warp,
            on_progress=on_progress,
        )
    with all_or_none(outputs):
        if args.report:
            write_report(args.report, result, session, overwrite=args.overwrite)
            write_report_page(args.report, result, session, overwrite=args.overwrite)
        if args.iai:
            export_iai(args.iai, result.rig, overwrite=args.overwrite)
        save_rig_calibration(args.output, result.rig, overwrite=args.overwrite)
    document = {"output": str(args.output), **report_document(result)}
    print_result(args, document, [*summary_lines(result), f"written: {args.output}"])
    return EXIT_FAILED if result.rig.quality["verdict"] == "fail" else EXIT_OK


def _check(args: argparse.Namespace) -> int:
    from .board import BoardSpec
    from .check import check_calibration
    from .rig import load_rig_calibration

    board = BoardSpec.parse(args.board)
    rig = load_rig_calibration(args.calibration)
    session = _open_board_session(args.session)
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


def _open_board_session(path: Path) -> "Session":
    from capture.session import open_session

    from .errors import CalibrationError

    session = open_session(path)
    if session.manifest.kind != "board":
        raise CalibrationError(
            f"{path} is a {session.manifest.kind} session, expected a board session",
            remedy="record one with mavfer-capture record --kind board",
        )
    return session
