"""What a calibration from the views so far would be worth, before there is one.

Where the board was decides how sure a calibration gets; how sharp the corners are only scales
it. So corners from small pictures, good to a pixel, are enough to foretell it: they give the
poses, and the corners of the calibration to come are assumed to be as noisy as its limits allow.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .adjustment import forecast
from .board import BoardSpec
from .gates import COLOR_WIDTH_PX, FULL_WIDTH_PX, RMS_PX
from .rig_solve import REFERENCE, solve_rig
from .uncertainty import transfer_uncertainty


def forecast_calibration(
    views_px: Sequence[Mapping[str, NDArray[np.float64]]],
    *,
    sizes_px: Mapping[str, tuple[int, int]],
    board: BoardSpec,
) -> dict[str, float]:
    """Foretell how sure a calibration of the rig from these views would be.

    Parameters
    ----------
    views_px : sequence of mapping of camera name to (N, 2) float64
        Corners as found, to within a pixel or two of the full-size images.
    sizes_px : mapping of camera name to (width, height)
        With the reference camera.
    board : BoardSpec

    Returns
    -------
    dict of camera name to float
        Predicted deviation in color, in pixels of a 1920 wide image, of this camera's pixels at
        a metre; the median over its image, as the gates judge it.

    Raises
    ------
    CalibrationError
        Too few views, or views that leave something undetermined.
    """
    solution = solve_rig(views_px, sizes_px=sizes_px, board=board)
    # The gates limit the distance, which has two coordinates, in images of the sensors' own size.
    noise_px = {
        name: RMS_PX[name][0] / 2**0.5 * width_px / FULL_WIDTH_PX[name]
        for name, (width_px, _) in sizes_px.items()
    }
    foreseen = forecast(solution.problem, solution.state, noise_px)
    size = sizes_px[REFERENCE][0] / COLOR_WIDTH_PX
    return {
        name: transfer_uncertainty(
            foreseen, solution.problem, source=name, target=REFERENCE
        ).median_px
        / size
        for name in solution.problem.cameras[1:]
    }
