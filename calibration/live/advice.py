"""What the views so far amount to, and what the operator should do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel

from ..board import BoardSpec
from ..coverage import OUTER, TILTED_DEG, TILTED_SHARE, cell_counts, empty_places
from ..gates import FOCAL_SHARE, TRANSFER_PX
from ..intrinsics import MIN_VIEWS
from ..pose import board_pose
from ..rig import CAMERAS
from .collector import TakenView

TILT_STEP_DEG, N_TILTS = 10, 6
DISTANCE_STEP_M, FIRST_DISTANCE_M, N_DISTANCES = 0.1, 0.4, 12
_MUCH_PX = 10.0
_NEAR_TO_FAR_M = 0.3
"""Views should differ by this much in distance, or depth cannot be tested against it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must be reached.

    Attributes
    ----------
    name, text : str
    share : float
        How far it is reached, 0 to 1.
    met : bool
    """

    name: str
    text: str
    share: float
    met: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """What the views amount to.

    Attributes
    ----------
    checks : tuple of Check
    hints : tuple of str
        Where to hold the board next, the most urgent first.
    cells : mapping of camera name to nested lists of int
        Corners in each of 10 x 10 cells.
    seen_by : mapping of camera name to int
        Views.
    tilts, distances : list of int
        Views in each class of tilt (10 degrees) and distance (0.1 m from 0.4 m).
    """

    checks: tuple[Check, ...]
    hints: tuple[str, ...]
    cells: Mapping[str, list[list[int]]]
    seen_by: Mapping[str, int]
    tilts: list[int]
    distances: list[int]

    @property
    def enough(self) -> bool:
        """Whether a calibration from these views should be within its limits."""
        return all(check.met for check in self.checks)


def assess(
    views: Sequence[TakenView],
    sizes_px: Mapping[str, tuple[int, int]],
    board: BoardSpec,
    *,
    n_wanted: int,
    transfer_px: Mapping[str, float],
) -> Progress:
    """Sum up the views.

    Parameters
    ----------
    views : sequence of TakenView
    sizes_px : mapping of camera name to (width, height)
    board : BoardSpec
    n_wanted : int
        Views the calibration should have.
    transfer_px : mapping of camera name to float
        Predicted for a calibration from these views (`forecast_calibration`); empty before there
        are enough for a prediction.
    """
    corners = {
        name: [view.corners_px[name] for view in views if name in view.corners_px]
        for name in CAMERAS
    }
    cells = {name: cell_counts(corners[name], size) for name, size in sizes_px.items()}
    seen_by = {name: len(seen) for name, seen in corners.items()}
    poses = [pose for view in views if (pose := _tilt_distance(view, sizes_px, board))]
    tilts_deg, distances_m = np.array(poses).reshape(-1, 2).T
    checks = [Check("views", f"{len(views)} of {n_wanted}", *_reached(len(views), n_wanted))]
    for name in CAMERAS[1:]:
        label = f"{name} to color"
        if name in transfer_px:
            checks.append(_predicted(label, transfer_px[name]))
        else:
            n_seen = min(seen_by[name], seen_by["color"])
            text = f"{n_seen} of {MIN_VIEWS} views before it can be told"
            checks.append(Check(label, text, 0.0, met=False))
    return Progress(
        checks=tuple(checks),
        hints=tuple(_hints(cells, seen_by, tilts_deg, distances_m)),
        cells={name: counts.tolist() for name, counts in cells.items()},
        seen_by=seen_by,
        tilts=_classes(tilts_deg / TILT_STEP_DEG, N_TILTS),
        distances=_classes((distances_m - FIRST_DISTANCE_M) / DISTANCE_STEP_M, N_DISTANCES),
    )


def _reached(value: int, wanted: int) -> tuple[float, bool]:
    return min(1.0, value / wanted), value >= wanted


def _predicted(label: str, value_px: float) -> Check:
    limit_px = TRANSFER_PX[0]
    value = f"{value_px:.2f}" if value_px < _MUCH_PX else f"over {_MUCH_PX:g}"
    text = f"{value} px predicted, at most {limit_px:g}"
    return Check(label, text, min(1.0, limit_px / max(value_px, 1e-9)), met=value_px <= limit_px)


def _hints(
    cells: Mapping[str, NDArray[np.int64]],
    seen_by: Mapping[str, int],
    tilts_deg: NDArray[np.float64],
    distances_m: NDArray[np.float64],
) -> list[str]:
    hints = []
    if seen_by["thermal"] < MIN_VIEWS <= seen_by["color"]:
        hints.append("Hold it before the thermal camera, too; warm it if that sees no squares.")
    for name in OUTER:
        if name in cells and (places := empty_places(cells[name])):
            others = f" ({len(places) - 1} more places of {name} are empty)" * (len(places) > 1)
            hints.append(f"Hold it in the {places[0]} of {name}{others}.")
    if len(tilts_deg) and (tilts_deg > TILTED_DEG).mean() < TILTED_SHARE:
        hints.append(f"Tilt it more: half of the views by over {TILTED_DEG:.0f}°.")
    if len(distances_m) > 1 and np.ptp(distances_m) < _NEAR_TO_FAR_M:
        hints.append("Hold it nearer and farther, from 0.6 to 1.2 m.")
    return hints


def _tilt_distance(
    view: TakenView, sizes_px: Mapping[str, tuple[int, int]], board: BoardSpec
) -> tuple[float, float] | None:
    """Return degrees and metres as a camera of the sensor's usual focal length has them."""
    for name, share in FOCAL_SHARE.items():
        if name in view.corners_px:
            width_px, height_px = sizes_px[name]
            f_px = share * width_px
            centre = (width_px - 1) / 2, (height_px - 1) / 2
            camera = CameraModel(width_px, height_px, f_px, f_px, *centre)
            pose = board_pose(camera, view.corners_px[name], board)
            tilt_deg = np.degrees(np.arccos(min(1.0, abs(float(pose.rotation[2, 2])))))
            return float(tilt_deg), float(pose.apply(board.points_m).mean(axis=0)[2])
    return None


def _classes(values: NDArray[np.float64], n_classes: int) -> list[int]:
    numbers = np.clip(np.floor(values), 0, n_classes - 1).astype(np.int64)
    counts: list[int] = np.bincount(numbers, minlength=n_classes).tolist()
    return counts
