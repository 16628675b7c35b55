"""A check in a process of its own: damage that makes a library crash is told like any other."""

import multiprocessing
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

from capture.terminal import OnProgress

from .consent import Purpose
from .errors import DatasetError
from .store_check import Finding, check_store
from .store_content import BLOCK_ROWS
from .store_file import REBUILD
from .worker_process import prepare_worker

_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)


@dataclass(frozen=True, slots=True)
class _Place:
    """What is read next."""

    video_id: str
    name: str
    first_row: int

    def __str__(self) -> str:
        rows = f", rows {self.first_row} to {self.first_row + BLOCK_ROWS - 1}"
        return f"at video {self.video_id}" + (f", {self.name}{rows}" if self.name else "")


@dataclass(frozen=True, slots=True)
class _Progress:
    """Videos done, and in all."""

    done: int
    total: int


def check_apart(
    path: Path, *, purpose: Purpose | None = None, on_progress: OnProgress | None = None
) -> list[Finding]:
    """Do as ``check_store`` does, in another process.

    The decompressor trusts the sizes that stand in a chunk: one changed byte can make it write
    beyond its memory, which no program survives. Nothing is caught there, so it is watched.

    Raises
    ------
    DatasetError
        As of ``check_store``; or the process ended without a verdict.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_check, args=(stop, theirs, path, purpose), daemon=True)
    process.start()
    theirs.close()
    place: _Place | str = "while it was opened"
    try:
        while True:
            told = ours.recv()
            if isinstance(told, _Place):
                place = told
            elif isinstance(told, _Progress):
                if on_progress is not None:
                    on_progress(told.done, told.total)
            elif isinstance(told, Exception):
                raise told
            else:
                findings: list[Finding] = told
                return findings
    except EOFError:
        process.join()
        raise _ended(path, place, process.exitcode or 0) from None
    finally:
        stop.set()
        process.kill()  # it writes nothing
        process.join()
        ours.close()


def _check(stop: Event, told: Connection, path: Path, purpose: Purpose | None) -> None:
    prepare_worker(stop)
    try:
        findings = check_store(
            path,
            purpose=purpose,
            on_progress=lambda done, total: told.send(_Progress(done, total)),
            on_place=lambda video_id, name, row: told.send(_Place(video_id, name, row)),
        )
    except Exception as error:  # noqa: BLE001 - the command shows it
        told.send(error)
    else:
        told.send(findings)


def _ended(path: Path, place: object, status: int) -> DatasetError:
    if -status in _CRASHES:
        how = signal.Signals(-status).name
        return DatasetError(
            f"{path} is damaged {place}: whoever reads it crashes ({how})", remedy=REBUILD
        )
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    return DatasetError(
        f"{path}: the process that read it was ended {place} ({how})",
        remedy="free some memory and run it again",
    )
