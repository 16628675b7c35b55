"""The part of the color image that depth can fill, from geometry alone.

The infrared field of view slides over the color image with distance (parallax), so a centred
or copied window is wrong: 1408 x 792, the paper's, fits its rig only off-centre.
"""

import numpy as np
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.transform import RigidTransform

from .errors import CalibrationError
from .rig import CropWindow

PAPER_WINDOW_PX = (1408, 792)
"""Width and height of the paper's crop, in its 1920 x 1080 color image."""
_PAPER_COLOR_WIDTH_PX = 1920
_ASPECT = 16 / 9


def paper_window_px(color: CameraModel) -> tuple[int, int]:
    """Return the paper's (width, height) for the size of `color`, in even pixels."""
    factor = color.width_px / _PAPER_COLOR_WIDTH_PX
    width_px, height_px = (2 * round(side * factor / 2) for side in PAPER_WINDOW_PX)
    return width_px, height_px


def compute_crop_window(
    color: CameraModel,
    infrared: CameraModel,
    T_color_infrared: RigidTransform,
    *,
    z_min_m: float = 0.6,
) -> CropWindow:
    """Place the paper's window, or the largest 16:9 one, where depth exists for z >= `z_min_m`.

    Parameters
    ----------
    color : CameraModel
        Its undistorted image is the grid the window is given in.
    infrared : CameraModel
    T_color_infrared : RigidTransform
    z_min_m : float, metres
        Nearest depth, in the infrared frame, the window must hold for.

    Raises
    ------
    CalibrationError
        The infrared camera covers no part of the color image for all those depths.

    Notes
    -----
    Along one infrared ray the color pixel moves monotonically with 1/z, so `z_min_m` and
    infinity bound every depth between them.
    """
    left, top, right, bottom = _common_rectangle_px(color, infrared, T_color_infrared, z_min_m)
    available_px = (right - left + 1, bottom - top + 1)
    if min(available_px) < 2:
        raise CalibrationError(
            f"depth covers no window of the color image for all z >= {z_min_m} m",
            remedy="raise the nearest depth or check the transform between the cameras",
        )
    width_px, height_px = paper_window_px(color)
    if width_px > available_px[0] or height_px > available_px[1]:
        width_px = int(min(available_px[0], available_px[1] * _ASPECT)) // 2 * 2
        height_px = int(width_px / _ASPECT) // 2 * 2
    return CropWindow(
        x_px=left + (available_px[0] - width_px) // 2,
        y_px=top + (available_px[1] - height_px) // 2,
        width_px=width_px,
        height_px=height_px,
        z_min_m=z_min_m,
    )


def _common_rectangle_px(
    color: CameraModel, infrared: CameraModel, T_color_infrared: RigidTransform, z_min_m: float
) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom (inclusive) covered at every depth from `z_min_m` on."""
    ideal = color.without_distortion()
    columns = np.arange(infrared.width_px, dtype=np.float64)
    rows = np.arange(infrared.height_px, dtype=np.float64)
    left, top, right, bottom = 0.0, 0.0, color.width_px - 1.0, color.height_px - 1.0
    for inverse_z in (1 / z_min_m, 0.0):

        def edge(x: NDArray[np.float64], y: NDArray[np.float64], w: float) -> NDArray[np.float64]:
            rays = infrared.unproject(np.stack(np.broadcast_arrays(x, y), axis=-1))
            points = np.concatenate([rays, np.ones((len(rays), 1))], axis=-1)
            scaled = points @ T_color_infrared.rotation.T + w * T_color_infrared.translation_m
            return ideal.project(scaled)

        def sides(pixels: NDArray[np.float64], axis: int, limit_px: int) -> NDArray[np.float64]:
            """Coordinates `axis` of the edge's part that lies beside the color image."""
            other = pixels[:, 1 - axis]
            beside = (other >= 0) & (other <= limit_px - 1)
            return pixels[beside, axis] if beside.any() else pixels[:, axis]

        last_x, last_y = columns[-1:], rows[-1:]
        first = np.zeros(1)
        left = max(left, sides(edge(first, rows, inverse_z), 0, color.height_px).max())
        right = min(right, sides(edge(last_x, rows, inverse_z), 0, color.height_px).min())
        top = max(top, sides(edge(columns, first, inverse_z), 1, color.width_px).max())
        bottom = min(bottom, sides(edge(columns, last_y, inverse_z), 1, color.width_px).min())
    return int(np.ceil(left)), int(np.ceil(top)), int(np.floor(right)), int(np.floor(bottom))
