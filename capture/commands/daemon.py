"""``mavfer-capture daemon``."""

import argparse
import json
import sys
import threading
from pathlib import Path

from ..errors import ConfigError
from ..terminal import EXIT_OK, add_common_options
from .shared_options import load_keys, stop_on_signals

_EPILOG = """\
examples:
  mavfer-capture daemon --rig rig.toml --sensor a65 --bind tcp://127.0.0.1:5570 --output sessions
  mavfer-capture daemon --rig rig.toml --sensor kinect2 --bind tcp://0.0.0.0:5570 \\
      --keys keys --output sessions

Port p serves control, p + 1 clock probes, p + 2 status and preview, p + 3 finished recordings.
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    daemon = commands.add_parser(
        "daemon",
        help="serve one sensor to a controller elsewhere",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    daemon.add_argument("--rig", type=Path, help="rig file")
    daemon.add_argument("--sensor", help="name of the sensor in the rig")
    daemon.add_argument("--bind", default="tcp://127.0.0.1:*", metavar="ADDRESS")
    daemon.add_argument("--output", type=Path, default=Path("sessions"), help="root of sessions")
    daemon.add_argument("--keys", type=Path, metavar="DIR", help="required beyond this machine")
    daemon.add_argument(
        "--clock-offset-ms", type=float, default=0.0, help="rehearsals: shift clock"
    )
    daemon.add_argument("--clock-skew-ppm", type=float, default=0.0, help="rehearsals: skew clock")
    daemon.add_argument("--spawned", action="store_true", help=argparse.SUPPRESS)
    add_common_options(daemon)
    daemon.set_defaults(handler=_daemon)


def _daemon(args: argparse.Namespace) -> int:
    import os

    import cv2

    from ..clock import HostClock
    from ..config import load_rig_config
    from ..daemon import Daemon
    from ..sensor import SensorConfig
    from ..structure import decode

    if args.spawned:
        config = decode(SensorConfig, json.loads(sys.stdin.readline()), where="standard input")
    elif args.rig and args.sensor:
        config = load_rig_config(args.rig).entry(args.sensor).config
    else:
        raise ConfigError("which sensor?", remedy="pass --rig and --sensor")
    cv2.setNumThreads(1)  # a process for each sensor shares the cores already
    clock = HostClock(round(args.clock_offset_ms * 1e6), args.clock_skew_ppm)
    parent, alone = os.getppid(), threading.Event()
    with stop_on_signals() as stop:
        daemon = Daemon(
            config, args.output, args.bind, keys=load_keys(args.keys, "daemon"), clock=clock
        )
        if args.spawned:
            sys.stdout.write(daemon.endpoint.to_json() + "\n")
            threading.Thread(target=_await_end_of_input, args=(alone,), daemon=True).start()
        elif not args.quiet:
            sys.stdout.write(
                f"{config.name} ({config.kind}) listens at {daemon.endpoint.address}\n"
            )
        sys.stdout.flush()
        daemon.serve(
            ended=stop.is_set,
            orphaned=lambda: args.spawned and (alone.is_set() or os.getppid() != parent),
        )
    return EXIT_OK


def _await_end_of_input(alone: threading.Event) -> None:
    """Wait for the controller, which holds the other end, to die."""
    while sys.stdin.read(1024):
        pass
    alone.set()
