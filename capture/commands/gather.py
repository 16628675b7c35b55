"""``mavfer-capture gather``."""

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..terminal import EXIT_FAILED, EXIT_OK, add_common_options, print_result
from .shared_options import load_keys

if TYPE_CHECKING:
    from ..file_copy import GatherProgress, OnGather
    from ..gather import Gathering

_EPILOG = """\
examples:
  mavfer-capture gather sessions/20250101-101500_S01
  mavfer-capture gather sessions/20250101-101500_S01 --rig rig.toml --keys keys

What was copied before an interruption is kept: run the same command again. Daemons keep their copy.
"""
_LINE_INTERVAL_S = 0.5
_PLAIN_LINE_INTERVAL_S = 5.0


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    gather = commands.add_parser(
        "gather",
        help="bring the recordings of daemons elsewhere into a session's folder",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    gather.add_argument("session", type=Path, metavar="SESSION", help="folder of the session")
    gather.add_argument("--rig", type=Path, help="rig file, if addresses changed since")
    gather.add_argument("--keys", type=Path, metavar="DIR", help="keys for daemons elsewhere")
    add_common_options(gather)
    gather.set_defaults(handler=_gather)


def _gather(args: argparse.Namespace) -> int:
    from ..config import load_rig_config
    from ..gather import gather_session

    gathering = gather_session(
        args.session,
        rig=load_rig_config(args.rig) if args.rig else None,
        keys=load_keys(args.keys, "controller"),
        on_progress=show_gathering(enabled=not args.quiet),
    )
    print_result(args, gathering_facts(gathering), gathering_lines(gathering))
    return EXIT_FAILED if gathering.failures else EXIT_OK


def show_gathering(*, enabled: bool) -> "OnGather":
    """Return a callback that shows progress on standard error, a line now and then."""
    interactive = sys.stderr.isatty()
    interval_s = _LINE_INTERVAL_S if interactive else _PLAIN_LINE_INTERVAL_S
    last_s = time.monotonic()

    def show(progress: "GatherProgress") -> None:
        nonlocal last_s
        done = progress.n_bytes_done == progress.n_bytes
        if not enabled or (time.monotonic() - last_s < interval_s and not (done and interactive)):
            return
        last_s = time.monotonic()
        eta = "" if progress.eta_s is None else f", {progress.eta_s:.0f} s left"
        text = (
            f"{progress.file}  {progress.n_bytes_done / progress.n_bytes:4.0%}  "
            f"{progress.n_bytes_done / 1e6:.0f} of {progress.n_bytes / 1e6:.0f} MB  "
            f"{progress.rate_mb_s:.0f} MB/s{eta}"
        )
        end = "\n" if done else ""
        sys.stderr.write(f"\r\033[K{text}{end}" if interactive else f"{text}\n")
        sys.stderr.flush()

    return show


def gathering_facts(gathering: "Gathering") -> dict[str, object]:
    """Return what was gathered as JSON values."""
    from ..structure import encode

    return {"files": encode(gathering.files), "failures": dict(gathering.failures)}


def gathering_lines(gathering: "Gathering") -> list[str]:
    """Return what was gathered in lines for people."""
    lines = [
        f"{file.file}: {file.outcome}, {file.n_bytes / 1e6:.1f} MB, blake2b {file.digest[:16]}…"
        for file in gathering.files
    ]
    lines += [f"{name}: NOT gathered: {why}" for name, why in gathering.failures.items()]
    return lines or ["nothing to gather: all sensors of this session were on this machine"]
