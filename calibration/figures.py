"""The report's pictures: where the board was, what is left over, how sure a point lands."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from capture.session import Session

from .coverage import N_CELLS, cell_counts
from .intrinsics import rms
from .session_calibration import SessionCalibration, tilts_deg
from .uncertainty import UncertaintyMap, projection_uncertainty

_DPI = 100
_THUMB_WIDTH_PX, _THUMBS_ACROSS = 240, 8
_GOOD_BGR, _BAD_BGR, _UNUSED_BGR = (90, 200, 90), (60, 60, 230), (150, 150, 150)
_TEXT_BGR = (255, 255, 255)
_ARROW_LENGTH_SHARE = 0.06
_DEPTH_BINS = 12
_SHOWN_SHARE = 0.85
"""The extreme corners would leave the rest of a map in one colour."""


def draw_coverage(path: Path, result: SessionCalibration) -> None:
    """Draw how often each tenth of each image saw a corner, and the boards' tilts and distances."""
    cameras = result.solution.state.cameras
    figure = Figure(figsize=(15, 7), layout="constrained", facecolor="white")
    axes = figure.subplots(2, 3)
    for panel, (name, camera) in zip(axes[0], cameras.items(), strict=False):
        views = result.solution.problem.views.values()
        counts = cell_counts(
            (view[name] for view in views if name in view), (camera.width_px, camera.height_px)
        )
        shown = panel.imshow(
            np.ma.masked_equal(counts, 0),
            cmap="viridis",
            extent=(0, camera.width_px, camera.height_px, 0),
        )
        for row, column in np.argwhere(counts == 0):
            x_px = (column + 0.5) * camera.width_px / N_CELLS
            y_px = (row + 0.5) * camera.height_px / N_CELLS
            panel.plot(x_px, y_px, marker="x", color="#c03030", markersize=5)
        panel.set_title(f"{name}: corners in each cell, x = none")
        figure.colorbar(shown, ax=panel, shrink=0.8)
    state = result.solution.state
    distances_m = [float(pose.translation_m[2]) for pose in state.T_reference_board.values()]
    axes[1, 0].hist(tilts_deg(state), bins=np.arange(0, 61, 5), color="#3a6ea5")
    axes[1, 0].set(title="tilt of the board", xlabel="degrees", ylabel="views")
    axes[1, 1].hist(distances_m, bins=12, color="#3a6ea5")
    axes[1, 1].set(title="distance from color", xlabel="metres", ylabel="views")
    _held_out(axes[1, 2], result)
    figure.savefig(path, dpi=_DPI, format="png")


def draw_residuals(path: Path, result: SessionCalibration) -> None:
    """Draw every residual as an arrow where it occurred, and their histograms."""
    solution = result.solution
    figure = Figure(figsize=(15, 7), layout="constrained", facecolor="white")
    axes = figure.subplots(2, 3)
    for (above, below), name in zip(axes.T, solution.problem.cameras, strict=False):
        camera = solution.state.cameras[name]
        residuals = np.concatenate(list(solution.residuals_px[name].values()))
        corners = np.concatenate(
            [solution.problem.views[number][name] for number in solution.residuals_px[name]]
        )
        typical_px = max(rms(residuals), 1e-3)
        factor = _ARROW_LENGTH_SHARE * camera.width_px / (3 * typical_px)
        above.quiver(
            corners[:, 0],
            corners[:, 1],
            residuals[:, 0] * factor,
            residuals[:, 1] * factor,
            np.linalg.norm(residuals, axis=1),
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.002,
            cmap="plasma",
        )
        above.set(xlim=(0, camera.width_px), ylim=(camera.height_px, 0), aspect="equal")
        above.set_title(f"{name}: residuals, {factor:.0f} times enlarged")
        reach = 4 * typical_px
        for axis, color in ((0, "#3a6ea5"), (1, "#c07830")):
            below.hist(
                residuals[:, axis],
                bins=np.linspace(-reach, reach, 41),
                histtype="step",
                color=color,
                label="xy"[axis],
            )
        below.set(xlabel="pixels", ylabel="corners", title=f"{rms(residuals):.3f} px rms")
        below.legend()
    figure.savefig(path, dpi=_DPI, format="png")


def draw_uncertainty(path: Path, result: SessionCalibration) -> None:
    """Draw how sure each camera's projection is, and where its pixels land in color."""
    solution = result.solution
    figure = Figure(figsize=(15, 7), layout="constrained", facecolor="white")
    axes = figure.subplots(2, 3)
    for panel, name in zip(axes[0], solution.problem.cameras, strict=False):
        known = projection_uncertainty(solution.adjustment, solution.problem, camera=name)
        _map(figure, panel, known, f"{name} alone, far points: px")
    focal_px = solution.state.cameras[solution.problem.cameras[0]].fx_px
    for panel, (name, known) in zip(axes[1], result.transfer.items(), strict=False):
        millimetres = 1000 * known.median_px / focal_px
        title = f"{name} to color at 1 m: color px (median = {millimetres:.2f} mm)"
        _map(figure, panel, known, title)
    for panel in axes[1][len(result.transfer) :]:
        panel.set_axis_off()
    figure.savefig(path, dpi=_DPI, format="png")


