"""Where the board is, from the corners of one image."""

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .board import BoardSpec


def board_pose(
    camera: CameraModel, corners_px: NDArray[np.float64], board: BoardSpec
) -> RigidTransform:
    """Return ``T_camera_board`` from one image's corners (N, 2)."""
    ideal = camera.unproject(corners_px)
    _, rotation, translation = cv2.solvePnP(
        board.points_m, ideal[:, None], np.eye(3), None, flags=cv2.SOLVEPNP_IPPE
    )
    rotation, translation = cv2.solvePnPRefineLM(
        board.points_m, ideal[:, None], np.eye(3), np.zeros(5), rotation, translation
    )
    return RigidTransform.from_rotvec(np.ravel(rotation), np.ravel(translation))
