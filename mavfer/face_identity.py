"""Who is seen: the subject among several people, by dlib's face descriptor.

A descriptor is a vector of 128 numbers; those of one person lie close together (dlib's
``resnet_v1``; the threshold is its author's, and on video of three real people the same face was
at most 0.49 and another one at least 0.74 away). Descriptors are compared while a store is built
and never stored in it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .face_detector import FaceBox, cut, detect_everywhere, face_box, refined_landmarks
from .landmarks import LandmarkCount

SAME_PERSON_DISTANCE = 0.6
Descriptor = NDArray[np.float64]
"""(128,)"""

_SPAN = 2.0
_FACE_PX = 150
_SEARCH_HEIGHTS_PX = (420, 720)
_MOST_FACES = 4


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Who is seen in one image.

    Attributes
    ----------
    descriptors : (N, 128) float64
    sides_px : (N,) float64
        Sides of the faces' boxes.
    """

    descriptors: NDArray[np.float64]
    sides_px: NDArray[np.float64]

    @classmethod
    def nobody(cls) -> "People":
        """Return what an image without faces shows."""
        return cls(np.zeros((0, 0)), np.zeros(0))


@dataclass(frozen=True, slots=True, eq=False)
class _Person:
    """Somebody seen in some of the sample images."""

    descriptors: list[Descriptor]
    sides_px: list[float]

    @property
    def mean(self) -> Descriptor:
        return cast(Descriptor, np.mean(self.descriptors, axis=0))


def describe(
    grey: NDArray[np.uint8], landmarks_px: NDArray[np.float64], count: LandmarkCount
) -> Descriptor:
    """Describe the face with these landmarks (count, 2) of `grey` (H, W)."""
    import dlib

    box = face_box(landmarks_px, count)
    chip, scale, corner = cut(grey, box, _SPAN, _FACE_PX)
    inside = np.rint((landmarks_px - corner + 0.5) * scale - 0.5).astype(int)
    x0, y0, x1, y1 = (int(v) for v in (*inside.min(axis=0), *inside.max(axis=0)))
    parts = dlib.points([dlib.point(int(x), int(y)) for x, y in inside])
    face = dlib.full_object_detection(dlib.rectangle(x0, y0, x1, y1), parts)
    color = np.ascontiguousarray(np.repeat(chip[:, :, None], 3, axis=2))
    return np.array(load_network().compute_face_descriptor(color, face), np.float64)


def distance_to(subject: Descriptor, seen: Descriptor) -> float:
    """Euclidean distance of two descriptors; the same person's is below 0.6."""
    return float(np.linalg.norm(subject - seen))


def describe_people(grey: NDArray[np.uint8], count: LandmarkCount, *, at_least: int = 1) -> People:
    """Describe all faces of an image (H, W); fewer than `at_least` are as good as nobody."""
    boxes = _faces(grey)
    if not boxes or len(boxes) < at_least:
        return People.nobody()
    return People(
        np.stack([describe(grey, refined_landmarks(grey, box, count), count) for box in boxes]),
        np.array([box.side_px for box in boxes]),
    )


def choose_subject(samples: Iterable[People]) -> Descriptor | None:
    """Tell who is the subject of a video, from who is seen in some of its images.

    The subject is who is seen in the most images; of several the one with the larger face: who
    walks past or helps with the seat at the start does not become the subject.

    Returns
    -------
    (128,) float64 or None
        None where the images show no face, or a single one: nobody to be confused with.
    """
    faces = [
        (seen, float(side_px))
        for sample in samples
        for seen, side_px in zip(sample.descriptors, sample.sides_px, strict=True)
    ]
    if len(faces) < 2:
        return None
    people: list[_Person] = []
    for seen, side_px in faces:
        nearest = min(people, key=lambda p: distance_to(p.mean, seen), default=None)
        if nearest is None or distance_to(nearest.mean, seen) > SAME_PERSON_DISTANCE:
            nearest = _Person([], [])
            people.append(nearest)
        nearest.descriptors.append(seen)
        nearest.sides_px.append(side_px)
    return max(people, key=lambda p: (len(p.sides_px), np.mean(p.sides_px))).mean


def _faces(grey: NDArray[np.uint8]) -> list[FaceBox]:
    for height_px in _SEARCH_HEIGHTS_PX:
        if boxes := detect_everywhere(grey, height_px):
            return boxes[:_MOST_FACES]
    return []


@cache
def load_network() -> Any:
    """Load the network that describes faces, once a process."""
    import dlib
    import face_recognition_models as weights

    return dlib.face_recognition_model_v1(weights.face_recognition_model_location())
