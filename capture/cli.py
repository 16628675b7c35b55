"""``mavfer-capture``: record sessions, serve sensors, make keys."""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ConfigError
from .terminal import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    add_common_options,
    print_result,
    run_command,
)

if TYPE_CHECKING:
    from .keys import Keys, Role

_EPILOG = """\
examples:
  mavfer-capture record --subject S01 --duration 8 --output sessions
  mavfer-capture record --rig rig.toml --subject S01 --output sessions
  mavfer-capture record --kind board --subject board --duration 30 --output sessions
  mavfer-capture daemon --rig rig.toml --sensor a65 --bind tcp://127.0.0.1:5570 --output sessions
  mavfer-capture keys -o keys

Without --rig the embedded simulated rig records: no camera is needed.
"""
_RECORD_EPILOG = """\
examples:
  mavfer-capture record --subject S01 --duration 8 --output sessions
  mavfer-capture record --rig rig.toml --subject S01 --output sessions   (Ctrl-C ends it)
  mavfer-capture record --rig rig.toml --keys keys --subject S01 --output sessions --json

exit status: 0 complete, 1 failed or refused, 130 stopped before the planned end
"""
_DAEMON_EPILOG = """\
examples:
  mavfer-capture daemon --rig rig.toml --sensor a65 --bind tcp://127.0.0.1:5570 --output sessions
  mavfer-capture daemon --rig rig.toml --sensor kinect2 --bind tcp://0.0.0.0:5570 \\
      --keys keys --output sessions

Port p serves control, p + 1 clock probes, p + 2 status and preview.
"""
_KEYS_EPILOG = """\
example:
  mavfer-capture keys -o keys      then copy the folder to every machine, by a safe way
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    args = _parser().parse_args(argv)
    handler: Callable[[argparse.Namespace], int] = args.handler
    return run_command(handler, args)


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="mavfer-capture", description=__doc__, epilog=_EPILOG, formatter_class=plain
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    record = commands.add_parser(
        "record",
        help="record one session with all sensors of a rig",
        epilog=_RECORD_EPILOG,
        formatter_class=plain,
    )
    record.add_argument("--rig", type=Path, help="rig file; default: the simulated rig")
    record.add_argument("--subject", required=True, help="pseudonym of who is recorded")
    record.add_argument("--kind", choices=("subject", "board"), default="subject")
    record.add_argument(
        "--duration", type=float, metavar="S", help="seconds; default: until Ctrl-C"
    )
    record.add_argument("--output", type=Path, default=Path("sessions"), help="root of sessions")
    record.add_argument("--keys", type=Path, metavar="DIR", help="keys for daemons elsewhere")
    record.add_argument("--share", action="store_true", help="the subject agreed to sharing")
    record.add_argument(
        "--publish-pictures", action="store_true", help="the subject agreed to pictures in print"
    )
    record.add_argument("--until", metavar="DATE", help="the consent ends on this ISO date")
    add_common_options(record)
    record.set_defaults(handler=_record)

    daemon = commands.add_parser(
        "daemon",
        help="serve one sensor to a controller elsewhere",
        epilog=_DAEMON_EPILOG,
        formatter_class=plain,
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

    keys = commands.add_parser(
        "keys",
        help="make the keys that let controller and daemons talk beyond one machine",
        epilog=_KEYS_EPILOG,
        formatter_class=plain,
    )
    keys.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    add_common_options(keys)
    keys.set_defaults(handler=_keys)
    return parser


def _record(args: argparse.Namespace) -> int:
    from .config import RigConfig, load_rig_config
    from .controller import record_session
    from .live import StatusLine, session_lines
    from .session import Consent
    from .structure import encode

    rig = load_rig_config(args.rig) if args.rig else RigConfig.simulated(scene=args.kind)
    consent = Consent(
        share=args.share, publish_pictures=args.publish_pictures, until=_date(args.until)
    )
    with _stop_on_signals() as stop, StatusLine(enabled=not args.quiet) as line:
        path, manifest = record_session(
            rig,
            args.output,
            subject=args.subject,
            kind=args.kind,
            duration_s=args.duration,
            consent=consent,
            keys=_load_keys(args.keys, "controller"),
            stop=stop,
            on_progress=line.show,
        )
    print_result(args, {"path": str(path), **encode(manifest)}, session_lines(path, manifest))
    return {"complete": EXIT_OK, "interrupted": EXIT_INTERRUPTED}.get(manifest.status, EXIT_FAILED)


def _daemon(args: argparse.Namespace) -> int:
    import os

    import cv2

    from .clock import HostClock
    from .config import load_rig_config
    from .daemon import Daemon
    from .sensor import SensorConfig
    from .structure import decode

    if args.spawned:
        config = decode(SensorConfig, json.loads(sys.stdin.readline()), where="standard input")
    elif args.rig and args.sensor:
        config = load_rig_config(args.rig).entry(args.sensor).config
    else:
        raise ConfigError("which sensor?", remedy="pass --rig and --sensor")
    cv2.setNumThreads(1)  # a process for each sensor shares the cores already
    clock = HostClock(round(args.clock_offset_ms * 1e6), args.clock_skew_ppm)
    parent = os.getppid()
    with _stop_on_signals() as stop:
        daemon = Daemon(
            config, args.output, args.bind, keys=_load_keys(args.keys, "daemon"), clock=clock
        )
        if args.spawned:
            sys.stdout.write(daemon.endpoint.to_json() + "\n")
            threading.Thread(target=_await_end_of_input, args=(stop,), daemon=True).start()
        elif not args.quiet:
            sys.stdout.write(
                f"{config.name} ({config.kind}) listens at {daemon.endpoint.address}\n"
            )
        sys.stdout.flush()
        daemon.serve(ended=lambda: stop.is_set() or (args.spawned and os.getppid() != parent))
    return EXIT_OK


def _keys(args: argparse.Namespace) -> int:
    from .keys import create_keys

    paths = create_keys(args.output)
    files = [str(path) for path in paths]
    print_result(args, {"files": files}, [f"wrote {file}" for file in files])
    return EXIT_OK


def _await_end_of_input(stop: threading.Event) -> None:
    """Wait for the controller, which holds the other end, to close it or to die."""
    while sys.stdin.read(1024):
        pass
    stop.set()


def _load_keys(folder: Path | None, role: "Role") -> "Keys | None":
    from .keys import Keys

    return None if folder is None else Keys.load(folder, role)


def _date(text: str | None) -> str | None:
    from datetime import date

    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ConfigError(f"--until {text!r} is no date", remedy="write 2030-12-31") from None


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """Turn the first SIGINT or SIGTERM into an event; the second one interrupts for good."""
    stop = threading.Event()
    previous = {}

    def handle(number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
