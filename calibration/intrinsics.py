"""Calibrate each camera on its own: start values for the rig and the first judge of its views."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .board import BoardSpec
from .errors import CalibrationError

MIN_VIEWS = 6
"""Fewer views leave focal length, centre and distortion undetermined in practice."""
OUTLIER_FACTOR = 4.0
"""A view whose error is this many times the median view's is rejected …"""
OUTLIER_FLOOR_PX = 0.5
"""… unless it is below this, which a blurred but honest view reaches."""
_MAX_ROUNDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class SingleCamera:
    """One camera calibrated from its views.

    Attributes
    ----------
    camera : CameraModel
        Plumb-bob distortion.
    T_camera_board : mapping of view number to RigidTransform
    view_rms_px : mapping of view number to float
        Root mean square distance of projected and found corners, per corner.
    rejected : mapping of view number to str
        Views left out and why.
    """

    camera: CameraModel
    T_camera_board: Mapping[int, RigidTransform]
    view_rms_px: Mapping[int, float]
    rejected: Mapping[int, str]


def calibrate_camera(
    name: str,
    views_px: Mapping[int, NDArray[np.float64]],
    *,
    size_px: tuple[int, int],
    board: BoardSpec,
) -> SingleCamera:
    """Fit a plumb-bob camera to corners of several views, leaving outlier views out.

    Parameters
    ----------
    name : str
        The camera's name, for messages.
    views_px : mapping of view number to (N, 2) float64
        Corners in the order of the board's points.
    size_px : tuple of int
        Image width and height.
    board : BoardSpec

    Raises
    ------
    CalibrationError
        Fewer than six views, before or after rejecting outliers, or a solution that is no camera.
    """
    used = dict(views_px)
    rejected: dict[int, str] = {}
    for _ in range(_MAX_ROUNDS):
        require_views(name, len(used), rejected)
        solution = _fit(name, used, size_px, board)
        outliers = outlying(solution.view_rms_px)
        if not outliers:
            break
        for view, reason in outliers.items():
            rejected[view] = reason
            del used[view]
    return SingleCamera(solution.camera, solution.T_camera_board, solution.view_rms_px, rejected)


def outlying(view_rms_px: Mapping[int, float]) -> dict[int, str]:
    """Return the views that fit much worse than the median view, with the reason in words."""
    median_px = float(np.median(list(view_rms_px.values())))
    limit_px = max(OUTLIER_FACTOR * median_px, OUTLIER_FLOOR_PX)
    return {
        view: f"reprojection error {rms_px:.2f} px, median of the views {median_px:.2f} px"
        for view, rms_px in view_rms_px.items()
        if rms_px > limit_px
    }


def require_views(name: str, n_views: int, rejected: Mapping[int, str]) -> None:
    """Raise `CalibrationError` when a camera has too few usable views."""
    if n_views < MIN_VIEWS:
        raise CalibrationError(
            f"{name} camera: {n_views} usable views of the board ({len(rejected)} rejected): "
            f"expected at least {MIN_VIEWS}",
            remedy="record more still views, tilted and over the whole image",
        )


def _fit(
    name: str,
    views_px: Mapping[int, NDArray[np.float64]],
    size_px: tuple[int, int],
    board: BoardSpec,
) -> SingleCamera:
    points = board.points_m.astype(np.float32)
    corners = [corners_px.astype(np.float32)[:, None] for corners_px in views_px.values()]
    try:
        _, matrix, distortion, rotations, translations = cv2.calibrateCamera(
            [points] * len(corners), corners, size_px, cast(NDArray[np.float64], None), None
        )
        camera = CameraModel(
            *size_px,
            float(matrix[0, 0]),
            float(matrix[1, 1]),
            float(matrix[0, 2]),
            float(matrix[1, 2]),
            tuple(float(value) for value in np.ravel(distortion)),
        )
    except (cv2.error, ValueError) as error:
        raise CalibrationError(
            f"{name} camera: no camera model fits its {len(corners)} views",
            remedy="check the board's size and that the views are tilted differently",
        ) from error
    poses = {
        view: RigidTransform.from_rotvec(np.ravel(rotation), np.ravel(translation))
        for view, rotation, translation in zip(views_px, rotations, translations, strict=True)
    }
    view_rms_px = {
        view: rms(camera.project(poses[view].apply(board.points_m)) - corners_px)
        for view, corners_px in views_px.items()
    }
    return SingleCamera(camera, poses, view_rms_px, {})


def rms(differences_px: NDArray[np.float64]) -> float:
    """Root mean square length of 2-vectors (..., 2)."""
    return float(np.sqrt(np.square(differences_px).sum(axis=-1).mean()))
