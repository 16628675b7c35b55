"""Faces in one image: dlib's frontal detector, boxes, and landmarks to a fraction of a pixel.

The detector (histograms of oriented gradients) wants faces of about 80 px, so images are scaled
for it; landmarks are predicted in a cut of the full image, scaled to a fixed size.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from .alignment import apply_similarity, fit_similarity
from .landmarks import (
    ANCHOR_TEMPLATE,
    ANCHORS,
    FACE_BOX_CENTRE,
    FACE_BOX_SIZE,
    LandmarkCount,
    predict,
)

_MAX_ENLARGEMENT = 4.0
_TRACK_FACE_PX = 100
_TRACK_SPAN = 2.2
"""Side of the tracking crop in face boxes, and the box's size in it."""
_TRACK_THRESHOLD = -0.2
"""Detector score accepted near the last place; 0 elsewhere."""
_LANDMARK_FACE_PX = 200
"""Faces are scaled to this box before landmarks: predictors answer in whole pixels."""
_LANDMARK_SPAN = 1.7
_BOX_SHIFTS = ((0.03, 0.03, 1.0), (-0.03, 0.03, 1.0), (0.0, -0.03, 1.04))
"""Boxes (shift x, y, scale) whose landmarks are averaged, which halves their jitter."""


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A square round a face: centre and side, pixels; `score` is the detector's margin."""

    x_px: float
    y_px: float
    side_px: float
    score: float = 0.0

    def distance(self, other: "FaceBox") -> float:
        """Return how far apart two boxes are, in sides of the larger; sizes count as well."""
        larger = max(self.side_px, other.side_px)
        away = float(np.hypot(self.x_px - other.x_px, self.y_px - other.y_px)) / larger
        return away + abs(float(np.log(self.side_px / other.side_px)))


def face_box(
    landmarks_px: NDArray[np.float64], count: LandmarkCount, *, score: float = 0.0
) -> FaceBox:
    """Box that dlib's detector would draw round a face with these landmarks (count, 2)."""
    T = fit_similarity(ANCHOR_TEMPLATE[count], landmarks_px[list(ANCHORS[count])])
    x_px, y_px = apply_similarity(T, np.array(FACE_BOX_CENTRE))
    side_px = float(np.hypot(T[0, 0], T[1, 0])) * FACE_BOX_SIZE
    return FaceBox(float(x_px), float(y_px), side_px, score)


def detect_everywhere(grey: NDArray[np.uint8], height_px: int) -> list[FaceBox]:
    """Search a whole image (H, W), scaled to `height_px`; boxes of `grey`, the largest first."""
    scale = min(height_px / grey.shape[0], _MAX_ENLARGEMENT)
    return [_scaled(box, 1 / scale) for box in _detect(_resized(grey, scale), 0.0)]


def detect_near(grey: NDArray[np.uint8], last: FaceBox) -> FaceBox | None:
    """Search the surroundings of `last`, whose cost is the same at any resolution.

    Of several faces the one nearest in place and size.
    """
    chip, scale, corner = cut(grey, last, _TRACK_SPAN, _TRACK_FACE_PX)
    boxes = [_placed(box, scale, corner) for box in _detect(chip, _TRACK_THRESHOLD)]
    return min(boxes, key=last.distance, default=None)


def refined_landmarks(
    grey: NDArray[np.uint8], box: FaceBox, count: LandmarkCount
) -> NDArray[np.float64]:
    """Predict once from the detector's box, then from boxes round those landmarks; average.

    Returns
    -------
    (count, 2) float64
        Pixels of `grey`.
    """
    chip, scale, corner = cut(grey, box, _LANDMARK_SPAN, _LANDMARK_FACE_PX)
    middle = chip.shape[0] / 2
    rough = face_box(predict(chip, (middle, middle, box.side_px * scale), count=count), count)
    refined = [
        predict(
            chip,
            (rough.x_px + dx * rough.side_px, rough.y_px + dy * rough.side_px, rough.side_px * s),
            count=count,
        )
        for dx, dy, s in _BOX_SHIFTS
    ]
    mean = np.stack(refined).mean(axis=0)
    in_image: NDArray[np.float64] = (mean + 0.5) / scale - 0.5 + corner
    return in_image


def cut(
    grey: NDArray[np.uint8], box: FaceBox, span: float, face_px: int
) -> tuple[NDArray[np.uint8], float, NDArray[np.int64]]:
    """Cut a square of `span` boxes, scaled so that the box measures `face_px`.

    Returns the square (black beyond the image), the scale and its corner in `grey`. Pixels of
    `grey` are ``(chip + 0.5) / scale - 0.5 + corner``.
    """
    side = max(round(box.side_px * span), 8)
    x0, y0 = round(box.x_px - side / 2), round(box.y_px - side / 2)
    inner = grey[max(y0, 0) : max(y0 + side, 0), max(x0, 0) : max(x0 + side, 0)]
    square = np.zeros((side, side), np.uint8)
    top, left = min(max(-y0, 0), side), min(max(-x0, 0), side)
    square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    size = round(span * face_px)
    return _resized_to(square, size, size), size / side, np.array([x0, y0])


def _detect(grey: NDArray[np.uint8], threshold: float) -> list[FaceBox]:
    """Run the frontal detector; the largest box first."""
    rectangles, scores, _ = load_detector().run(np.ascontiguousarray(grey), 0, threshold)
    boxes = [
        FaceBox(
            (r.left() + r.right()) / 2,
            (r.top() + r.bottom()) / 2,
            float(r.right() - r.left()),
            float(score),
        )
        for r, score in zip(rectangles, scores, strict=True)
    ]
    return sorted(boxes, key=lambda box: -box.side_px)


def _placed(box: FaceBox, scale: float, corner: NDArray[np.int64]) -> FaceBox:
    back = _scaled(box, 1 / scale)
    return FaceBox(back.x_px + int(corner[0]), back.y_px + int(corner[1]), back.side_px, box.score)


def _scaled(box: FaceBox, factor: float) -> FaceBox:
    x_px, y_px = (box.x_px + 0.5) * factor - 0.5, (box.y_px + 0.5) * factor - 0.5
    return FaceBox(x_px, y_px, box.side_px * factor, box.score)


def _resized(grey: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    height, width = grey.shape
    return _resized_to(grey, max(round(width * scale), 1), max(round(height * scale), 1))


def _resized_to(grey: NDArray[np.uint8], width_px: int, height_px: int) -> NDArray[np.uint8]:
    shrinking = width_px < grey.shape[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return cast(NDArray[np.uint8], cv2.resize(grey, (width_px, height_px), interpolation=method))


@cache
def load_detector() -> Any:
    """Load dlib's frontal detector, once a process."""
    import dlib

    return dlib.get_frontal_face_detector()
