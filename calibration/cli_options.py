"""Options that several subcommands of ``mavfer-calibrate`` share."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import CalibrationError

if TYPE_CHECKING:
    from .adjustment_problem import LensModel


def add_board(parser: argparse.ArgumentParser) -> None:
    """Declare ``--board``."""
    parser.add_argument(
        "--board",
        default="5x7x0.03",
        metavar="CxRxM",
        help="inner corners along x and y and square side in metres (default: %(default)s)",
    )


def add_lens_options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--lens``, ``--fix`` and ``--board-warp``."""
    parser.add_argument(
        "--lens",
        action="append",
        default=[],
        metavar="CAMERA=MODEL",
        help="plumb_bob (default) or rational, for wide lenses; may be repeated",
    )
    parser.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="CAMERA=A,B",
        help="parameters not to be estimated, e.g. thermal=k3,p1,p2; may be repeated",
    )
    parser.add_argument(
        "--board-warp", action="store_true", help="also estimate how the board bulges"
    )


def by_camera(
    texts: Sequence[str], option: str, cameras: Sequence[str] | None
) -> list[tuple[str, str]]:
    """Split ``CAMERA=VALUE`` texts; `cameras`, if given, are the only ones known."""
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals or not value or (cameras is not None and name not in cameras):
            remedy = f"cameras: {', '.join(cameras)}" if cameras is not None else None
            raise CalibrationError(f"{option} {text}: expected CAMERA=…", remedy=remedy)
        pairs.append((name, value))
    return pairs


def lens(model: str) -> "LensModel":
    """Return the lens model of that name, or say which there are."""
    from .adjustment_problem import DISTORTION

    for known in DISTORTION:
        if model == known:
            return known
    raise CalibrationError(f"--lens: no model {model!r}", remedy=f"known: {', '.join(DISTORTION)}")


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """Declare what is written, and how a session is made into it."""
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


def session_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `calibrate_session` that the options ask for."""
    from .board import BoardSpec
    from .rig import CAMERAS

    board = BoardSpec.parse(args.board)
    if args.z_min_m is not None and not 0 < args.z_min_m < 100:
        raise CalibrationError(f"--z-min-m is {args.z_min_m}: expected metres, e.g. 0.6")
    return {
        "board": board,
        "z_min_m": args.z_min_m,
        "depth_model": args.depth_model,
        "models": {name: lens(model) for name, model in by_camera(args.lens, "--lens", CAMERAS)},
        "fixed": {name: set(k.split(",")) for name, k in by_camera(args.fix, "--fix", CAMERAS)},
        "board_warp": args.board_warp,
    }
