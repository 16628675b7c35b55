"""``mavfer-capture record``."""

import argparse
import queue
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from ..controller import OnSnapshot
    from ..manifest import Manifest

_EPILOG = """\
examples:
  mavfer-capture record --subject S01 --duration 8 --output sessions
  mavfer-capture record --rig rig.toml --subject S01 --output sessions   (Ctrl-C ends it)
  mavfer-capture record --subject S01 --protocol paper --output sessions   (10 + 5 minutes)
  mavfer-capture record --rig rig.toml --keys keys --subject S01 --gather --output sessions
  mavfer-capture record --resume sessions/20250101-101500_S01   (its controller died)

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
    who = record.add_mutually_exclusive_group(required=True)
    who.add_argument("--subject", help="pseudonym of who is recorded")
    who.add_argument(
        "--resume",
        type=Path,
        metavar="SESSION",
        help="go on with a session whose controller died: its subject, rig and protocol",
    )
    record.add_argument("--kind", choices=("subject", "board"), default="subject")
    record.add_argument(
        "--duration",
        type=float,
        metavar="S",
        help="seconds; default: until Ctrl-C, with --resume the planned end",
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
    from ..gather import gather_session
    from ..live import StatusLine, session_lines
    from ..structure import encode

    begin = _resume if args.resume else _begin
    with stop_on_signals() as stop, StatusLine(enabled=not args.quiet) as line:
        path, manifest = begin(args, stop, line.show)
    failures: Mapping[str, str] = {}
    if args.gather:
        gathering = gather_session(
            path,
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


def _begin(
    args: argparse.Namespace, stop: threading.Event, on_progress: "OnSnapshot"
) -> "tuple[Path, Manifest]":
    from ..config import RigConfig, load_rig_config
    from ..manifest import Consent
    from ..protocol import load_protocol
    from ..record_session import record_session
    from ..session_folders import left_open

    for name in left_open(args.output) if not args.quiet else ():
        sys.stderr.write(
            f"note: the controller of {name} died; `mavfer-capture record --resume "
            f"{args.output / name}` goes on with it, `mavfer-capture close` ends it\n"
        )
    return record_session(
        load_rig_config(args.rig) if args.rig else RigConfig.simulated(scene=args.kind),
        args.output,
        subject=args.subject,
        kind=args.kind,
        duration_s=args.duration,
        consent=Consent(
            share=args.share, publish_pictures=args.publish_pictures, until=_date(args.until)
        ),
        keys=load_keys(args.keys, "controller"),
        allow_poor_sync=args.allow_poor_sync,
        protocol=load_protocol(args.protocol) if args.protocol else None,
        remarks=_read_remarks() if _may_read(args) else None,
        stop=stop,
        on_progress=on_progress,
    )


def _resume(
    args: argparse.Namespace, stop: threading.Event, on_progress: "OnSnapshot"
) -> "tuple[Path, Manifest]":
    from ..record_session import resume_session

    fixed = {"--rig": args.rig, "--protocol": args.protocol, "--until": args.until}
    fixed |= {"--share": args.share, "--publish-pictures": args.publish_pictures}
    for option, value in fixed.items():
        if value:
            raise ConfigError(
                f"{option} is settled by the session that is resumed", remedy="leave it out"
            )
    return resume_session(
        args.resume.resolve(),
        duration_s=args.duration,
        keys=load_keys(args.keys, "controller"),
        allow_poor_sync=args.allow_poor_sync,
        remarks=_read_remarks() if _may_read(args) else None,
        stop=stop,
        on_progress=on_progress,
    )


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
