"""``mavfer-capture console``."""

import argparse
import sys
from pathlib import Path

from ..terminal import EXIT_OK, add_common_options
from .shared_options import load_keys, stop_on_signals

_EPILOG = """\
examples:
  mavfer-capture console --output sessions   (the simulated rig: no camera is needed)
  mavfer-capture console --rig rig.toml --keys keys --output sessions
  mavfer-capture console --rig rig.toml --protocol protocol.toml --port 8080

It prints a link; open it in a browser on this machine. Ctrl-C ends it; a recording in progress is
stopped properly. From elsewhere: ssh -L 8080:127.0.0.1:8080 this-machine
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    console = commands.add_parser(
        "console",
        help="record from a web page on this machine",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    console.add_argument("--rig", type=Path, help="rig file; default: the simulated rig")
    console.add_argument("--output", type=Path, default=Path("sessions"), help="root of sessions")
    console.add_argument("--keys", type=Path, metavar="DIR", help="keys for daemons elsewhere")
    console.add_argument(
        "--protocol", metavar="FILE", help="stages to be offered beside the built-in ones"
    )
    console.add_argument("--host", default="127.0.0.1", help="loopback address to listen at")
    console.add_argument("--port", type=int, default=0, help="default: any free one")
    add_common_options(console)
    console.set_defaults(handler=_console)


def _console(args: argparse.Namespace) -> int:
    from ..config import RigConfig, load_rig_config
    from ..console.server import serve_console
    from ..protocol import BUILT_IN, load_protocol

    rig = load_rig_config(args.rig) if args.rig else RigConfig.simulated()
    names = (*BUILT_IN, *([args.protocol] if args.protocol else []))
    protocols = {protocol.name: protocol for protocol in map(load_protocol, names)}
    with stop_on_signals() as stop:
        serve_console(
            rig,
            args.output,
            host=args.host,
            port=args.port,
            keys=load_keys(args.keys, "controller"),
            protocols=protocols,
            stop=stop,
            on_ready=_show_link,
        )
    return EXIT_OK


def _show_link(link: str) -> None:
    sys.stdout.write(f"open {link}\n")
    sys.stdout.flush()
