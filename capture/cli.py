"""``mavfer-capture``: record sessions, close, gather and recover them, serve sensors, make keys."""

import argparse
import sys
from collections.abc import Callable, Sequence

from .commands import close, console, daemon, doctor, gather, keys, record, recover
from .terminal import run_command

_EPILOG = """\
examples:
  mavfer-capture record --subject S01 --duration 8 --output sessions
  mavfer-capture record --rig rig.toml --subject S01 --output sessions
  mavfer-capture record --kind board --subject board --duration 30 --output sessions
  mavfer-capture daemon --rig rig.toml --sensor a65 --bind tcp://127.0.0.1:5570 --output sessions
  mavfer-capture keys -o keys

Without --rig the embedded simulated rig records: no camera is needed.
"""

_COMMANDS = (record, console, close, gather, recover, daemon, keys, doctor)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    args = _parser().parse_args(argv)
    handler: Callable[[argparse.Namespace], int] = args.handler
    return run_command(handler, args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mavfer-capture",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
