"""``mavfer-calibrate``: from a board session to a rig calibration."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from capture.terminal import (
    EXIT_FAILED,
    EXIT_OK,
    add_common_options,
    print_result,
    progress,
    run_command,
)

_EXAMPLES = """\
examples:
  mavfer-calibrate sessions/20250101-101500_board -o rig.yaml
  mavfer-calibrate sessions/20250101-101500_board -o rig.yaml --report calibration-report
  mavfer-calibrate sessions/20250101-101500_board -o rig.yaml --board 7x9x0.025 --json

A board session shows the checkerboard to all cameras, held still for about a second in each of
30 or more places: near and far, tilted both ways, out to the corners of every image.

exit status: 0 good or fair, 1 refused, or written but beyond a limit (the report says which)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mavfer-calibrate``; returns the exit status."""
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
    parser.add_argument(
        "--board",
        default="5x7x0.03",
        metavar="CxRxM",
        help="inner corners along x and y and square side in metres (default: %(default)s)",
    )
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
    parser.add_argument("--iai", type=Path, metavar="DIR", help="also write iai_kinect2's files")
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    add_common_options(parser)
    args = parser.parse_args(argv)
    return run_command(_calibrate, args)


def _calibrate(args: argparse.Namespace) -> int:
    from capture.files import OutputExistsError, all_or_none
    from capture.session import open_session

    from .board import BoardSpec
    from .errors import CalibrationError
    from .iai import FILES, export_iai
    from .report import OVERLAY_NAME, REPORT_NAME, report_document, summary_lines, write_report
    from .report_html import PAGE_NAME, write_report_page
    from .rig import save_rig_calibration
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
    session = open_session(args.session)
    if session.manifest.kind != "board":
        raise CalibrationError(
            f"{args.session} is a {session.manifest.kind} session, expected a board session",
            remedy="record one with mavfer-capture record --kind board",
        )
    with progress("board views", enabled=not args.quiet) as on_progress:
        result = calibrate_session(
            session,
            board=board,
            z_min_m=args.z_min_m,
            depth_model=args.depth_model,
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
