"""Sessions of virtual subjects, rendered by several processes, whole or not at all, resumable."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture.files import write_text_atomic
from capture.terminal import OnProgress

from .errors import DatasetError
from .simulate import camera_scale
from .worker_process import prepare_worker, told_to_stop

if TYPE_CHECKING:
    from capture.simulation.relit_scene import RelitScene

_PLAN_FILE = ".simulation.json"
_PLAN_VERSION = 2
_LOCK_FILE = ".simulation.lock"
_POLL_S = 0.5
_MAX_WORKERS = 8
_DRAWING = ("tone", "gain_range", "rest_sd")
"""Identity's arguments that steer the draw; all others replace what was drawn."""
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class VirtualSession:
    """One session to be rendered.

    Attributes
    ----------
    name : str
        Of its folder.
    subject : str
        Pseudonym.
    subject_seed : int
        Who it is.
    trace_seed : int
        What is felt, how the head moves, and all noise.
    lights : tuple of (time_s, light)
        When which light is switched on; the first at 0.
    n_frames : int
    rate_hz : float
    scale : float or None
        Size of the cameras; None for the reduced defaults.
    speech : float
        0..1: talking that has nothing to do with what is felt.
    identity : mapping
        Arguments of `identity_from_seed`, and attributes of `Identity` to replace.
    confounders : mapping or None
        Attributes of `Confounders`; None hides nothing.
    """

    name: str
    subject: str
    subject_seed: int
    trace_seed: int
    lights: tuple[tuple[float, str], ...]
    n_frames: int
    rate_hz: float
    scale: float | None = None
    speech: float = 0.0
    identity: Mapping[str, Any] = field(default_factory=dict)
    confounders: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class WrittenSessions:
    """The sessions of a plan, in order, and how many of them this call rendered."""

    sessions: tuple[Path, ...]
    n_new: int


def write_sessions(
    root: Path,
    sessions: Sequence[VirtualSession],
    plan: Mapping[str, Any],
    *,
    n_workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> WrittenSessions:
    """Write `sessions` into `root`, each whole or not at all.

    Sessions that are there already are kept: after an interruption the same call goes on.

    Parameters
    ----------
    root : Path
        Created when missing; refused when it holds another plan's sessions.
    sessions : sequence of VirtualSession
        Names differ.
    plan : mapping of JSON values
        What determines `sessions`; noted in the folder.
    n_workers : int, optional
        Processes, each with one thread; 1 renders in this process.
    on_progress : callable, optional
        Counts sessions.
    """
    workers = min(os.cpu_count() or 1, _MAX_WORKERS) if n_workers is None else n_workers
    if workers < 1:
        raise DatasetError(f"{workers} workers asked for, expected 1 or more")
    with _locked(root):
        _claim(root, plan)
        missing = [session for session in sessions if not (root / session.name).exists()]
        if workers == 1 or len(missing) <= 1:
            for done, session in enumerate(missing, start=1):
                write_session(root, session)
                _report(on_progress, done, len(missing))
        else:
            _write_in_processes(root, missing, min(workers, len(missing)), on_progress)
    return WrittenSessions(tuple(root / session.name for session in sessions), len(missing))


def write_session(root: Path, session: VirtualSession) -> Path:
    """Render one session; it appears in `root` when it is complete."""
    from capture.simulation.virtual_session import write_virtual_session

    partial = root / f".{session.name}.partial"
    if partial.exists():  # left by a process that was killed; the lock says it is nobody's now
        shutil.rmtree(partial)
    scene = _scene(session)
    try:
        written = write_virtual_session(
            partial,
            scene,
            subject=session.subject,
            rate_hz=session.rate_hz,
            n_frames=session.n_frames,
            stages=[(time_s, f"light {light}") for time_s, light in scene.stages],
        )
        return written.rename(root / session.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _scene(session: VirtualSession) -> "RelitScene":
    from capture.simulation.confounders import Confounders
    from capture.simulation.identity import identity_from_seed
    from capture.simulation.relit_scene import RelitScene
    from capture.simulation.rig import kinect2_rig

    drawn = {k: v for k, v in session.identity.items() if k in _DRAWING}
    replaced = {k: v for k, v in session.identity.items() if k not in _DRAWING}
    who = replace(identity_from_seed(session.subject_seed, **drawn), **replaced)
    hidden = session.confounders
    return RelitScene(
        kinect2_rig(scale=camera_scale(session.scale)),
        session.lights,
        subject_seed=session.subject_seed,
        trace_seed=session.trace_seed,
        rate_hz=session.rate_hz,
        speech=session.speech,
        identity=who,
        confounders=None if hidden is None else Confounders(**hidden),
    )


def _write_in_processes(
    root: Path,
    missing: Sequence[VirtualSession],
    n_workers: int,
    on_progress: OnProgress | None,
) -> None:
    """Give each process whole subjects: preparing a head costs as much as many frames."""
    by_subject: dict[int, list[VirtualSession]] = {}
    for session in missing:
        by_subject.setdefault(session.subject_seed, []).append(session)
    context = get_context("spawn")
    stop = context.Event()
    with (
        _environment(_ONE_THREAD),
        ProcessPoolExecutor(
            min(n_workers, len(by_subject)),
            mp_context=context,
            initializer=prepare_worker,
            initargs=(stop,),
        ) as pool,
    ):
        pending: set[Future[None]] = {
            pool.submit(_write_all, root, sessions) for sessions in by_subject.values()
        }
        try:
            while pending:
                done, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                _report(on_progress, _n_there(root, missing), len(missing))
        except BrokenProcessPool:
            raise DatasetError(
                "a rendering process was killed, most often for lack of memory",
                remedy="run the same command again with fewer --workers; finished sessions stay",
            ) from None
        finally:
            stop.set()
            for future in pending:
                future.cancel()


def _write_all(root: Path, sessions: Sequence[VirtualSession]) -> None:
    for session in sessions:
        if told_to_stop():
            return
        write_session(root, session)


def _n_there(root: Path, sessions: Sequence[VirtualSession]) -> int:
    return sum((root / session.name).exists() for session in sessions)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables that processes started meanwhile inherit."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Keep a second run out of `root` while one is at work."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / _LOCK_FILE).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetError(
                f"another simulation is writing into {root}", remedy="wait for it to end"
            ) from None
        yield


def _claim(root: Path, plan: Mapping[str, Any]) -> None:
    """Note the plan in `root`, or check that it is the one that started there."""
    wanted: dict[str, Any] = {"version": _PLAN_VERSION, "plan": dict(plan)}
    path = root / _PLAN_FILE
    if not path.exists():
        write_text_atomic(path, json.dumps(wanted, indent=2) + "\n")
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if found != wanted:
        raise DatasetError(
            f"{root} holds sessions that were simulated with other options ({path.name})",
            remedy="repeat those options to go on, or choose another folder",
        )


def _report(on_progress: OnProgress | None, done: int, total: int) -> None:
    if on_progress:
        on_progress(done, total)
