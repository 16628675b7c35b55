"""The thread that watches previews, takes views, foretells the calibration and makes it."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from capture.console.operator import Operator
from capture.errors import ConfigError, ControlError, MavferError
from capture.session_plan import SessionPlan
from capture.terminal import OnProgress

from ..board import BoardSpec
from ..errors import CalibrationError
from ..forecast import forecast_calibration
from ..rig import CAMERAS
from .advice import Progress, assess
from .collector import STILL_S, ViewCollector
from .sighting import sight

logger = logging.getLogger(__name__)

_LOOK_S = 0.05
_SAVING_S = 10.0
"""An idle recorder that has saved nothing for so long will not."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A calibration that was written.

    Attributes
    ----------
    verdict : str
    lines : sequence of str
        What the command would have printed.
    report : Path or None
        The page of the report.
    """

    verdict: str
    lines: Sequence[str]
    report: Path | None


Calibrate = Callable[[Path, OnProgress], Outcome]


@dataclass(slots=True)
class _Making:
    """A calibration being made, or made, or refused."""

    state: Literal["none", "waiting", "running", "done", "refused"] = "none"
    done: int = 0
    total: int = 0
    error: str = ""
    outcome: Outcome | None = None
    session: str = ""


@dataclass(slots=True)
class _Watching:
    """What one session has shown so far."""

    collector: ViewCollector = field(default_factory=ViewCollector)
    transfer_px: Mapping[str, float] = field(default_factory=dict)


class Guide:
    """Guides whoever shows the board. Methods may be called from any thread.

    Parameters
    ----------
    operator : Operator
        Records; its previews are watched.
    board : BoardSpec
    n_wanted : int
        Views the calibration should have.
    require_free : callable
        Raises `MavferError` when what a calibration would write exists already.
    calibrate : callable
        Makes a calibration of the session at a path.
    subject : str
        Name of the board in the session's folder.
    """

    def __init__(
        self,
        operator: Operator,
        *,
        board: BoardSpec,
        n_wanted: int,
        require_free: Callable[[], None],
        calibrate: Calibrate,
        subject: str = "board",
    ) -> None:
        self._operator, self._board, self._n_wanted = operator, board, n_wanted
        self._require_free, self._calibrate, self._subject = require_free, calibrate, subject
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._wants_start = False
        self._watching = _Watching()
        self._making = _Making()
        self._progress = self._assess()
        self._n_saved_before = 0
        self._idle_since_s: float | None = None
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="mavfer-calibrate")
        self._foretelling: Future[Mapping[str, float]] | None = None
        self._n_asked = 0
        self._thread = threading.Thread(target=self._run, name="mavfer-guide", daemon=True)

    def start(self) -> None:
        """Reach the daemons and watch."""
        self._operator.start()
        self._thread.start()

    def close(self) -> None:
        """Stop a recording properly; a calibration being made is finished first."""
        self._ended.set()
        self._thread.join()
        self._operator.close()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self) -> None:
        """Open all sensors and record a board session.

        Raises
        ------
        MavferError
            This is no moment for it, or there would be nowhere to write the calibration.
        """
        self._require_free()
        with self._lock:
            if self._phase != "idle" or self._making.state in ("waiting", "running"):
                raise ControlError("a session or a calibration is in progress")
            self._watching, self._making = _Watching(), _Making()
            self._n_asked, self._foretelling = 0, None
            self._progress = self._assess()
            self._wants_start = True
        self._operator.arm(SessionPlan(subject=self._subject, kind="board"))

    def finish(self, *, calibrate: bool) -> None:
        """Stop the recording, and make a calibration of it if asked to.

        Raises
        ------
        ControlError
            Nothing is being recorded.
        """
        with self._lock:
            if self._phase == "arming":
                self._wants_start = False
                self._operator.disarm()
                return
            if self._phase != "recording":
                raise ControlError("nothing is being recorded")
            self._n_saved_before = self._operator.state["n_finished"]
            if calibrate:
                self._making = _Making("waiting")
        self._operator.stop()

    @property
    def report(self) -> Path:
        """The page of the report of the calibration made last.

        Raises
        ------
        ConfigError
            There is none.
        """
        outcome = self._making.outcome
        if outcome is None or outcome.report is None:
            raise ConfigError("there is no report yet")
        return outcome.report

    @property
    def state(self) -> dict[str, Any]:
        """All that the page shows, as plain data."""
        recording = self._operator.state
        with self._lock:
            collector, progress, making = self._watching.collector, self._progress, self._making
            return {
                **{key: recording[key] for key in ("rig", "notice", "phase", "elapsed_s")},
                "failures": recording["failures"],
                "session": recording["session"],
                "motion": collector.motion,
                "held_share": min(1.0, collector.held_s / STILL_S),
                "n_views": len(collector.views),
                "n_wanted": self._n_wanted,
                "board": [self._board.columns, self._board.rows],
                "corners": {name: self._shown(name) for name in CAMERAS},
                "outlines": {name: self._outlines(name) for name in CAMERAS},
                **asdict(progress),
                "enough": progress.enough,
                "making": {**asdict(making), "outcome": _plain(making.outcome)},
            }

    @property
    def _phase(self) -> str:
        return str(self._operator.state["phase"])

    def _run(self) -> None:
        number = 0
        while not self._ended.wait(_LOOK_S):
            try:
                number = self._look(number)
            except Exception:  # the page must outlive any mistake
                logger.exception("unexpected")

    def _look(self, number: int) -> int:
        phase = self._phase
        if phase == "armed" and self._wants_start:
            self._wants_start = False
            self._operator.record()
        if self._making.state == "waiting":
            self._make(phase)
        number, pictures = self._operator.previews.pictures_newer_than(number)
        if phase != "recording":  # what is not in the file is no view
            return number
        for picture in pictures:
            sighting = sight(picture, self._board)
            if sighting is None:
                continue
            with self._lock:
                took = self._watching.collector.see(sighting, time.monotonic())
                if took:
                    self._progress = self._assess()
        self._foretell()
        return number

    def _foretell(self) -> None:
        """Ask for a prediction when there are new views, one at a time; take in what is told."""
        asked = self._foretelling
        if asked is not None and asked.done():
            self._foretelling = None
            with self._lock:
                try:
                    self._watching.transfer_px = asked.result()
                except CalibrationError as error:
                    logger.debug("no prediction: %s", error)
                self._progress = self._assess()
        collector = self._watching.collector
        n_seen = sum(len(view.corners_px) for view in collector.views)
        if self._foretelling is None and n_seen > self._n_asked:
            self._n_asked = n_seen
            if set(collector.sizes_px) >= set(CAMERAS):
                views = [view.corners_px for view in collector.views]
                sizes_px = dict(collector.sizes_px)
                self._foretelling = self._pool.submit(
                    lambda: forecast_calibration(views, sizes_px=sizes_px, board=self._board)
                )

    def _assess(self) -> Progress:
        watching = self._watching
        return assess(
            watching.collector.views,
            watching.collector.sizes_px,
            self._board,
            n_wanted=self._n_wanted,
            transfer_px=watching.transfer_px,
        )

    def _make(self, phase: str) -> None:
        """Begin with the calibration once the session is saved."""
        path = self._operator.last_session
        if path is not None and self._operator.state["n_finished"] > self._n_saved_before:
            self._idle_since_s = None
            self._making = _Making("running", session=str(path))
            self._pool.submit(self._made, path)
        elif phase != "idle":
            self._idle_since_s = None
        elif self._idle_since_s is None:
            self._idle_since_s = time.monotonic()
        elif time.monotonic() - self._idle_since_s > _SAVING_S:
            self._making = _Making("refused", error="the session was not saved")

    def _made(self, path: Path) -> None:
        making = self._making

        def on_progress(done: int, total: int) -> None:
            making.done, making.total = done, total

        try:
            making.outcome = self._calibrate(path, on_progress)
            making.state = "done"
        except (MavferError, OSError) as error:
            making.error, making.state = str(error), "refused"
        except Exception as error:  # said on the page, not lost in a thread
            logger.exception("unexpected")
            making.error = f"unexpected {type(error).__name__}: {error}"
            making.state = "refused"

    def _shown(self, camera: str) -> list[list[float]] | None:
        """Corners of now as shares of the image's width and height."""
        corners_px = self._watching.collector.corners_px(camera)
        if corners_px is None:
            return None
        size_px = np.array(self._watching.collector.sizes_px[camera])
        shares: list[list[float]] = np.round((corners_px + 0.5) / size_px, 4).tolist()
        return shares

    def _outlines(self, camera: str) -> list[list[list[float]]]:
        """Four outer corners of every view taken, as shares."""
        collector, columns = self._watching.collector, self._board.columns
        outer = [0, columns - 1, -1, -columns]
        return [
            np.round(
                (view.corners_px[camera][outer] + 0.5) / np.array(collector.sizes_px[camera]), 3
            ).tolist()
            for view in collector.views
            if camera in view.corners_px
        ]


def _plain(outcome: Outcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    return {
        "verdict": outcome.verdict,
        "lines": list(outcome.lines),
        "report": None if outcome.report is None else str(outcome.report),
    }
