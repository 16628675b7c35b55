"""Facial landmarks: which points there are, which hold the face still, and dlib's predictors.

The 68 points follow the iBUG 300-W markup. The 68-point predictor was trained on 300-W, whose
licence bars commercial use (NOTICE); the 5-point predictor is free of that and enough to align.
"""

from functools import cache
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

LandmarkCount = Literal[68, 5]

ANCHORS: dict[LandmarkCount, tuple[int, ...]] = {
    68: (36, 39, 42, 45, 27, 28, 29, 30),
    5: (2, 3, 1, 0, 4),
}
"""Points that expressions hardly move: eye corners and nose bridge (5 points: base of the nose).

Mouth and brows are left out: aligning them would cancel the expression that is to be seen.
"""

_EYE_CORNERS = ((-0.5, 0.0), (-0.217, 0.015), (0.217, 0.015), (0.5, 0.0))
_NOSE_BRIDGE = ((0.0, -0.024), (0.0, 0.127), (0.0, 0.273), (0.0, 0.429))
_NOSE_BASE = ((0.0, 0.572),)
ANCHOR_TEMPLATE: dict[LandmarkCount, NDArray[np.float64]] = {
    68: np.array(_EYE_CORNERS + _NOSE_BRIDGE),
    5: np.array(_EYE_CORNERS + _NOSE_BASE),
}
"""Where the anchors of a face seen from the front lie, (K, 2).

Unit: distance of the outer eye corners; origin halfway between them; x to the image's right,
y down. Median of 83 faces (photographs and video, 68-point predictor), made symmetric.
"""

FACE_BOX_CENTRE = (0.0, 0.411)
FACE_BOX_SIZE = 1.82
"""dlib's square face box in the template's unit: median over the same faces."""


def predict(
    grey: NDArray[np.uint8], box_px: tuple[float, float, float], *, count: LandmarkCount
) -> NDArray[np.float64]:
    """Find the landmarks of the face in a square box.

    Parameters
    ----------
    grey : (H, W) uint8, C-contiguous
    box_px : tuple of float
        Centre x, centre y and side of the box.
    count : {68, 5}

    Returns
    -------
    (count, 2) float64
        Pixels, whole numbers: enlarge small faces first.
    """
    import dlib

    x, y, side = box_px
    box = dlib.rectangle(
        round(x - side / 2), round(y - side / 2), round(x + side / 2), round(y + side / 2)
    )
    parts = load_predictor(count)(grey, box).parts()
    return np.array([(point.x, point.y) for point in parts], np.float64)


@cache
def load_predictor(count: LandmarkCount) -> Any:
    """Load dlib's predictor of that many points, once a process."""
    import dlib
    import face_recognition_models as weights

    path = (
        weights.pose_predictor_model_location()
        if count == 68
        else weights.pose_predictor_five_point_model_location()
    )
    return cast(Any, dlib.shape_predictor(path))
