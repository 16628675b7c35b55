"""Options that several subcommands of ``mavfer-calibrate`` share."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

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
