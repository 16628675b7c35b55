"""Is a camera mirrored or upside down against the reference? A fit cannot tell, it only fails.

A board of even symmetry and a mirrored image both give corners that one camera alone fits well.
Between two cameras the board's poses then contradict each other from view to view; the mounting
that was really there makes them agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .board import BoardSpec
from .errors import CalibrationError
from .pose import board_pose

_PROBES_M = np.array([[0.0, 0, 0.7], [0.2, 0, 0.7], [0, 0.2, 0.7]])
_APART_M = 0.03
"""Half of the views disagree by more than this only when something is wrong."""
_BETTER = 0.25
_REMEDIES = {
    "mirrored": "record all cameras the same way round, or flip its pictures",
    "upside down": "turn the camera, or its pictures, by 180°",
    "mirrored and upside down": "flip its pictures top to bottom",
}


def require_same_mounting(
    name: str,
    camera: CameraModel,
    corners_px: Mapping[int, NDArray[np.float64]],
    T_reference_board: Mapping[int, RigidTransform],
    board: BoardSpec,
) -> None:
    """Raise `CalibrationError` when another mounting of the camera explains the views.

    Parameters
    ----------
    name : str
    camera : CameraModel
        As it was calibrated alone.
    corners_px : mapping of view number to (N, 2) float64
        In the order that agrees with the reference's.
    T_reference_board : mapping of view number to RigidTransform
        From the reference camera alone, of the same views.
    board : BoardSpec
    """

    def apart_m(mirrored: bool, turned: bool) -> float:
        lens = _mirrored(camera) if mirrored else camera
        candidates = []
        for view, found in corners_px.items():
            seen = _mirrored_px(found, camera, board) if mirrored else found
            pose = board_pose(lens, seen[::-1] if turned else seen, board)
            candidates.append(pose @ T_reference_board[view].inverse())
        return disagreement_m(candidates)

    usual_m = apart_m(mirrored=False, turned=False)
    if usual_m <= _APART_M:
        return
    others = {
        "mirrored": apart_m(mirrored=True, turned=False),
        "upside down": apart_m(mirrored=False, turned=True),
        "mirrored and upside down": apart_m(mirrored=True, turned=True),
    }
    how = min(others, key=lambda word: others[word])
    if others[how] < _BETTER * usual_m:
        raise CalibrationError(
            f"{name} camera: its pictures are {how} against the reference's",
            remedy=_REMEDIES[how],
        )


def disagreement_m(candidates: Sequence[RigidTransform]) -> float:
    """Return how far the most central of some transforms lies from half of the others, metres."""
    return float(np.median(distances_m(candidates), axis=1).min())


def distances_m(candidates: Sequence[RigidTransform]) -> NDArray[np.float64]:
    """Return how differently each two transforms move points half a metre ahead, (N, N), metres."""
    moved = np.stack([candidate.apply(_PROBES_M) for candidate in candidates])
    apart: NDArray[np.float64] = np.linalg.norm(moved[:, None] - moved[None], axis=-1).mean(axis=-1)
    return apart


def _mirrored(camera: CameraModel) -> CameraModel:
    """Return the camera of the mirrored image; its second tangential term changes sign."""
    distortion = tuple(
        -value if index == 3 else value for index, value in enumerate(camera.distortion)
    )
    return replace(camera, cx_px=camera.width_px - 1 - camera.cx_px, distortion=distortion)


def _mirrored_px(
    corners_px: NDArray[np.float64], camera: CameraModel, board: BoardSpec
) -> NDArray[np.float64]:
    """Corners in the mirrored image, numbered as a detector would there: rows turned round."""
    mirrored = corners_px * [-1, 1] + [camera.width_px - 1, 0]
    return mirrored.reshape(board.rows, board.columns, 2)[:, ::-1].reshape(-1, 2)
