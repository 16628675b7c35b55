"""Cutting the aligned face out of color, depth and thermal."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibration.registration import register_depth, register_thermal
from calibration.rig import CropWindow, RigCalibration
from capture.camera import CameraModel
from capture.transform import RigidTransform

from .alignment import apply_similarity, invert_similarity
from .color_sampling import lens_parameters, sample_color

_MIN_VALID_SHARE = 0.6
"""A depth or thermal crop shows the face if this share of its middle half is valid."""
_MAX_OVERSAMPLING = 4


def crop_color(
    image_bgr: NDArray[np.uint8],
    T_crop_color: NDArray[np.float64],
    *,
    crop_px: int,
    camera: CameraModel | None = None,
) -> NDArray[np.uint8]:
    """Sample the crop from the color image, lens distortion taken out on the way.

    The image is interpolated once. Where the crop is smaller than its source, several samples a
    pixel are averaged, so that fine texture does not flicker.

    Parameters
    ----------
    image_bgr : (H, W, 3) uint8
        As recorded, distorted.
    T_crop_color : (2, 3) float64
        Undistorted color pixels to crop pixels.
    crop_px : int
    camera : CameraModel, optional
        None: the image has no known distortion.

    Returns
    -------
    (crop_px, crop_px, 3) uint8, RGB
        Black beyond the image.
    """
    T_color_crop = invert_similarity(T_crop_color)
    source_px_per_px = float(np.hypot(T_color_crop[0, 0], T_color_crop[1, 0]))
    samples = int(np.clip(np.ceil(source_px_per_px - 0.25), 1, _MAX_OVERSAMPLING))
    crop = np.empty((crop_px, crop_px, 3), np.uint8)
    ideal = CameraModel(1, 1, 1.0, 1.0, 0.0, 0.0) if camera is None else camera
    sample_color(image_bgr, T_color_crop, lens_parameters(ideal), samples, crop)
    return crop


def crop_rig(
    rig: RigCalibration, T_crop_color: NDArray[np.float64], *, crop_px: int
) -> RigCalibration:
    """Return the rig in which the crop itself is the color image.

    Depth and thermal are then registered straight into the crop, with one interpolation and with
    the occlusions resolved at its resolution. The crop's roll becomes a turn of the color camera
    about its axis, which leaves distances along that axis as they are. Unequal focal lengths
    would need a skewed camera besides; they are matched at the crop's centre, leaving
    0.13 px at its corners for a Kinect (0.6 % apart) at 20° of roll.
    """
    color = rig.cameras["color"]
    T_color_crop = invert_similarity(T_crop_color)
    scale = float(np.hypot(T_crop_color[0, 0], T_crop_color[1, 0]))
    roll_rad = float(np.arctan2(T_crop_color[1, 0], T_crop_color[0, 0]))
    T_turned_color = RigidTransform.from_rotvec([0.0, 0.0, roll_rad], np.zeros(3))
    middle_px = np.full(2, (crop_px - 1) / 2)
    ray = color.without_distortion().unproject(apply_similarity(T_color_crop, middle_px)[None])[0]
    turned = T_turned_color.rotation[:2, :2] @ ray
    fx_px, fy_px = color.fx_px * scale, color.fy_px * scale
    cx_px, cy_px = middle_px - turned * [fx_px, fy_px]
    return replace(
        rig,
        cameras={
            **rig.cameras,
            "color": CameraModel(
                crop_px, crop_px, fx_px, fy_px, float(cx_px), float(cy_px), color.distortion
            ),
        },
        T_color_infrared=T_turned_color @ rig.T_color_infrared,
        T_color_thermal=T_turned_color @ rig.T_color_thermal,
        crop_window=CropWindow(0, 0, crop_px, crop_px, rig.crop_window.z_min_m),
    )


def crop_depth(depth_mm: NDArray[np.uint16], rig_of_crop: RigCalibration) -> NDArray[np.uint16]:
    """Register a depth image (H, W) uint16 mm into the crop, (crop, crop) uint16 mm, 0 invalid.

    Depth is the distance along the color camera's axis.
    """
    color = rig_of_crop.cameras["color"]
    return register_depth(depth_mm, rig_of_crop, window=(0, 0, color.width_px, color.height_px))


def crop_thermal(
    counts: NDArray[np.uint16], depth_crop_mm: NDArray[np.uint16], rig_of_crop: RigCalibration
) -> NDArray[np.uint16]:
    """Look up the thermal image at the crop's surface, (crop, crop) uint16 counts, 0 unseen."""
    return register_thermal(counts, depth_crop_mm, rig_of_crop)


def shows_face(crop: NDArray[np.uint16]) -> bool:
    """Whether enough of the middle of a depth or thermal crop is valid (not 0)."""
    middle = _middle(crop)
    return bool(np.count_nonzero(middle) >= _MIN_VALID_SHARE * middle.size)


def median_depth_mm(crop: NDArray[np.uint16]) -> float:
    """Median of the valid depths in the middle of a crop, where the face is; NaN without any."""
    middle = _middle(crop)
    valid = middle[middle > 0]
    return float(np.median(valid)) if valid.size else float("nan")


def _middle(crop: NDArray[np.uint16]) -> NDArray[np.uint16]:
    quarter = crop.shape[0] // 4
    return crop[quarter:-quarter, quarter:-quarter]
