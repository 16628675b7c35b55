"""Has the rig been bumped? An old calibration against a new board session."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from capture.session import Session
from capture.terminal import OnProgress

from .board import BoardSpec
from .errors import CalibrationError
from .gates import Verdict
from .intrinsics import rms
from .order import agree_in_view
from .pose import board_pose
from .rig import CAMERAS, RigCalibration
from .rig_solve import REFERENCE
from .views import BoardView, collect_views

LIMITS_PX = (0.5, 1.5)
"""Transfer error in the full-size color image: good up to the first, bumped beyond the second."""
_COLOR_WIDTH_PX = 1920
_MIN_VIEWS = 3


@dataclass(frozen=True, slots=True)
class CameraCheck:
    """One camera against color.

    Attributes
    ----------
    camera : str
    n_views : int
        Views in which both saw the board.
    transfer_px : float
        Distance, rms, of color's corners from where this camera and the calibration put them.
    offset_px : tuple of float
        Mean of those differences: a turned camera shifts everything alike.
    verdict : {"good", "fair", "fail"}
    """

    camera: str
    n_views: int
    transfer_px: float
    offset_px: tuple[float, float]
    verdict: Verdict


def check_calibration(
    rig: RigCalibration,
    session: Session,
    *,
    board: BoardSpec,
    on_progress: OnProgress = lambda done, total: None,
) -> tuple[CameraCheck, ...]:
    """Carry the corners of a new session from infrared and thermal to color by `rig`.

    Raises
    ------
    CalibrationError
        The session's cameras have other sizes, or fewer than three views show the board to both.
    """
    for name in CAMERAS:
        if name in session.streams:
            spec, camera = session.streams[name].spec, rig.cameras[name]
            if (spec.width_px, spec.height_px) != (camera.width_px, camera.height_px):
                raise CalibrationError(
                    f"{name} is {spec.width_px}x{spec.height_px} in the session, "
                    f"{camera.width_px}x{camera.height_px} in the calibration",
                    remedy="pass a session of the rig that was calibrated",
                )
    views = collect_views(session, board, on_progress=on_progress)
    return tuple(_check(name, rig, views, board) for name in CAMERAS if name != REFERENCE)


def _check(
    name: str, rig: RigCalibration, views: Sequence[BoardView], board: BoardSpec
) -> CameraCheck:
    T_color_camera = rig.T_color_infrared if name == "infrared" else rig.T_color_thermal
    differences = []
    for view in views:
        found = {n: d.corners_px for n, d in view.detections.items() if n in (REFERENCE, name)}
        if view.problem is not None or len(found) < 2:
            continue
        corners = agree_in_view({n: found[n] for n in (REFERENCE, name)}, board)
        T_color_board = T_color_camera @ board_pose(rig.cameras[name], corners[name], board)
        expected_px = rig.cameras[REFERENCE].project(T_color_board.apply(board.points_m))
        differences.append(expected_px - corners[REFERENCE])
    if len(differences) < _MIN_VIEWS:
        raise CalibrationError(
            f"{name} and {REFERENCE} see the board together in {len(differences)} views: "
            f"expected at least {_MIN_VIEWS}",
            remedy="hold the board where all cameras see it, still for a second per view",
        )
    everything = np.concatenate(differences)
    error_px = rms(everything)
    size = rig.cameras[REFERENCE].width_px / _COLOR_WIDTH_PX
    good, bumped = (limit * size for limit in LIMITS_PX)
    verdict: Verdict = "good" if error_px <= good else "fail" if error_px > bumped else "fair"
    x_px, y_px = everything.mean(axis=0)
    return CameraCheck(name, len(differences), error_px, (float(x_px), float(y_px)), verdict)
