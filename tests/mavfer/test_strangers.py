"""Other people in the picture: small ones behind the subject, and lit ones before a dark room."""

import cv2
import numpy as np
import pytest

from capture.simulation.moment import Moment
from mavfer.face_detector import face_box
from mavfer.faces import SEARCH_EVERY, FaceTracker
from mavfer.session_source import SessionSource
from mavfer.store_schema import (
    ANOTHER_PERSON,
    FACE_IN_INFRARED,
    FOUND,
    NO_DETECTION,
    STORE_MODALITIES,
)

from .conftest import RATE_HZ

ROWS = range(4)


def grey_of(moment: Moment) -> np.ndarray:
    return cv2.cvtColor(moment.images["color"], cv2.COLOR_BGR2GRAY)


def face_of(moment: Moment) -> np.ndarray:
    """The face alone, with what surrounds it."""
    box = face_box(moment.truth.landmarks_px["color"], 68)
    x, y, reach = round(box.x_px), round(box.y_px), round(0.9 * box.side_px)
    return grey_of(moment)[y - reach : y + reach, x - reach : x + reach]


def with_face(grey: np.ndarray, face: np.ndarray, x: int, y: int) -> np.ndarray:
    pasted = grey.copy()
    pasted[y : y + face.shape[0], x : x + face.shape[1]] = face
    return pasted


def test_people_far_behind_are_noticed_and_forgotten_when_they_left(ideal_moments) -> None:
    subject = grey_of(ideal_moments[0])
    height, width = subject.shape
    large = cv2.resize(subject, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    face = face_of(ideal_moments[1])
    small = cv2.resize(face, None, fx=1.3, fy=1.3, interpolation=cv2.INTER_AREA)
    crowd = with_face(large, small, 40, 40)
    tracker = FaceTracker(68)
    seen = [tracker.look(crowd) for _ in range(2 * SEARCH_EVERY)]
    assert not seen[0].several_faces  # the first search ends with the face it finds
    assert all(s.several_faces for s in seen[SEARCH_EVERY:])
    box = face_box(seen[-1].landmarks_px, 68)
    assert abs(box.x_px - 40 - small.shape[1] / 2) > box.side_px  # the large one is followed
    later = [tracker.look(large) for _ in range(4 * SEARCH_EVERY)]
    assert later[0].several_faces
    assert not later[-1].several_faces


@pytest.fixture
def dark_session(laboratory, face_calibration, monkeypatch) -> SessionSource:
    """A session whose color shows nothing at all."""
    source = SessionSource(
        laboratory.sessions[2],
        face_calibration,
        modalities=STORE_MODALITIES,
        rate_hz=RATE_HZ,
        tolerance_ns=60_000_000,
    )
    dark = np.full_like(source.grey(0), 12)
    monkeypatch.setattr(source, "grey", lambda row: dark)
    return source


@pytest.mark.parametrize("subject_is_there", [True, False])
def test_who_is_refused_in_color_does_not_hide_the_subject_in_infrared(
    dark_session, ideal_moments, monkeypatch, subject_is_there
) -> None:
    in_dark = dark_session.find_faces(ROWS, 68, None)
    assert (in_dark.face_source == FACE_IN_INFRARED).all()
    where_px = in_dark.landmarks_px[0].mean(axis=0)
    stranger = face_of(ideal_moments[0])
    if subject_is_there:  # and the stranger is elsewhere, in the light
        x, y = 5, 5
    else:  # what infrared finds is the stranger
        x, y = (round(v - stranger.shape[0] / 2) for v in where_px)
    lit = with_face(dark_session.grey(0), stranger, x, y)
    monkeypatch.setattr(dark_session, "grey", lambda row: lit)
    monkeypatch.setattr("mavfer.faces.describe", lambda *_: np.array([0.9]))
    track = dark_session.find_faces(ROWS, 68, np.array([0.0]))
    if subject_is_there:
        assert (track.face_source == FACE_IN_INFRARED).all()
        assert (track.reason == FOUND).all()
        np.testing.assert_allclose(track.landmarks_px, in_dark.landmarks_px, atol=1.0)
        assert track.several_faces[0]
        assert track.identity_switch[0]  # nothing tells who that is
    else:
        assert not track.face_source.any()
        assert set(track.reason) <= {ANOTHER_PERSON, NO_DETECTION}
        assert track.reason[0] == ANOTHER_PERSON
