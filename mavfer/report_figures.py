"""Pictures of sessions and labels for reports: what the sensors saw, when, and what raters said."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from annotation.labels import Labels
from annotation.trace import DIMENSIONS, Trace
from capture.frame import KELVIN_PER_COUNT, Frame
from capture.session import Session
from capture.sync import match_nearest

_TILE_HEIGHT_PX = 270
_NEAR_MM, _FAR_MM = 500, 1500
_ZERO_CELSIUS_K = 273.15
_COLD_C, _WARM_C = 22.0, 37.0
_STREAMS = ("color", "depth", "infrared", "thermal")
_MATCH_GAP_NS = 60_000_000
_DPI = 110


def shown(frame: Frame) -> NDArray[np.uint8]:
    """Return the frame as a BGR picture a person can read, (H, W, 3) uint8.

    Depth runs from 0.5 m (red) to 1.5 m (blue) with invalid pixels black, infrared is a
    square-root stretch, thermal runs from 22 to 37 degrees Celsius.
    """
    image = frame.image
    if frame.stream == "color":
        return np.asarray(image, np.uint8)
    if frame.stream == "depth":
        span = (np.clip(image, _NEAR_MM, _FAR_MM).astype(np.float32) - _NEAR_MM) / (
            _FAR_MM - _NEAR_MM
        )
        picture = cv2.applyColorMap(((1 - span) * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
        picture[image == 0] = 0
        return np.asarray(picture, np.uint8)
    if frame.stream == "thermal":
        celsius = image.astype(np.float32) * KELVIN_PER_COUNT - _ZERO_CELSIUS_K
        span = np.clip((celsius - _COLD_C) / (_WARM_C - _COLD_C), 0, 1)
        picture = cv2.applyColorMap((span * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
        return np.asarray(picture, np.uint8)
    root = np.sqrt(image.astype(np.float32))
    top = max(float(np.percentile(root, 99.5)), 1.0)
    grey = np.clip(root / top * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)


def contact_sheet(sessions: Sequence[Session], path: Path) -> None:
    """Write a JPEG: a row per session, a column per stream, all at the middle of the session."""
    rows = []
    for session in sessions:
        color = session.streams["color"]
        middle_ns = int(color.capture_time_ns[len(color) // 2])
        tiles = []
        for name in _STREAMS:
            if name not in session.streams:
                continue
            stream = session.streams[name]
            nearest = int(np.argmin(np.abs(stream.capture_time_ns - middle_ns)))
            picture = shown(stream.read(nearest))
            width = round(picture.shape[1] * _TILE_HEIGHT_PX / picture.shape[0])
            tiles.append(
                cv2.resize(picture, (width, _TILE_HEIGHT_PX), interpolation=cv2.INTER_AREA)
            )
        rows.append(np.hstack(tiles))
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
    cv2.imwrite(str(path), np.vstack(padded), [cv2.IMWRITE_JPEG_QUALITY, 88])


def synchronisation_figure(session: Session, path: Path) -> None:
    """Write a PNG: how far each stream's nearest frame lies from every color frame, over time."""
    color_ns = session.streams["color"].capture_time_ns
    figure = Figure(figsize=(10, 3.2), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    for name in _STREAMS[1:]:
        if name not in session.streams:
            continue
        stream = session.streams[name]
        index = match_nearest(color_ns, stream.capture_time_ns, max_gap_ns=_MATCH_GAP_NS)
        matched = index >= 0
        offset_ms = (stream.capture_time_ns[index[matched]] - color_ns[matched]) / 1e6
        seconds = (color_ns[matched] - session.start_time_ns) / 1e9
        uncertainty_ms = float(np.median(stream.uncertainty_ns)) / 1e6
        label = f"{name} ({matched.sum()} of {len(stream)} matched, ±{uncertainty_ms:.2g} ms)"
        axes.plot(seconds, offset_ms, ".", markersize=4, label=label)
    axes.set_xlabel("time since start, s")
    axes.set_ylabel("nearest frame − color frame, ms")
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3, fontsize=8)
    figure.savefig(path)


def label_figure(
    traces: Sequence[Trace], labels: Labels, path: Path, *, sessions: Sequence[str], scale: float
) -> None:
    """Write a PNG: every rater's trace and the gold label, per session and dimension.

    Parameters
    ----------
    traces : sequence of Trace
        On the raters' scale, ±`scale`.
    labels : Labels
    path : Path
    sessions : sequence of str
        Names of the sessions to show, a row each.
    scale : float
        Rating that is a label of 1.
    """
    figure = Figure(figsize=(10, 2.1 * len(sessions)), dpi=_DPI, layout="constrained")
    grid = figure.subplots(len(sessions), len(DIMENSIONS), squeeze=False, sharey=True)
    colors = mpl.colormaps["tab10"]
    for row, session in zip(grid, sessions, strict=True):
        for axes, dimension in zip(row, DIMENSIONS, strict=True):
            mine = [t for t in traces if t.session == session and t.dimension == dimension]
            for number, trace in enumerate(mine):
                seconds = trace.time_ns / 1e9
                style = {"color": colors(number), "linewidth": 0.8, "label": trace.rater}
                axes.step(seconds, trace.value / scale, where="post", **style)
            gold = labels.sessions[session]
            axes.plot(
                gold.time_ns / 1e9, gold.values(dimension), "k", linewidth=1.8, label="gold label"
            )
            axes.set_title(f"{session}: {dimension}", fontsize=9)
            axes.set_ylim(-1.05, 1.05)
    grid[0, 0].legend(fontsize=7, ncols=4)
    for axes in grid[-1]:
        axes.set_xlabel("time since start, s")
    figure.savefig(path)
