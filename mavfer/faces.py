"""Following the subject's face through the images of one camera.

A whole image is searched at coarse, then finer scale; once found, the face is looked for in a
small cut round its last place. Every now and then the whole image is searched all the same, to
notice other people; less often for those who are further away and look small.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .face_detector import FaceBox, detect_everywhere, detect_near, face_box, refined_landmarks
from .face_identity import SAME_PERSON_DISTANCE, Descriptor, describe, distance_to
from .landmarks import LandmarkCount
from .store_schema import ANOTHER_PERSON, FOUND, IMPLAUSIBLE, NO_DETECTION

SEARCH_EVERY = 16
"""Images between two searches of the whole image while the face is followed."""
_SEARCH_HEIGHTS_PX = (420, 720)
_FINE_ROUND_EVERY = 4
"""Of the searches for other people, how many to one that finds small faces too; that one takes
three times as long. The first of them does."""
VERIFY_EVERY = 64
"""Images after which the face followed is compared with the subject again."""
_FORGET_AFTER = 4
"""A face found again after so many images without it may be somebody else's."""
_FINE_SEARCH_EVERY = 8
_PLAUSIBLE_SIZE = (0.6, 1.6)
"""Size of the face its landmarks describe, relative to the detector's box."""
_JUMP = 1.0
"""Boxes further apart than this (`FaceBox.distance`) are not one face a moment later."""
_SAME_PLACE = 0.5
_MOST_FACES = 4
_SMALLEST_FACE_PX = 80
"""In the image as the detector gets it."""


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """What came of looking at one image.

    Attributes
    ----------
    landmarks_px : (count, 2) float64 or None
        Pixels of the image, sub-pixel by averaging; None where the subject's face is not found.
    reason : int
        Index into ``REASONS``; 0 with landmarks.
    confidence : float
        Logistic function of the detector's margin, 0 to 1; NaN without landmarks.
    several_faces : bool
        Other faces were there when the whole image was last searched for faces of their size.
    identity_switch : bool
        The face jumped and nothing tells whose it is, or the last one was another person's.
    doubtful_images : int
        Images before this one whose face may have been another person's.
    strangers : tuple of FaceBox
        With the reason ``ANOTHER_PERSON``: faces that are not the subject's.
    """

    landmarks_px: NDArray[np.float64] | None
    reason: int = FOUND
    confidence: float = float("nan")
    several_faces: bool = False
    identity_switch: bool = False
    doubtful_images: int = 0
    strangers: tuple[FaceBox, ...] = ()

    def shows_stranger(self, box: FaceBox) -> bool:
        """Whether a face at `box` is one of those that are not the subject's."""
        return any(box.distance(stranger) < _JUMP for stranger in self.strangers)


