"""``mavfer-capture close``."""

import argparse
from pathlib import Path

from ..terminal import EXIT_FAILED, EXIT_OK, add_common_options, print_result, progress
from .shared_options import load_keys

_EPILOG = """\
examples:
  mavfer-capture close sessions/20250101-101500_S01
  mavfer-capture close sessions/20250101-101500_S01 --keys keys

What still records is stopped properly, cut-off recordings are made whole (see recover), and the
manifest tells what there is. To go on instead: mavfer-capture record --resume SESSION

exit status: 0 closed, 1 refused, or a daemon elsewhere did not answer
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    close = commands.add_parser(
        "close",
        help="end a session whose controller died",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    close.add_argument("session", type=Path, metavar="SESSION", help="folder of the session")
    close.add_argument("--keys", type=Path, metavar="DIR", help="keys for daemons elsewhere")
    add_common_options(close)
    close.set_defaults(handler=_close)


def _close(args: argparse.Namespace) -> int:
    from ..close_session import close_session
    from ..live import session_lines
    from ..structure import encode

    with progress("recovering", enabled=not args.quiet) as on_progress:
        closing = close_session(
            args.session, keys=load_keys(args.keys, "controller"), on_progress=on_progress
        )
    facts = {
        "path": str(args.session),
        "stopped": list(closing.stopped),
        "unknown": dict(closing.unknown),
        **encode(closing.manifest),
    }
    lines = [f"{name}: recorded until now" for name in closing.stopped]
    lines += [
        f"{each.path.name}: {each.n_frames} frames recovered, original kept as {each.kept.name}"
        for each in closing.recoveries
        if each.kept is not None
    ]
    lines += [f"{name}: NOT reached: {why}" for name, why in closing.unknown.items()]
    print_result(args, facts, [*lines, *session_lines(args.session, closing.manifest)])
    return EXIT_FAILED if closing.unknown else EXIT_OK