def draw_depth(path: Path, result: SessionCalibration) -> None:
    """Draw what the difference of plane and depth depends on: distance, radius, brightness."""
    shift = result.depth_shift
    figure = Figure(figsize=(15, 4.2), layout="constrained", facecolor="white")
    by_distance, by_radius, by_amplitude = figure.subplots(1, 3, sharey=True)
    distances_m = [float(np.median(s.measured_mm)) / 1000 for s in shift.samples.values()]
    by_distance.plot(distances_m, list(shift.view_shift_mm.values()), "o", color="#3a6ea5")
    by_distance.axhline(shift.shift_mm, color="#444444", linewidth=1)
    if shift.linear is not None:
        ends_m = np.array([min(distances_m), max(distances_m)])
        line_mm = (shift.linear.scale - 1) * 1000 * ends_m + shift.linear.shift_mm
        by_distance.plot(ends_m, line_mm, "--", color="#c07830", label="linear model")
        by_distance.legend()
    by_distance.set(xlabel="measured distance, m", ylabel="plane - measured, mm", title="by view")
    samples = list(shift.samples.values())
    difference_mm = np.concatenate([s.difference_mm for s in samples])
    radius = np.concatenate([s.radius for s in samples])
    _binned(by_radius, radius, difference_mm, "tangent of the angle to the axis")
    amplitudes = [s.amplitude for s in samples if s.amplitude is not None]
    if len(amplitudes) == len(samples):
        _binned(by_amplitude, np.concatenate(amplitudes), difference_mm, "infrared counts")
    figure.savefig(path, dpi=_DPI, format="png")


def draw_views(path: Path, result: SessionCalibration, session: Session) -> None:
    """Draw a sheet of all views: the color image, its corners, its error, what was left out."""
    tiles = [_tile(result, session, number) for number in range(len(result.views))]
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % _THUMBS_ACROSS)
    rows = [
        np.hstack(tiles[start : start + _THUMBS_ACROSS])
        for start in range(0, len(tiles), _THUMBS_ACROSS)
    ]
    _, encoded = cv2.imencode(".jpg", np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 80])
    path.write_bytes(encoded.tobytes())


def _tile(result: SessionCalibration, session: Session, number: int) -> NDArray[np.uint8]:
    view = result.views[number]
    stream = session.streams["color"]
    height_px = round(_THUMB_WIDTH_PX * stream.spec.height_px / stream.spec.width_px)
    tile: NDArray[Any] = np.full((height_px, _THUMB_WIDTH_PX, 3), 60, np.uint8)
    if view.frames["color"]:
        image = stream.read(view.frames["color"][0]).image
        size = (_THUMB_WIDTH_PX, height_px)
        tile = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    residuals = result.solution.residuals_px["color"].get(number)
    label = f"{number}"
    if "color" in view.detections:
        scale = _THUMB_WIDTH_PX / stream.spec.width_px
        typical_px = result.solution.rms_px("color")
        error_px = None if residuals is None else rms(residuals)
        bad = error_px is not None and error_px > 2 * typical_px
        color = _UNUSED_BGR if error_px is None else _BAD_BGR if bad else _GOOD_BGR
        for x_px, y_px in view.detections["color"].corners_px * scale:
            cv2.circle(tile, (round(x_px), round(y_px)), 2, color, -1, cv2.LINE_AA)
        label += "  left out" if error_px is None else f"  {error_px:.3f} px"
    else:
        label += "  not seen"
    seen = "".join(name[0].upper() for name in view.detections)
    for thickness, ink in ((3, (0, 0, 0)), (1, _TEXT_BGR)):
        place = (6, height_px - 8)
        cv2.putText(tile, f"{label} {seen}", place, 0, 0.42, ink, thickness, cv2.LINE_AA)
    return tile.astype(np.uint8, copy=False)


def _map(figure: Figure, panel: Axes, known: UncertaintyMap, title: str) -> None:
    u, v = known.pixels[..., 0], known.pixels[..., 1]
    highest = float(np.nanquantile(known.std_px, _SHOWN_SHARE))
    shown = panel.contourf(
        u, v, np.ma.masked_invalid(known.std_px), np.linspace(0, highest, 13), extend="max"
    )
    panel.set(aspect="equal", ylim=(float(v.max()), float(v.min())))
    panel.set_title(f"{title}\nmedian {known.median_px:.3f}, worst {known.worst_px:.3f}")
    figure.colorbar(shown, ax=panel, shrink=0.8)


def _held_out(panel: Axes, result: SessionCalibration) -> None:
    panel.set(title="held-out error into color, by view", xlabel="px", ylabel="views")
    if result.validation is None:
        panel.text(0.5, 0.5, "too few views", ha="center", transform=panel.transAxes)
        return
    for name, errors in result.validation.held_out_px.items():
        panel.hist(list(errors.values()), bins=15, histtype="step", label=name)
    panel.legend()


def _binned(
    panel: Axes, values: NDArray[np.float64], difference_mm: NDArray[np.float64], label: str
) -> None:
    """Draw median and middle half of the differences over equally filled bins."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _DEPTH_BINS + 1)))
    bins = np.clip(np.searchsorted(edges, values, "right") - 1, 0, len(edges) - 2)
    filled = [b for b in range(len(edges) - 1) if (bins == b).any()]
    centres = [float(np.median(values[bins == b])) for b in filled]
    low, middle, high = (
        [float(np.quantile(difference_mm[bins == b], share)) for b in filled]
        for share in (0.25, 0.5, 0.75)
    )
    panel.fill_between(centres, low, high, color="#3a6ea5", alpha=0.25, label="middle half")
    panel.plot(centres, middle, "o-", color="#3a6ea5", label="median")
    panel.set(xlabel=label, title="by pixel")
    panel.legend()
