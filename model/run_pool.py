"""Where the runs of a benchmark are carried out: processes of this machine, or a Dask cluster."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from capture.errors import MavferError
from capture.terminal import OnProgress
from mavfer.worker_process import prepare_worker

from .errors import ModelError
from .run_spec import RunSpec, fulfil

_POLL_S = 0.5
_CONNECT_S = 10
_GO_ON = "run the same command again: what is finished is kept"


def fulfil_all(
    specs: Sequence[RunSpec],
    root: Path,
    knock_outs: Callable[[RunSpec], Sequence[str]],
    *,
    workers: int,
    scheduler: str | None = None,
    on_poll: Callable[[], None] | None = None,
) -> dict[str, str]:
    """Carry out all runs, several at a time.

    Parameters
    ----------
    specs : sequence of RunSpec
    root : Path
        On a disk that all workers see.
    knock_outs : callable
        What to score of a run.
    workers : int
        Processes; the cores are divided between them.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers take their place.
    on_poll : callable, optional
        Called now and then.

    Returns
    -------
    dict of key to str
        Why runs failed; the others are finished.

    Raises
    ------
    ModelError
        A worker died, or there is no such scheduler.
    """
    failures: dict[str, str] = {}
    if scheduler is None and workers == 1:
        watch = _Watch(on_poll)
        for spec in specs:
            failures |= _outcome(spec, _run(spec, root, list(knock_outs(spec)), None, watch))
        return failures
    with _executor(workers, scheduler) as executor:
        threads = max(1, (os.cpu_count() or 1) // workers) if scheduler is None else None
        running: dict[Future[str | None], RunSpec] = {
            executor.submit(_run, spec, root, list(knock_outs(spec)), threads): spec
            for spec in specs
        }
        waiting = set(running)
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=_POLL_S)
                for future in done:
                    failures |= _outcome(running[future], _result(future))
                if on_poll is not None:
                    on_poll()
        finally:
            for future in waiting:
                future.cancel()
    return failures


class _Watch:
    """Polls now and then, however often it is called."""

    def __init__(self, on_poll: Callable[[], None] | None) -> None:
        self._on_poll, self._polled_s = on_poll, 0.0

    def __call__(self, _done: int, _total: int) -> None:
        now_s = time.monotonic()
        if self._on_poll is not None and now_s - self._polled_s >= _POLL_S:
            self._polled_s = now_s
            self._on_poll()


def _run(
    spec: RunSpec,
    root: Path,
    knock_outs: list[str],
    threads: int | None,
    on_progress: OnProgress | None = None,
) -> str | None:
    """Carry out one run in a worker; what a user can mend is an answer, not an exception."""
    try:
        fulfil(spec, root, knock_outs, threads=threads, on_progress=on_progress)
    except (MavferError, OSError) as error:
        return str(error)
    return None


def _outcome(spec: RunSpec, failure: str | None) -> dict[str, str]:
    return {} if failure is None else {spec.key: failure}


def _result(future: "Future[str | None]") -> str | None:
    try:
        return future.result()
    except BrokenProcessPool:
        raise ModelError(
            "a worker process died, most often for lack of memory",
            remedy=f"{_GO_ON}, perhaps with fewer --workers",
        ) from None


@contextmanager
def _executor(workers: int, scheduler: str | None) -> Iterator[Executor]:
    if scheduler is not None:
        with _dask(scheduler) as executor:
            yield executor
        return
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=prepare_worker, initargs=(stop,)
    )
    try:
        yield pool
    except BaseException:
        # A run takes minutes: nobody waits for it after Ctrl-C, and it goes on another time.
        stop.set()
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ModelError(
            "Dask is not installed", remedy="pip install 'mavfer[dask]', on every worker too"
        ) from error
    try:
        client: Any = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"no Dask scheduler answers at {address} ({error})",
            remedy="start one (dask scheduler) and workers (dask worker ADDRESS --nthreads 1)",
        ) from error
    try:
        if not client.nthreads():
            raise ModelError(
                f"the Dask scheduler at {address} has no workers",
                remedy=f"start some: dask worker {address} --nthreads 1",
            )
        yield cast(Executor, client.get_executor(pure=False))
    finally:
        client.close(timeout=_CONNECT_S)