class FaceTracker:
    """Finds the subject's face in one image after the other of one camera.

    With a description of the subject, of several faces the most similar is taken, and one that
    is not similar is refused. Without it the largest is taken first, then the one nearest to its
    last place.

    Parameters
    ----------
    count : {68, 5}
        Landmarks a face.
    search_heights_px : tuple of int
        Image heights at which a whole picture is searched, in turn.
    subject : (128,) float64, optional
        Of `face_identity.find_subject`.
    """

    def __init__(
        self,
        count: LandmarkCount = 68,
        *,
        search_heights_px: tuple[int, ...] = _SEARCH_HEIGHTS_PX,
        subject: Descriptor | None = None,
    ) -> None:
        self.count: LandmarkCount = count
        self._search_heights_px = search_heights_px
        self._subject = subject
        self._last: FaceBox | None = None
        self._expected = self._vouched = False
        self._missed = 0
        self._since_search = 0
        self._several = self._several_small = False
        self._rounds = 0
        self._refused: FaceBox | None = None
        self._refused_at = 0
        self._looked = 0
        self._verified_at = 0

    def look(self, grey: NDArray[np.uint8]) -> Sighting:
        """Look for the face in `grey` (H, W)."""
        self._looked += 1
        self._since_search += 1
        self._vouched, self._expected = self._expected, False
        vouched_for = self._subject is None or self._vouched
        forgotten = self._missed >= _FORGET_AFTER and not vouched_for
        near = None if self._last is None or forgotten else detect_near(grey, self._last)
        if near is None and self._vouched and self._missed % _FINE_SEARCH_EVERY:
            return self._miss(NO_DETECTION)  # it is nowhere else
        if near is None:
            return self._search(grey)
        if self._since_search >= SEARCH_EVERY:
            return self._look_round(grey, near)
        return self._accept(grey, near)

    def expect(self, landmarks_px: NDArray[np.float64]) -> None:
        """Tell where the face is, known from another camera: the next image is searched there."""
        self._last = face_box(landmarks_px, self.count)
        self._expected = True

    def _search(self, grey: NDArray[np.uint8]) -> Sighting:
        """Find the face in the whole image."""
        boxes = self._everywhere(grey)
        if not boxes:
            return self._miss(NO_DETECTION)
        self._several = len(boxes) > 1 or self._several_small
        jumped = False
        if self._subject is not None:
            strangers = [box for box in boxes if self._is_refused(box)]
            chosen, away = self._most_similar(grey, [b for b in boxes if b not in strangers])
            if chosen is None or away > SAME_PERSON_DISTANCE:
                if chosen is not None:
                    self._refused, self._refused_at = chosen, self._looked
                return self._miss(ANOTHER_PERSON, strangers=boxes)
        elif self._last is not None:
            chosen = min(boxes, key=self._last.distance)
            jumped = chosen.distance(self._last) > _JUMP
        else:
            chosen = boxes[0]
        return self._accept(grey, chosen, jumped=jumped)

    def _look_round(self, grey: NDArray[np.uint8], near: FaceBox) -> Sighting:
        """Search the whole image although the face is at `near`: there may be somebody else."""
        unverified = self._looked - self._verified_at
        others = self._others(grey, near)
        if self._subject is None or (not others and unverified < VERIFY_EVERY):
            return self._accept(grey, near)
        chosen, away = self._most_similar(grey, [near, *others])
        if chosen is None or away > SAME_PERSON_DISTANCE:
            self._refused, self._refused_at, self._last = near, self._looked, None
            return self._miss(
                ANOTHER_PERSON, doubtful_images=unverified - 1, strangers=[near, *others]
            )
        doubtful = 0 if chosen is near else unverified - 1
        return self._accept(grey, chosen, jumped=chosen is not near, doubtful_images=doubtful)

    def _others(self, grey: NDArray[np.uint8], near: FaceBox) -> list[FaceBox]:
        """Search the whole image for other faces than the one that is followed."""
        coarse_px, fine_px = self._search_heights_px[0], self._search_heights_px[-1]
        fine = self._rounds % _FINE_ROUND_EVERY == 0
        self._rounds += 1
        self._since_search = 0
        boxes = detect_everywhere(grey, fine_px if fine else coarse_px)[:_MOST_FACES]
        others = [box for box in boxes if box.distance(near) > _SAME_PLACE]
        if fine:
            unseen_px = _SMALLEST_FACE_PX * grey.shape[0] / coarse_px
            self._several_small = any(box.side_px < unseen_px for box in others)
        self._several = bool(others) or self._several_small
        return others

    def _everywhere(self, grey: NDArray[np.uint8]) -> list[FaceBox]:
        self._since_search = 0
        for level, height_px in enumerate(self._search_heights_px):
            # While a face stays away, most images get only the coarse search.
            if level and self._missed % _FINE_SEARCH_EVERY:
                break
            if boxes := detect_everywhere(grey, height_px):
                return boxes[:_MOST_FACES]
        return []

    def _most_similar(
        self, grey: NDArray[np.uint8], boxes: list[FaceBox]
    ) -> tuple[FaceBox | None, float]:
        if self._subject is None or not boxes:
            return None, float("inf")
        distances = [
            distance_to(
                self._subject,
                describe(grey, refined_landmarks(grey, box, self.count), self.count),
            )
            for box in boxes
        ]
        best = int(np.argmin(distances))
        if distances[best] <= SAME_PERSON_DISTANCE:
            self._verified_at = self._looked
        return boxes[best], distances[best]

    def _is_refused(self, box: FaceBox) -> bool:
        """Whether the face there was found to be another person's not long ago."""
        return (
            self._refused is not None
            and self._looked - self._refused_at < SEARCH_EVERY
            and box.distance(self._refused) < _SAME_PLACE
        )

    def _accept(
        self,
        grey: NDArray[np.uint8],
        box: FaceBox,
        *,
        jumped: bool = False,
        doubtful_images: int = 0,
    ) -> Sighting:
        landmarks_px = refined_landmarks(grey, box, self.count)
        found = face_box(landmarks_px, self.count, score=box.score)
        if not _PLAUSIBLE_SIZE[0] < found.side_px / box.side_px < _PLAUSIBLE_SIZE[1]:
            self._last = None
            return self._miss(IMPLAUSIBLE)
        switch = jumped and not self._vouched
        self._last, self._missed = found, 0
        return Sighting(
            landmarks_px,
            FOUND,
            confidence=float(1 / (1 + np.exp(-box.score))),
            several_faces=self._several,
            identity_switch=switch,
            doubtful_images=doubtful_images,
        )

    def _miss(
        self, reason: int, *, doubtful_images: int = 0, strangers: Sequence[FaceBox] = ()
    ) -> Sighting:
        self._missed += 1
        return Sighting(
            None,
            reason,
            several_faces=self._several,
            doubtful_images=doubtful_images,
            strangers=tuple(strangers),
        )
