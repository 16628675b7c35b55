"""How far the skin in a thermal crop lies from where the color crop has it, told by its pixels.

Nothing of the registration under test is used: points of the true surface are carried into both
cameras by the simulated rig's own geometry, and the crop is held against the true temperature.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.frame import KELVIN_PER_COUNT
from capture.simulation.moment import Truth
from capture.simulation.rig import SimulatedRig

PLACES = {
    "eye, image left": (slice(36, 42), 12.0),
    "eye, image right": (slice(42, 48), 12.0),
    "nostrils": (slice(31, 36), 12.0),
    "face": (slice(17, 68), 40.0),
}
"""Landmarks whose middle a window lies about, and half its side in pixels of a 96-px crop."""
_REACH_PX = 6
_FACE_M, _STEP_M, _CELL_PX = 0.1, 0.03, 3.0
_MOST_K = 0.5
_LEAST_SEEN = 0.3
"""Of a window's points, at every shift that is judged."""


def thermal_shifts_px(
    crop_counts: NDArray[np.uint16],
    T_crop_color: NDArray[np.floating],
    truth: Truth,
    rig: SimulatedRig,
) -> NDArray[np.float64]:
    """Measure the shift at every one of ``PLACES``.

    Parameters
    ----------
    crop_counts : (crop, crop) uint16
        Thermal crop, 0 = invalid.
    T_crop_color : (2, 3)
        Where the color crop was cut: undistorted color pixels to crop pixels.
    truth : Truth
        Of the moment that the thermal frame shows.
    rig : SimulatedRig

    Returns
    -------
    (len(PLACES),) float64
        Crop pixels by which the crop has to be moved to be most like the true temperatures. NaN
        where too little is valid.
    """
    assert truth.landmarks_m is not None  # noqa: S101 - a moment with a subject
    landmarks_m = rig.T_color_infrared.apply(truth.landmarks_m)
    points_m = _surface(truth, rig)
    places_px = _in_crop(points_m, T_crop_color, rig)
    T_thermal_color = rig.T_thermal_infrared @ rig.T_color_infrared.inverse()
    in_thermal_m = T_thermal_color.apply(points_m)
    thermal_px = rig.thermal.project(in_thermal_m)
    size = crop_counts.shape[0]
    is_face = np.abs(points_m[:, 2] - np.median(landmarks_m[:, 2])) < _FACE_M
    is_face &= ((places_px > -0.5) & (places_px < size - 0.5)).all(axis=1)
    # What one camera sees beside the face or its nose is hidden from another.
    is_face &= _is_seen(places_px, points_m[:, 2]) & _is_seen(thermal_px, in_thermal_m[:, 2])
    places_px = places_px[is_face]
    true_c = _sample(truth.temperature_c, thermal_px[is_face])
    found = np.where(crop_counts > 0, crop_counts * KELVIN_PER_COUNT - 273.15, np.nan)
    steps = np.arange(-_REACH_PX, _REACH_PX + 1)
    moved = np.array([[_sample(found, places_px + np.array([x, y])) for x in steps] for y in steps])
    landmarks = _in_crop(landmarks_m, T_crop_color, rig)
    shifts = []
    for members, half_px in PLACES.values():
        away = np.abs(places_px - landmarks[members].mean(axis=0)).max(axis=1)
        window = (away <= half_px * size / 96) & np.isfinite(true_c)
        shifts.append(_best_shift(moved[:, :, window], true_c[window]))
    return np.array(shifts)


def _surface(truth: Truth, rig: SimulatedRig) -> NDArray[np.float64]:
    """Points of the true surface in the color camera's frame, one an infrared pixel."""
    height, width = truth.depth_m.shape
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
    rays = rig.infrared.unproject(pixels.astype(float))
    z_m = truth.depth_m.reshape(-1, 1).astype(float)
    seen: NDArray[np.float64] = rig.T_color_infrared.apply(np.hstack([rays * z_m, z_m]))
    return seen


def _is_seen(at_px: NDArray[np.float64], z_m: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points have nothing much nearer in front of them or right beside."""
    low = at_px.min(axis=0)
    cells = ((at_px - low) / _CELL_PX).astype(int)
    nearest = np.full(cells.max(axis=0) + 1, np.inf, np.float32)
    np.minimum.at(nearest, (cells[:, 0], cells[:, 1]), z_m)
    nearest = cv2.erode(nearest, np.ones((3, 3), np.uint8))
    seen: NDArray[np.bool_] = z_m < nearest[cells[:, 0], cells[:, 1]] + _STEP_M
    return seen


def _in_crop(
    points_m: NDArray[np.float64], T_crop_color: NDArray[np.floating], rig: SimulatedRig
) -> NDArray[np.float64]:
    T = np.asarray(T_crop_color, float)
    return rig.color.without_distortion().project(points_m) @ T[:, :2].T + T[:, 2]


def _sample(image: NDArray[np.floating], at_px: NDArray[np.float64]) -> NDArray[np.float64]:
    at = at_px.astype(np.float32)[:, None]
    values = cv2.remap(
        image.astype(np.float32), at[..., 0], at[..., 1], cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan"),
    )  # fmt: skip
    return np.asarray(values, float).ravel()


def _best_shift(moved: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Length of the shift at which the crop is most like the truth, to a part of a pixel."""
    known = np.isfinite(moved).all(axis=(0, 1))  # the same points at every shift: none draws away
    if known.sum() < max(_LEAST_SEEN * len(expected), 2):
        return float("nan")
    apart_k = moved[:, :, known] - expected[known]
    apart_k = np.abs(apart_k - np.median(apart_k, axis=2, keepdims=True))  # the camera drifts
    unlike = np.minimum(apart_k, _MOST_K).mean(axis=2)  # of hair and background a few are left
    y, x = np.unravel_index(unlike.argmin(), unlike.shape)
    right_px = x - _REACH_PX + _vertex(unlike[y], int(x))
    down_px = y - _REACH_PX + _vertex(unlike[:, x], int(y))
    return float(np.hypot(right_px, down_px))


def _vertex(values: NDArray[np.float64], least: int) -> float:
    """Place of a parabola's bottom beside the lowest value; 0 at the rim."""
    if not 0 < least < len(values) - 1:
        return 0.0
    before, bottom, after = values[least - 1 : least + 2]
    bend = before - 2 * bottom + after
    return float(0.5 * (before - after) / bend) if bend > 0 else 0.0
