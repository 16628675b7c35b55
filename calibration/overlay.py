"""One picture that shows whether a calibration is right: everything drawn onto the color image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .pose import board_pose
from .registration import register_depth, register_thermal, undistort_color, undistort_color_px
from .rig import CAMERAS
from .session_calibration import SessionCalibration

COLORS = {"color": "#ffffff", "infrared": "#ff3355", "thermal": "#ffb000"}
_DPI = 110
_EDGE_RATIO = 0.03
_BEYOND_MM = 1e6


def draw_overlay(
    path: Path,
    result: SessionCalibration,
    number: int,
    images: Mapping[str, NDArray[np.float32]],
    depth_mm: NDArray[np.float32],
) -> None:
    """Draw view `number` of a calibration as a sheet of four panels, PNG.

    Parameters
    ----------
    path : Path
    result : SessionCalibration
    number : int
        View whose images these are.
    images : mapping of camera name to (H, W[, 3]) float32
        Averages of the still frames; color is BGR.
    depth_mm : (H, W) float32
    """
    rig = result.rig
    window = rig.crop_window
    x_px, y_px = window.x_px, window.y_px
    area = (x_px, y_px, window.width_px, window.height_px)
    bgr = undistort_color(np.rint(images["color"]).astype(np.uint8), rig)
    crop = bgr[y_px : y_px + window.height_px, x_px : x_px + window.width_px]
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    depth = register_depth(np.rint(depth_mm).astype(np.uint16), rig, window=area)
    thermal = register_thermal(
        np.rint(images["thermal"]).astype(np.uint16), depth, rig, window=area
    )
    figure = Figure(figsize=(15, 9), layout="constrained", facecolor="white")
    axes = figure.subplots(2, 2)
    _picture(axes[0, 0], crop[:, :, ::-1], "cropped color; where each camera puts the corners")
    _corners(axes[0, 0], result, number)
    _picture(axes[0, 1], grey, "registered depth over color, its steps in white", cmap="gray")
    _layer(figure, axes[0, 1], depth, "turbo", "mm")
    axes[0, 1].contour(_steps(depth), levels=[0.5], colors="white", linewidths=0.6)
    _picture(axes[1, 0], grey, "thermal over color, through depth", cmap="gray")
    _layer(figure, axes[1, 0], thermal, "inferno", "counts")
    _residuals(axes[1, 1], result)
    figure.suptitle(
        f"{rig.provenance.get('session', '')}  view {number}  depth shift "
        f"{rig.depth_shift_mm:.2f} ± {result.depth_shift.std_error_mm:.2f} mm",
        fontsize=11,
    )
    figure.savefig(path, dpi=_DPI, format="png")


def _picture(axes: Axes, image: NDArray[Any], title: str, **options: Any) -> None:
    axes.imshow(image, **options)
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()


def _layer(figure: Figure, axes: Axes, values: NDArray[np.uint16], cmap: str, unit: str) -> None:
    valid = values > 0
    if not valid.any():
        return
    low, high = np.percentile(values[valid], [2, 98])
    shown = axes.imshow(
        np.ma.masked_array(values, ~valid), cmap=cmap, alpha=0.55, vmin=low, vmax=high
    )
    figure.colorbar(shown, ax=axes, shrink=0.7, label=unit)


def _steps(depth_mm: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return 1 where neighbouring valid depths differ like different surfaces, else 0."""
    values = depth_mm.astype(np.float32)
    nearest = np.where(values > 0, values, _BEYOND_MM).astype(np.float32)
    low = cv2.erode(nearest, np.ones((3, 3), np.uint8))
    high = cv2.dilate(values, np.ones((3, 3), np.uint8))
    steps: NDArray[np.float64] = (high > low * (1 + _EDGE_RATIO)).astype(np.float64)
    return steps


def _corners(axes: Axes, result: SessionCalibration, number: int) -> None:
    """Draw the corners as found in color and as carried over from the other cameras."""
    rig, solution = result.rig, result.solution
    origin = [rig.crop_window.x_px, rig.crop_window.y_px]
    board = solution.problem.board
    for name, corners_px in solution.problem.views[number].items():
        if name == "color":
            points_px = undistort_color_px(corners_px, rig)
        else:
            pose = board_pose(rig.cameras[name], corners_px, board)
            T_color_board = solution.T_reference_camera(name) @ pose
            points_px = rig.undistorted_color.project(T_color_board.apply(board.points_m))
        points_px = points_px - origin
        axes.scatter(
            points_px[:, 0],
            points_px[:, 1],
            s={"color": 60, "infrared": 26, "thermal": 8}[name],
            facecolors="none",
            edgecolors=COLORS[name],
            linewidths=1.0,
            label=name,
        )
    axes.legend(loc="lower right", fontsize=8, facecolor="#404040", labelcolor="white")


def _residuals(axes: Axes, result: SessionCalibration) -> None:
    """Scatter every corner's residual: round and centred clouds are what noise looks like."""
    reach = 0.1
    for name in CAMERAS:
        residuals = np.concatenate(list(result.solution.residuals_px[name].values()))
        reach = max(reach, float(np.percentile(np.abs(residuals), 99.5)))
        axes.scatter(
            residuals[:, 0],
            residuals[:, 1],
            s=3,
            alpha=0.35,
            color="#2060c0" if name == "color" else COLORS[name],
            label=f"{name}: {result.solution.rms_px(name):.3f} px rms",
        )
    axes.set(xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal")
    axes.set(xlabel="x, px", ylabel="y, px", title="reprojection residuals of all corners")
    axes.locator_params(nbins=5)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right", fontsize=8, markerscale=3)
