"""``mavfer-calibrate live``: a page that guides whoever shows the board."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from capture.terminal import EXIT_OK, OnProgress, add_common_options

from .cli_options import add_session_options, session_options

if TYPE_CHECKING:
    from capture.config import RigConfig

    from .live.guide import Outcome

_EXAMPLES = """\
examples:
  mavfer-calibrate live -o rig.yaml                       (the simulated rig: no camera is needed)
  mavfer-calibrate live --rig rig.toml -o rig.yaml --report calibration
  mavfer-calibrate live --rig rig.toml --keys keys -o rig.yaml --port 8080

It prints a link; open it in a browser on this machine, where whoever holds the board can see it.
Start opens the sensors and records. The page shows the corners it finds, counts views that are
held still in a new place, and says where to hold the board next and when there are enough. Then
it calibrates from the recorded session, which stays for a later `mavfer-calibrate SESSION`.
From elsewhere: ssh -L 8080:127.0.0.1:8080 this-machine
"""


def live_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mavfer-calibrate live``."""
    parser = argparse.ArgumentParser(
        prog="mavfer-calibrate live",
        description="Record a board session from a web page that says where to hold the board "
        "and when it is enough, and calibrate from it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rig", type=Path, help="rig file; default: the simulated rig")
    parser.add_argument("--keys", type=Path, metavar="DIR", help="keys for daemons elsewhere")
    parser.add_argument(
        "--sessions",
        type=Path,
        default=Path("sessions"),
        metavar="DIR",
        help="root of sessions (default: %(default)s)",
    )
    parser.add_argument(
        "--views",
        type=int,
        default=None,
        metavar="N",
        help="views to be taken (default: what is good for the calibration's verdict)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen at")
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    add_session_options(parser)
    add_common_options(parser)
    return parser


def run_live(args: argparse.Namespace) -> int:
    """Handle ``mavfer-calibrate live``."""
    from capture.commands.shared_options import load_keys, stop_on_signals
    from capture.config import load_rig_config

    from .board import BoardSpec
    from .errors import CalibrationError
    from .gates import VIEWS
    from .intrinsics import MIN_VIEWS
    from .live.server import serve_guide
    from .report_html import PAGE_NAME
    from .session_outputs import Outputs, calibrate_into, open_board_session

    n_wanted = VIEWS[0] if args.views is None else args.views
    if not MIN_VIEWS <= n_wanted <= 1000:
        raise CalibrationError(f"--views is {n_wanted}, expected {MIN_VIEWS} to 1000")
    outputs = Outputs(args.output, args.report, args.iai, args.overwrite)
    outputs.require_free()
    options = session_options(args)
    rig = load_rig_config(args.rig) if args.rig else _simulated()

    def calibrate(path: Path, on_progress: OnProgress) -> "Outcome":
        from .live.guide import Outcome
        from .report import summary_lines

        session = open_board_session(path)
        result = calibrate_into(outputs, session, options, on_progress=on_progress)
        report = None if outputs.report is None else outputs.report / PAGE_NAME
        lines = [*summary_lines(result), f"written: {outputs.calibration}"]
        sys.stdout.write("\n".join([f"session: {path}", *lines]) + "\n")
        sys.stdout.flush()
        return Outcome(str(result.rig.quality["verdict"]), tuple(lines), report)

    with stop_on_signals() as stop:
        serve_guide(
            rig,
            args.sessions,
            board=BoardSpec.parse(args.board),
            n_wanted=n_wanted,
            require_free=outputs.require_free,
            calibrate=calibrate,
            host=args.host,
            port=args.port,
            keys=load_keys(args.keys, "controller"),
            stop=stop,
            on_ready=_show_link,
        )
    return EXIT_OK


def _simulated() -> "RigConfig":
    """Return the embedded rig before a board that is held still long enough to be taken."""
    from capture.config import RigConfig

    return RigConfig.simulated(scene="board", n_views=30, hold_s=2.0)


def _show_link(link: str) -> None:
    sys.stdout.write(f"open {link}\n")
    sys.stdout.flush()
