"""How every command talks: results, progress, ``--json`` and one clear line for an error.

Handlers and levels are set here and nowhere else; libraries only call ``logging.getLogger``.
"""

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .errors import MavferError

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
_PROGRESS_INTERVAL_S = 0.2
_PLAIN_PROGRESS_INTERVAL_S = 5.0
_BAR_WIDTH = 24

OnProgress = Callable[[int, int], None]
"""Callback ``on_progress(done, total)`` that libraries call; only commands draw."""


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command has: ``--json``, ``--quiet``, ``-v``."""
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the result")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="log what happens; tracebacks on errors"
    )


def run_command(handler: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Call `handler` and turn the errors a user can mend into one line and an exit status.

    Returns
    -------
    int
        What `handler` returned; 1 after a `MavferError` or an `OSError`; 130 after Ctrl-C.
    """
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("numba", "matplotlib", "PIL"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        return handler(args)
    except (MavferError, OSError) as error:
        if args.verbose:
            raise
        sys.stderr.write(f"error: {error}\n")
        return EXIT_FAILED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED


def print_result(args: argparse.Namespace, result: Mapping[str, Any], text: Sequence[str]) -> None:
    """Print `result` as JSON under ``--json``, else the lines of `text`."""
    if args.json:
        sys.stdout.write(json.dumps(result, indent=2, allow_nan=False) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in text))
    sys.stdout.flush()


@contextmanager
def progress(label: str, *, enabled: bool = True) -> Iterator[OnProgress]:
    """Show ``label  37 %  37/100  eta 12 s`` on standard error while the block runs.

    A terminal gets a bar redrawn five times a second; a log file gets a line every five seconds.
    Nothing is shown for work that ends before the first interval.
    """
    started_s = time.monotonic()
    interactive = sys.stderr.isatty()
    interval_s = _PROGRESS_INTERVAL_S if interactive else _PLAIN_PROGRESS_INTERVAL_S
    last_s = started_s
    drawn = False

    def update(done: int, total: int) -> None:
        nonlocal last_s, drawn
        now_s = time.monotonic()
        if not enabled or now_s - last_s < interval_s:
            return
        last_s = now_s
        share = done / total if total else 0.0
        eta = f"eta {(now_s - started_s) * (1 - share) / share:.0f} s" if share > 0 else ""
        if interactive:
            filled = round(share * _BAR_WIDTH)
            bar = "█" * filled + "·" * (_BAR_WIDTH - filled)
            sys.stderr.write(f"\r{label}  {bar} {share:4.0%}  {done}/{total}  {eta}   ")
        else:
            sys.stderr.write(f"{label}  {share:4.0%}  {done}/{total}  {eta}\n")
        sys.stderr.flush()
        drawn = True

    try:
        yield update
    finally:
        if drawn and interactive:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
