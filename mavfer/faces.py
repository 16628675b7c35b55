"""Finding one face through the frames of a video: dlib's frontal detector and landmarks.

The detector (histograms of oriented gradients) wants faces of about 80 px. A whole image is
searched at coarse, then finer scale; once found, the face is looked for in a small crop round
its last place, scaled to a fixed size, which costs the same whatever the camera's resolution.
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

_SEARCH_HEIGHTS_PX = (420, 720)
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
_PLAUSIBLE_SIZE = (0.6, 1.6)
"""Size of the face its landmarks describe, relative to the detector's box."""
_FINE_SEARCH_EVERY = 8


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A square round a face: centre and side, pixels."""

    x_px: float
    y_px: float
    side_px: float


class FaceTracker:
    """Finds the subject's face in one frame after the other of one camera.

    Of several faces the largest is taken first, then the one nearest to its last place.

    Parameters
    ----------
    count : {68, 5}
        Landmarks a face.
    search_heights_px : tuple of int
        Image heights at which a whole picture is searched, in turn.
    """

    def __init__(
        self,
        count: LandmarkCount = 68,
        *,
        search_heights_px: tuple[int, ...] = _SEARCH_HEIGHTS_PX,
    ) -> None:
        self.count: LandmarkCount = count
        self._search_heights_px = search_heights_px
        self._last: FaceBox | None = None
        self._missed = 0

    def find(self, grey: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Return the landmarks (count, 2) of the face in `grey` (H, W), or None.

        Pixels of `grey`, sub-pixel by averaging.
        """
        for box in self._candidates(grey):
            landmarks_px = _refined_landmarks(grey, box, self.count)
            found = face_box(landmarks_px, self.count)
            if _PLAUSIBLE_SIZE[0] < found.side_px / box.side_px < _PLAUSIBLE_SIZE[1]:
                self._last, self._missed = found, 0
                return landmarks_px
        self._missed += 1
        return None

    def expect(self, landmarks_px: NDArray[np.float64]) -> None:
        """Tell where the face is, known from another camera: the next frame is searched there."""
        self._last = face_box(landmarks_px, self.count)

    def _candidates(self, grey: NDArray[np.uint8]) -> list[FaceBox]:
        if self._last is not None and (near := _detect_near(grey, self._last)):
            return [near]
        for level, height_px in enumerate(self._search_heights_px):
            # While a face stays away, most frames get only the coarse search.
            if level and self._missed % _FINE_SEARCH_EVERY:
                break
            scale = min(height_px / grey.shape[0], _MAX_ENLARGEMENT)
            boxes = _detect(_resized(grey, scale), 0.0)
            if boxes:
                return [_scaled(box, 1 / scale) for box in boxes]
        return []


def face_box(landmarks_px: NDArray[np.float64], count: LandmarkCount) -> FaceBox:
    """Box that dlib's detector would draw round a face with these landmarks (count, 2)."""
    T = fit_similarity(ANCHOR_TEMPLATE[count], landmarks_px[list(ANCHORS[count])])
    x_px, y_px = apply_similarity(T, np.array(FACE_BOX_CENTRE))
    return FaceBox(float(x_px), float(y_px), float(np.hypot(T[0, 0], T[1, 0])) * FACE_BOX_SIZE)


def _detect_near(grey: NDArray[np.uint8], last: FaceBox) -> FaceBox | None:
    chip, scale, corner = _cut(grey, last, _TRACK_SPAN, _TRACK_FACE_PX)
    boxes = _detect(chip, _TRACK_THRESHOLD)
    middle = chip.shape[0] / 2
    nearest = min(boxes, key=lambda b: np.hypot(b.x_px - middle, b.y_px - middle), default=None)
    return None if nearest is None else _placed(nearest, scale, corner)


def _refined_landmarks(
    grey: NDArray[np.uint8], box: FaceBox, count: LandmarkCount
) -> NDArray[np.float64]:
    """Predict once from the detector's box, then from boxes round those landmarks; average."""
    chip, scale, corner = _cut(grey, box, _LANDMARK_SPAN, _LANDMARK_FACE_PX)
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


def _cut(
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
    rectangles, _, _ = _detector().run(np.ascontiguousarray(grey), 0, threshold)
    boxes = [
        FaceBox((r.left() + r.right()) / 2, (r.top() + r.bottom()) / 2, float(r.right() - r.left()))
        for r in rectangles
    ]
    return sorted(boxes, key=lambda box: -box.side_px)


def _placed(box: FaceBox, scale: float, corner: NDArray[np.int64]) -> FaceBox:
    back = _scaled(box, 1 / scale)
    return FaceBox(back.x_px + int(corner[0]), back.y_px + int(corner[1]), back.side_px)


def _scaled(box: FaceBox, factor: float) -> FaceBox:
    return FaceBox(
        (box.x_px + 0.5) * factor - 0.5, (box.y_px + 0.5) * factor - 0.5, box.side_px * factor
    )


def _resized(grey: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    height, width = grey.shape
    return _resized_to(grey, max(round(width * scale), 1), max(round(height * scale), 1))


def _resized_to(grey: NDArray[np.uint8], width_px: int, height_px: int) -> NDArray[np.uint8]:
    shrinking = width_px < grey.shape[1]
    method = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return cast(NDArray[np.uint8], cv2.resize(grey, (width_px, height_px), interpolation=method))


@cache
def _detector() -> Any:
    import dlib

    return dlib.get_frontal_face_detector()
