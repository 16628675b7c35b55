"""``mavfer-capture record``."""

import argparse
import queue
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from ..errors import ConfigError
from ..terminal import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    add_common_options,
    print_result,
)
from .gather import show_gathering
from .shared_options import load_keys, stop_on_signals

_EPILOG = """\
examples:
  mavfer-capture record --subject S01 --duration 8 --output sessions
  mavfer-capture record --rig rig.toml --subject S01 --output sessions   (Ctrl-C ends it)
  mavfer-capture record --subject S01 --protocol paper --output sessions   (10 + 5 minutes)
  mavfer-capture record --rig rig.toml --keys keys --subject S01 --gather --output sessions

While it records, a line typed is a marker (Enter alone: "marker"); "next" moves on to the next
stage of the protocol.

exit status: 0 complete, 1 failed or refused, 130 stopped before the planned end
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    record = commands.add_parser(
        "record",
        help="record one session with all sensors of a rig",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    record.add_argument("--rig", type=Path, help="rig file; default: the simulated rig")
    record.add_argument("--subject", required=True, help="pseudonym of who is recorded")
    record.add_argument("--kind", choices=("subject", "board"), default="subject")
    record.add_argument(
        "--duration", type=float, metavar="S", help="seconds; default: until Ctrl-C"
    )
    record.add_argument(
        "--protocol",
        metavar="FILE",
        help="stages of the session, instead of --duration: a TOML file, or paper",
    )
    record.add_argument(
        "--markers-from-stdin",
        action="store_true",
        help="take markers from standard input although it is no terminal",
    )
    record.add_argument("--output", type=Path, default=Path("sessions"), help="root of sessions")
    record.add_argument("--keys", type=Path, metavar="DIR", help="keys for daemons elsewhere")
    record.add_argument(
        "--allow-poor-sync",
        action="store_true",
        help="record although a clock is not known to a millisecond",
    )
    record.add_argument(
        "--gather",
        action="store_true",
        help="afterwards bring the recordings of daemons elsewhere into the session's folder",
    )
    record.add_argument("--share", action="store_true", help="the subject agreed to sharing")
    record.add_argument(
        "--publish-pictures", action="store_true", help="the subject agreed to pictures in print"
    )
    record.add_argument("--until", metavar="DATE", help="the consent ends on this ISO date")
    add_common_options(record)
    record.set_defaults(handler=_record)


def _record(args: argparse.Namespace) -> int:
    from ..config import RigConfig, load_rig_config
    from ..gather import gather_session
    from ..live import StatusLine, session_lines
    from ..protocol import load_protocol
    from ..record_session import record_session
    from ..session import Consent
    from ..structure import encode

    rig = load_rig_config(args.rig) if args.rig else RigConfig.simulated(scene=args.kind)
    consent = Consent(
        share=args.share, publish_pictures=args.publish_pictures, until=_date(args.until)
    )
    with stop_on_signals() as stop, StatusLine(enabled=not args.quiet) as line:
        path, manifest = record_session(
            rig,
            args.output,
            subject=args.subject,
            kind=args.kind,
            duration_s=args.duration,
            consent=consent,
            keys=load_keys(args.keys, "controller"),
            allow_poor_sync=args.allow_poor_sync,
            protocol=load_protocol(args.protocol) if args.protocol else None,
            remarks=_read_remarks() if _may_read(args) else None,
            stop=stop,
            on_progress=line.show,
        )
    failures: Mapping[str, str] = {}
    if args.gather:
        gathering = gather_session(
            path,
            rig=rig,
            keys=load_keys(args.keys, "controller"),
            on_progress=show_gathering(enabled=not args.quiet),
        )
        manifest, failures = gathering.manifest, gathering.failures
    facts = {"path": str(path), **encode(manifest)}
    lines = session_lines(path, manifest)
    if args.gather:
        facts["not_gathered"] = dict(failures)
        lines += [f"  {name}: NOT gathered: {why}" for name, why in failures.items()]
    print_result(args, facts, lines)
    if failures:
        return EXIT_FAILED
    return {"complete": EXIT_OK, "interrupted": EXIT_INTERRUPTED}.get(manifest.status, EXIT_FAILED)


def _may_read(args: argparse.Namespace) -> bool:
    return bool(args.markers_from_stdin or (sys.stdin is not None and sys.stdin.isatty()))


def _read_remarks() -> "queue.SimpleQueue[str]":
    """Return a queue that a thread fills with the lines typed."""
    remarks: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            remarks.put(line.rstrip("\n"))

    threading.Thread(target=read, name="mavfer-remarks", daemon=True).start()
    return remarks


def _date(text: str | None) -> str | None:
    from datetime import date

    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ConfigError(f"--until {text!r} is no date", remedy="write 2030-12-31") from None
