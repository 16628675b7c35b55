"""Faces are found where they are: virtual subjects, and real photographs where they lie about."""

import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.registration import undistort_color_px
from mavfer.face_detector import face_box
from mavfer.faces import FaceTracker
from mavfer.infrared_faces import carry_to_color, infrared_to_grey
from mavfer.landmarks import ANCHORS

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data" / "dlib_faces"
INNER = slice(17, 68)


def grey_of(moment) -> np.ndarray:
    return cv2.cvtColor(moment.images["color"], cv2.COLOR_BGR2GRAY)


def eye_distance(landmarks: np.ndarray) -> float:
    return float(np.linalg.norm(landmarks[36] - landmarks[45]))


@pytest.mark.parametrize("count", [68, 5])
def test_anchors_are_found_within_a_tenth_of_the_eye_distance(ideal_moments, count) -> None:
    tracker = FaceTracker(count)
    five_as_68 = [45, 42, 36, 39, 33]
    for moment in ideal_moments:
        found = tracker.look(grey_of(moment)).landmarks_px
        assert found is not None
        assert found.shape == (count, 2)
        truth = moment.truth.landmarks_px["color"]
        expected = truth if count == 68 else truth[five_as_68]
        anchors = list(ANCHORS[count])
        error = np.linalg.norm(found[anchors] - expected[anchors], axis=1).mean()
        assert error < 0.1 * eye_distance(truth)


def test_inner_landmarks_are_as_good_as_the_bar_asks(ideal_moments) -> None:
    tracker = FaceTracker(68)
    errors = []
    for moment in ideal_moments:
        truth = moment.truth.landmarks_px["color"]
        found = tracker.look(grey_of(moment)).landmarks_px
        errors.append(np.linalg.norm((found - truth)[INNER], axis=1).mean() / eye_distance(truth))
    assert np.median(errors) <= 0.04


def test_landmarks_keep_their_sub_pixel_place_when_the_picture_moves(ideal_moments) -> None:
    grey = grey_of(ideal_moments[0])
    still = FaceTracker(68).look(grey).landmarks_px
    for shift in (0.25, 0.5, 3.75):
        moved = cv2.warpAffine(grey, np.array([[1, 0, shift], [0, 1, 0.0]]), grey.shape[::-1])
        found = FaceTracker(68).look(moved).landmarks_px
        assert np.abs((found - still)[list(ANCHORS[68])].mean(axis=0) - [shift, 0]).max() < 0.6


def test_small_and_large_pictures_of_one_face_agree(ideal_moments) -> None:
    grey = grey_of(ideal_moments[0])
    expected = FaceTracker(68).look(grey).landmarks_px
    for scale in (0.5, 2.0):
        resized = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found = (FaceTracker(68).look(resized).landmarks_px + 0.5) / scale - 0.5
        assert np.abs(found - expected)[INNER].mean() < 0.05 * eye_distance(expected)


def test_a_face_at_the_picture_edge_does_not_break_tracking(ideal_moments) -> None:
    grey = grey_of(ideal_moments[0])
    box = face_box(FaceTracker(68).look(grey).landmarks_px, 68)
    left = int(box.x_px - 0.75 * box.side_px)
    tracker = FaceTracker(68)
    for cut in (left, left + 5):
        found = tracker.look(np.ascontiguousarray(grey[:, cut:])).landmarks_px
        assert found is not None


def test_no_face_is_none_and_the_tracker_recovers(ideal_moments) -> None:
    grey = grey_of(ideal_moments[0])
    tracker = FaceTracker(68)
    assert tracker.look(np.full_like(grey, 90)).landmarks_px is None
    first = tracker.look(grey).landmarks_px
    assert tracker.look(np.zeros_like(grey)).landmarks_px is None
    np.testing.assert_allclose(tracker.look(grey).landmarks_px, first, atol=1.0)


def test_tracking_repeats_itself(ideal_moments) -> None:
    def run() -> list[np.ndarray]:
        tracker = FaceTracker(68)
        return [tracker.look(grey_of(moment)).landmarks_px for moment in ideal_moments]

    np.testing.assert_array_equal(run(), run())


def test_in_the_dark_infrared_finds_the_face_and_carries_it_to_color(
    dark_moments, face_calibration
) -> None:
    in_color, in_infrared = FaceTracker(68), FaceTracker(68, search_heights_px=(720,))
    missed = 0
    for moment in dark_moments:
        missed += in_color.look(grey_of(moment)).landmarks_px is None
        found = in_infrared.look(infrared_to_grey(moment.images["infrared"])).landmarks_px
        carried = carry_to_color(found, moment.images["depth"], face_calibration)
        truth = undistort_color_px(moment.truth.landmarks_px["color"], face_calibration)
        error = np.linalg.norm((carried - truth)[list(ANCHORS[68])], axis=1).mean()
        assert error < 0.1 * eye_distance(truth)
    assert missed > 0, "the scene is not dark enough to need infrared"


def test_carrying_is_exact_where_depth_is(ideal_moments, face_calibration) -> None:
    for moment in ideal_moments:
        truth = moment.truth.landmarks_px
        carried = carry_to_color(truth["infrared"], moment.images["depth"], face_calibration)
        expected = undistort_color_px(truth["color"], face_calibration)
        error = np.linalg.norm((carried - expected)[INNER], axis=1)
        assert np.median(error) < 0.1
        assert error.max() < 1.0


def test_without_depth_nothing_is_carried(ideal_moments, face_calibration) -> None:
    depth = np.zeros_like(ideal_moments[0].images["depth"])
    points = ideal_moments[0].truth.landmarks_px["infrared"]
    assert carry_to_color(points, depth, face_calibration) is None


def test_landmarks_agree_with_people_on_real_photographs() -> None:
    listing = PHOTOGRAPHS / "testing_with_face_landmarks.xml"
    if not listing.is_file():
        pytest.skip("no photographs with landmarks placed by people beside the repository")
    errors = []
    for picture in ET.parse(listing).getroot().iter("image"):
        grey = cv2.imread(str(PHOTOGRAPHS / picture.attrib["file"]), cv2.IMREAD_GRAYSCALE)
        found = FaceTracker(68).look(grey).landmarks_px
        assert found is not None
        people = [
            np.array([[float(p.attrib["x"]), float(p.attrib["y"])] for p in box.iter("part")])
            for box in picture.iter("box")
        ]
        distances = [np.linalg.norm(found - p, axis=1).mean() / eye_distance(p) for p in people]
        errors.append(min(distances))
    assert np.mean(errors) < 0.05
