"""What a bundle adjustment is given and what it seeks."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .board import BoardSpec
from .errors import CalibrationError

LensModel = Literal["plumb_bob", "rational"]
PINHOLE: Final = ("fx_px", "fy_px", "cx_px", "cy_px")
DISTORTION: Final[Mapping[LensModel, tuple[str, ...]]] = {
    "plumb_bob": ("k1", "k2", "p1", "p2", "k3"),
    "rational": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
}
POSE: Final = ("rx_rad", "ry_rad", "rz_rad", "tx_m", "ty_m", "tz_m")
WARP: Final = ("warp_x_m", "warp_y_m")


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What is known: found corners per view and camera, and what is assumed.

    Attributes
    ----------
    cameras : tuple of str
        The first is the reference frame.
    views : mapping of view number to mapping of camera name to (N, 2) float64, pixels
    board : BoardSpec
    models : mapping of camera name to {"plumb_bob", "rational"}
        Plumb-bob where absent.
    fixed : mapping of camera name to set of parameter names
        Intrinsics that keep their start values, e.g. {"k3"}.
    board_warp : bool
        Also estimate how the board bulges along its two axes (`State.board_warp_m`).
    """

    cameras: tuple[str, ...]
    views: Mapping[int, Mapping[str, NDArray[np.float64]]]
    board: BoardSpec
    models: Mapping[str, LensModel] = field(default_factory=dict)
    fixed: Mapping[str, AbstractSet[str]] = field(default_factory=dict)
    board_warp: bool = False

    def __post_init__(self) -> None:
        for name, parameters in self.fixed.items():
            known = (*PINHOLE, *DISTORTION[self.model_of(name)])
            unknown = sorted(set(parameters) - set(known))
            if unknown:
                raise CalibrationError(
                    f"{name} camera: no parameter {unknown[0]!r} to hold fixed",
                    remedy=f"known: {', '.join(known)}",
                )

    def model_of(self, name: str) -> LensModel:
        """Return a camera's lens model."""
        return self.models.get(name, "plumb_bob")


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What is sought.

    Attributes
    ----------
    cameras : mapping of str to CameraModel
    T_camera_reference : mapping of str to RigidTransform
    T_reference_board : mapping of view number to RigidTransform
    board_warp_m : tuple of float
        How far the middle of the board stands out along its z, metres, by its curvature along x
        and along y: ``z = wx (1 - u²) + wy (1 - v²)``, u and v from -1 to 1 over the corners.
    """

    cameras: Mapping[str, CameraModel]
    T_camera_reference: Mapping[str, RigidTransform]
    T_reference_board: Mapping[int, RigidTransform]
    board_warp_m: tuple[float, float] = (0.0, 0.0)

    def points_m(self, board: BoardSpec) -> NDArray[np.float64]:
        """Return the board's corners (N, 3) in its own frame, bulge included."""
        points_m = board.points_m.copy()
        half = np.ptp(points_m[:, :2], axis=0) / 2
        inward = 1 - ((points_m[:, :2] - points_m[:, :2].min(axis=0)) / half - 1) ** 2
        points_m[:, 2] += inward @ np.array(self.board_warp_m)
        return points_m

    def residuals_px(self, problem: Problem) -> dict[str, dict[int, NDArray[np.float64]]]:
        """Projected minus found corners (N, 2), by camera and view."""
        points_m = self.points_m(problem.board)
        return {
            name: {
                view: self.cameras[name].project(
                    (self.T_camera_reference[name] @ self.T_reference_board[view]).apply(points_m)
                )
                - corners[name]
                for view, corners in problem.views.items()
                if name in corners
            }
            for name in problem.cameras
        }
