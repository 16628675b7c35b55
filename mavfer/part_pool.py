"""Parts built side by side in processes of their own, and the progress of all of them."""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path

from capture.terminal import OnProgress

from .part import BuildPlan, PartReport, SourceFile, build_part
from .worker_process import prepare_worker, told_to_stop

_POLL_INTERVAL_S = 0.2
_Messages = SimpleQueue[tuple[int, int, int]]


class BuildProgress:
    """Frames done of all sources; those not opened yet count as long as the others."""

    def __init__(self, n_sources: int, on_progress: OnProgress | None) -> None:
        self._n_sources = n_sources
        self._on_progress = on_progress
        self._counts: dict[int, tuple[int, int]] = {}

    def set(self, index: int, done: int, total: int) -> None:
        """Take note that source `index` has done `done` of `total` visits to its frames."""
        self._counts[index] = (done, total)
        if self._on_progress is not None:
            known = sum(total for _, total in self._counts.values())
            expected = round(known * self._n_sources / len(self._counts))
            # Half frames: each is visited twice, for its face and for its crops.
            self._on_progress(sum(d for d, _ in self._counts.values()) // 2, expected // 2)


@dataclass(frozen=True, slots=True, eq=False)
class _Worker:
    """What a worker process keeps between parts: the rig's lookup tables are costly to make."""

    plan: BuildPlan
    messages: _Messages


_worker: _Worker | None = None


def _start_worker(plan: BuildPlan, messages: _Messages, stop: Event) -> None:
    global _worker
    prepare_worker(stop)
    _worker = _Worker(plan, messages)


def _run_in_worker(index: int, file: SourceFile, part: Path) -> PartReport:
    if _worker is None:
        raise RuntimeError("called outside a worker process")
    messages = _worker.messages

    def send(index: int, done: int, total: int) -> None:
        if told_to_stop():
            raise KeyboardInterrupt
        messages.put((index, done, total))

    return build_part(index, file, part, _worker.plan, send)


def build_in_processes(
    sources: Sequence[SourceFile],
    parts: Sequence[Path],
    plan: BuildPlan,
    workers: int,
    progress: BuildProgress,
) -> list[PartReport]:
    """Build every source to its part in at most `workers` processes; reports in their order."""
    context = multiprocessing.get_context("spawn")
    messages: _Messages = context.SimpleQueue()
    stop = context.Event()
    with ProcessPoolExecutor(
        min(workers, len(sources)),
        mp_context=context,
        initializer=_start_worker,
        initargs=(plan, messages, stop),
    ) as pool:
        futures = [
            pool.submit(_run_in_worker, index, source, part)
            for index, (source, part) in enumerate(zip(sources, parts, strict=True))
        ]
        waiting: set[Future[PartReport]] = set(futures)
        try:
            while waiting:
                _, waiting = wait(waiting, timeout=_POLL_INTERVAL_S)
                while not messages.empty():
                    progress.set(*messages.get())
        finally:  # after Ctrl-C the pool would work through everything that waits
            stop.set()
            for future in waiting:
                future.cancel()
    return [report_of(future, source) for future, source in zip(futures, sources, strict=True)]


def report_of(future: Future[PartReport], source: SourceFile) -> PartReport:
    """Return what the finished `future` brought, or that its process died."""
    try:
        return future.result()
    except BrokenProcessPool:
        return PartReport(
            source.path,
            error="not built: a worker process died, perhaps out of memory; try fewer --workers",
        )
