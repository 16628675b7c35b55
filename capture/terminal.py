"""How every command talks: results, progress, ``--json`` and one clear line for an error.

Handlers and levels are set here and nowhere else; libraries only call ``logging.getLogger``.
"""

import argparse
import errno
import io
import json
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import MavferError, MavferWarning

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
_PROGRESS_INTERVAL_S = 0.2
_PLAIN_PROGRESS_INTERVAL_S = 5.0
_BAR_WIDTH = 24
_REMEDIES = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        "free some space or choose an output on another disk",
    ),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS),
        "check its permissions or choose another place",
    ),
    errno.EMFILE: "raise the limit of open files: ulimit -n 4096",
    **dict.fromkeys(
        (errno.EEXIST, errno.ENOTDIR),
        "a folder is needed where a file lies: move the file or choose another place",
    ),
    errno.EISDIR: "a file is needed where a folder lies: choose another place",
    errno.ENAMETOOLONG: "choose a shorter name",
}

OnProgress = Callable[[int, int], None]
"""Callback ``on_progress(done, total)`` that libraries call; only commands draw."""


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command has: ``--json``, ``--quiet``, ``-v``."""
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.add_argument("--quiet", action="store_true", help="no progress, only the result")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="log what happens; tracebacks on errors"
    )


class _Terminated(KeyboardInterrupt):
    """SIGTERM came: unwind as after Ctrl-C, so that nothing half done stays behind."""


def run_command(handler: Callable[[argparse.Namespace], int], args: argparse.Namespace) -> int:
    """Call `handler` and turn the errors a user can mend into one line and an exit status.

    SIGTERM unwinds like Ctrl-C, so outputs in progress are taken away in both cases.

    Returns
    -------
    int
        What `handler` returned; 1 after a `MavferError`, an `OSError` or a lack of memory; 130
        after Ctrl-C; 143 after SIGTERM.
    """
    _prepare_streams()
    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    for noisy in ("numba", "matplotlib", "PIL"):  # their warnings are about themselves
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        with _terminable(), _plain_warnings():
            _check_names(args)
            return handler(args)
    except (MavferError, OSError, MemoryError) as error:
        if args.verbose:
            raise
        sys.stderr.write(f"error: {_one_line(error)}\n")
        return EXIT_FAILED
    except KeyboardInterrupt as interrupt:
        terminated = isinstance(interrupt, _Terminated)
        sys.stderr.write("terminated\n" if terminated else "interrupted\n")
        return EXIT_TERMINATED if terminated else EXIT_INTERRUPTED


def _prepare_streams() -> None:
    """Make sure that every file name can be shown, in any locale and with output closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller: `>&-`
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
            setattr(sys, name, nowhere)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _check_names(args: argparse.Namespace) -> None:
    """Refuse arguments that no file format could keep: bytes that are not UTF-8."""
    for value in vars(args).values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str | Path) and not _is_utf8(str(each)):
                raise MavferError(f"{each} is not UTF-8", remedy="rename the file or folder")


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


@contextmanager
def _terminable() -> Iterator[None]:
    """Raise `_Terminated` on SIGTERM while the block runs."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's business
        return

    def terminate(_number: int, _frame: object) -> None:
        raise _Terminated

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show our own warnings as one line, without the place in the code that they come from."""
    usual = warnings.formatwarning

    def plain(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        line: str | None = None,
    ) -> str:
        if issubclass(category, MavferWarning):
            return f"warning: {message}\n"
        return usual(message, category, filename, lineno, line)

    warnings.formatwarning = plain
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _one_line(error: BaseException) -> str:
    """Say what happened and, where the system's own message does not, what to do."""
    if isinstance(error, MavferError):
        return str(error)
    if isinstance(error, MemoryError):
        return "out of memory (close other programs, or ask for less at once)"
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    remedy = _REMEDIES.get(error.errno or 0)
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror}" + (f" ({remedy})" if remedy else "")


def print_result(args: argparse.Namespace, result: Mapping[str, Any], text: Sequence[str]) -> None:
    """Print `result` as JSON under ``--json``, else the lines of `text`.

    A reader that has left (``| head -1``) had what it wanted: that is no failure.
    """
    if args.json:
        printed = json.dumps(result, indent=2, allow_nan=False) + "\n"
    else:
        printed = "".join(f"{line}\n" for line in text)
    try:
        sys.stdout.write(printed)
        sys.stdout.flush()
    except OSError as error:
        _discard_stdout()
        if not isinstance(error, BrokenPipeError):
            raise


def _discard_stdout() -> None:
    """Point standard output nowhere: the interpreter would fail on what is left at its end."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


@contextmanager
def progress(
    label: str, *, enabled: bool = True, detail: Callable[[], str] | None = None
) -> Iterator[OnProgress]:
    """Show ``label  37 %  37/100  eta 12 s`` on standard error while the block runs.

    What `detail` returns at the moment stands at the end of the line.

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
        eta += f"  {detail()}" if detail is not None else ""
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
