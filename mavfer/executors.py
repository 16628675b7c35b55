"""Where the pieces of a build run: in this process, in processes of its own, or on a cluster."""

import multiprocessing
import threading
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, Protocol, cast

from .errors import DatasetError
from .jobs import JobCall, JobResult, run_job, warm_up
from .worker_process import prepare_worker

_CONNECT_S = 5


class WorkerLostError(Exception):
    """A worker died while it had this piece of work; another may do better."""


class Executor(Protocol):
    """Runs pieces of work."""

    @property
    def n_parallel(self) -> int:
        """How many run at the same time."""
        ...

    def submit(self, call: JobCall) -> "Future[JobResult]":
        """Start a piece of work."""
        ...

    def warm_up(self, call: JobCall, *, busy: int) -> None:
        """Have all but `busy` of the workers make ready for such work before there is any."""
        ...

    def result(self, future: "Future[JobResult]") -> JobResult:
        """Return what a finished one brought.

        Raises
        ------
        WorkerLostError
            Its worker died.
        """
        ...

    def close(self, *, wait: bool) -> None:
        """Drop what waits for a worker; let the workers end, and wait for what they do."""
        ...


class InlineExecutor:
    """Runs everything in this process, at once."""

    n_parallel = 1

    def submit(self, call: JobCall) -> "Future[JobResult]":
        """Run the piece of work."""
        future: Future[JobResult] = Future()
        future.set_result(run_job(call))
        return future

    def warm_up(self, call: JobCall, *, busy: int) -> None:
        """Do nothing: there is nobody else."""

    def result(self, future: "Future[JobResult]") -> JobResult:
        """Return what it brought."""
        return future.result()

    def close(self, *, wait: bool) -> None:
        """Do nothing."""


class ProcessExecutor:
    """Runs pieces of work in processes; begins anew with others when one of them dies."""

    def __init__(self, workers: int) -> None:
        self.n_parallel = workers
        self._context = multiprocessing.get_context("spawn")
        self._stop = self._context.Event()
        self._pool = self._new_pool()

    def submit(self, call: JobCall) -> "Future[JobResult]":
        """Start a piece of work."""
        try:
            return self._pool.submit(run_job, call)
        except BrokenProcessPool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = self._new_pool()
            return self._pool.submit(run_job, call)

    def warm_up(self, call: JobCall, *, busy: int) -> None:
        """Start the processes that have nothing to do yet: a pool starts them one a job."""
        with suppress(BrokenProcessPool):  # the next job will find out
            for _ in range(self.n_parallel - busy):
                self._pool.submit(warm_up, call)

    def result(self, future: "Future[JobResult]") -> JobResult:
        """Return what a finished one brought."""
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise WorkerLostError("a worker process died") from error

    def close(self, *, wait: bool) -> None:
        """Drop what waits for a worker; let the workers end, and wait for what they do."""
        self._stop.set()
        self._pool.shutdown(wait=wait, cancel_futures=True)

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.n_parallel,
            mp_context=self._context,
            initializer=prepare_worker,
            initargs=(self._stop,),
        )


class DaskExecutor:
    """Runs pieces of work on the workers of a Dask scheduler.

    They see the same paths as this process: a shared disk.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        try:
            self._client: Any = _connect(address)
            self.n_parallel = sum(self._client.nthreads().values())
            self._pool: Any = self._client.get_executor(pure=False, retries=0)
        except DatasetError:
            raise
        except Exception as error:
            raise DatasetError(
                f"no Dask scheduler answers at {address} ({error})",
                remedy="start one (dask scheduler) and workers (dask worker ADDRESS --nthreads 1)",
            ) from error
        if not self.n_parallel:
            self._client.close()
            raise DatasetError(
                f"the Dask scheduler at {address} has no workers",
                remedy=f"start some: dask worker {address} --nthreads 1",
            )

    def submit(self, call: JobCall) -> "Future[JobResult]":
        """Start a piece of work."""
        return cast("Future[JobResult]", self._pool.submit(run_job, call))

    def warm_up(self, call: JobCall, *, busy: int) -> None:
        """Do nothing: its workers run already."""

    def result(self, future: "Future[JobResult]") -> JobResult:
        """Return what a finished one brought."""
        try:
            return future.result()
        except CancelledError as error:
            raise DatasetError(
                f"the Dask scheduler at {self._address} is gone",
                remedy="start it again and run the same command: what is finished is kept",
            ) from error
        except Exception as error:  # whatever Dask raises, the work itself never does
            raise WorkerLostError(f"{type(error).__name__}: {error}") from error

    def close(self, *, wait: bool) -> None:
        """Drop what waits."""
        self._pool.shutdown(wait=False)
        self._client.close(timeout=_CONNECT_S)


def _connect(address: str) -> Any:
    """Return a client of a scheduler, or raise whatever Dask makes of what answers there."""
    try:
        from distributed import Client
    except ImportError as error:
        raise DatasetError(
            "Dask is not installed", remedy="pip install 'mavfer[dask]', on every worker too"
        ) from error
    client: Future[Any] = Future()

    def connect() -> None:
        try:
            client.set_result(Client(address, timeout=_CONNECT_S, set_as_default=False))
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            client.set_exception(error)

    # Dask waits for ever for the greeting of what is no scheduler: the dashboard's port, say.
    threading.Thread(target=connect, daemon=True).start()
    try:
        return client.result(timeout=2 * _CONNECT_S)
    except TimeoutError as error:
        raise OSError(str(error) or "what listens there does not speak as one") from error


def open_executor(*, workers: int, scheduler: str | None) -> Executor:
    """Open what runs the pieces of a build.

    Parameters
    ----------
    workers : int
        Processes of this machine; 1 works in this one.
    scheduler : str, optional
        Address of a Dask scheduler (``tcp://host:8786``), which has workers of its own.

    Raises
    ------
    DatasetError
        No Dask, no scheduler, or one without workers.
    """
    if scheduler is not None:
        return DaskExecutor(scheduler)
    return InlineExecutor() if workers == 1 else ProcessExecutor(workers)
