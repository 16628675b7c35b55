"""Short sessions of many virtual subjects, rendered by several processes, resumable."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from capture.files import write_text_atomic
from capture.terminal import OnProgress

from .errors import DatasetError
from .simulate import MAX_SEED, camera_scale
from .worker_process import prepare_worker, told_to_stop

LIGHTS = ("normal", "side", "dim", "near-dark")
"""Cycled over the clips of every subject, so that light says nothing about who it is."""

_PLAN_FILE = ".simulation.json"
_PLAN_VERSION = 1
_LOCK_FILE = ".simulation.lock"
_POLL_S = 0.5
_MAX_WORKERS = 8
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class SubjectsPlan:
    """What is to be simulated; a folder holds the sessions of one plan.

    Attributes
    ----------
    n_subjects, n_clips, n_frames : int
        People, sessions of each, frames of each session.
    rate_hz : float
        Frames a second.
    scale : float or None
        Size of the cameras; None for the reduced defaults.
    seed : int
    """

    n_subjects: int = 18
    n_clips: int = 12
    n_frames: int = 16
    rate_hz: float = 4.0
    scale: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {"n_subjects": 999, "n_clips": 999, "n_frames": 100_000}
        for name, limit in limits.items():
            value = getattr(self, name)
            if not 1 <= value <= limit:
                raise DatasetError(f"{name[2:]}: {value} asked for, expected 1 to {limit}")
        if not 0.1 <= self.rate_hz <= 60.0:
            raise DatasetError(f"rate_hz is {self.rate_hz:g}, expected 0.1 to 60")
        if not 0 <= self.seed <= MAX_SEED:
            raise DatasetError(f"seed is {self.seed}, expected 0 to {MAX_SEED}")
        camera_scale(self.scale)


@dataclass(frozen=True, slots=True)
class WrittenSubjects:
    """The sessions of a plan, in order, and how many of them this call rendered."""

    sessions: tuple[Path, ...]
    n_new: int


def write_subjects(
    root: Path,
    plan: SubjectsPlan,
    *,
    n_workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> WrittenSubjects:
    """Write the sessions of `plan` into `root`, each whole or not at all.

    Sessions that are there already are kept: after an interruption the same call goes on.

    Parameters
    ----------
    root : Path
        Created when missing; refused when it holds another plan's sessions.
    plan : SubjectsPlan
    n_workers : int, optional
        Processes, each with one thread; 1 renders in this process.

    Returns
    -------
    WrittenSubjects
        Folders ``V01_clip01``, ``V01_clip02``, …
    """
    workers = min(os.cpu_count() or 1, _MAX_WORKERS) if n_workers is None else n_workers
    if workers < 1:
        raise DatasetError(f"{workers} workers asked for, expected 1 or more")
    with _locked(root):
        _claim(root, plan)
        sessions = {
            (subject, clip): root / _session_name(subject, clip)
            for subject in range(plan.n_subjects)
            for clip in range(plan.n_clips)
        }
        missing = {key: path for key, path in sessions.items() if not path.exists()}
        if workers == 1 or len(missing) <= 1:
            for done, (subject, clip) in enumerate(missing, start=1):
                write_clip(root, plan, subject, clip)
                _report(on_progress, done, len(missing))
        else:
            _write_in_processes(root, plan, missing, min(workers, len(missing)), on_progress)
    return WrittenSubjects(tuple(sessions.values()), len(missing))


def write_clip(root: Path, plan: SubjectsPlan, subject: int, clip: int) -> Path:
    """Render one session of one virtual subject; it appears in `root` when it is complete."""
    from capture.simulation.rig import kinect2_rig
    from capture.simulation.scene import SubjectScene
    from capture.simulation.virtual_session import write_virtual_session

    name = _session_name(subject, clip)
    partial = root / f".{name}.partial"
    if partial.exists():  # left by a process that was killed; the lock says it is nobody's now
        shutil.rmtree(partial)
    who = plan.seed * 1000 + subject
    scene = SubjectScene(
        kinect2_rig(scale=camera_scale(plan.scale)),
        subject_seed=who,
        light=LIGHTS[clip % len(LIGHTS)],
        trace_seed=who * 1000 + clip,
        rate_hz=plan.rate_hz,
    )
    try:
        written = write_virtual_session(
            partial,
            scene,
            subject=_subject_name(subject),
            rate_hz=plan.rate_hz,
            n_frames=plan.n_frames,
        )
        return written.rename(root / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_in_processes(
    root: Path,
    plan: SubjectsPlan,
    missing: Mapping[tuple[int, int], Path],
    n_workers: int,
    on_progress: OnProgress | None,
) -> None:
    """Give each process whole subjects: preparing a head costs as much as many frames."""
    by_subject: dict[int, list[int]] = {}
    for subject, clip in missing:
        by_subject.setdefault(subject, []).append(clip)
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
            pool.submit(_write_clips, root, plan, subject, clips)
            for subject, clips in by_subject.items()
        }
        try:
            while pending:
                done, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                _report(on_progress, sum(p.exists() for p in missing.values()), len(missing))
        except BrokenProcessPool:
            raise DatasetError(
                "a rendering process was killed, most often for lack of memory",
                remedy="run the same command again with fewer --workers; finished sessions stay",
            ) from None
        finally:
            stop.set()
            for future in pending:
                future.cancel()


def _write_clips(root: Path, plan: SubjectsPlan, subject: int, clips: list[int]) -> None:
    for clip in clips:
        if told_to_stop():
            return
        write_clip(root, plan, subject, clip)


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


def _claim(root: Path, plan: SubjectsPlan) -> None:
    """Note the plan in `root`, or check that it is the one that started there."""
    wanted: dict[str, Any] = {"version": _PLAN_VERSION, "plan": asdict(plan)}
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


def _subject_name(subject: int) -> str:
    return f"V{subject + 1:02d}"


def _session_name(subject: int, clip: int) -> str:
    return f"{_subject_name(subject)}_clip{clip + 1:02d}"
