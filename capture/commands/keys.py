"""``mavfer-capture keys``."""

import argparse
from pathlib import Path

from ..terminal import EXIT_OK, add_common_options, print_result

_EPILOG = """\
example:
  mavfer-capture keys -o keys

Then copy, by a safe way, daemon.key_secret and controller.key to the machines of the daemons, and
controller.key_secret and daemon.key to the controller's. No machine needs the other's secret.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    keys = commands.add_parser(
        "keys",
        help="make the keys that let controller and daemons talk beyond one machine",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    keys.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    add_common_options(keys)
    keys.set_defaults(handler=_keys)


def _keys(args: argparse.Namespace) -> int:
    from ..keys import create_keys

    paths = create_keys(args.output)
    files = [str(path) for path in paths]
    print_result(args, {"files": files}, [f"wrote {file}" for file in files])
    return EXIT_OK
