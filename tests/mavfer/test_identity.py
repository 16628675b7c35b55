"""One subject among several people: virtual ones side by side, and real ones where they are."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from capture.simulation.moment import Moment
from capture.simulation.scene import SubjectScene
from mavfer import face_identity
from mavfer.face_detector import face_box
from mavfer.face_identity import (
    Descriptor,
    choose_subject,
    describe,
    describe_people,
    distance_to,
)
from mavfer.faces import SEARCH_EVERY, FaceTracker
from mavfer.store_schema import ANOTHER_PERSON, FOUND, IMPLAUSIBLE, NO_DETECTION

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "face_clips"


def grey_of(moment: Moment) -> np.ndarray:
    return cv2.cvtColor(moment.images["color"], cv2.COLOR_BGR2GRAY)


@pytest.fixture(scope="module")
def people(small_rig) -> list[np.ndarray]:
    """Faces of two virtual subjects, cut from their images."""
    greys = []
    for seed in (2, 9):
        scene = SubjectScene(small_rig, subject_seed=seed, rate_hz=4.0, noise=False)
        greys.append(grey_of(scene.moment(0)))
    return greys


def beside(left: np.ndarray | None, right: np.ndarray | None) -> np.ndarray:
    """Put two pictures side by side; None leaves a side empty."""
    shape = next(p for p in (left, right) if p is not None).shape
    empty = np.full(shape, 120, np.uint8)
    return np.ascontiguousarray(
        np.hstack([empty if left is None else left, empty if right is None else right])
    )


def place(landmarks_px: np.ndarray | None, width_px: int) -> str:
    if landmarks_px is None:
        return "nowhere"
    return "left" if landmarks_px[:, 0].mean() < width_px / 2 else "right"


def test_other_people_do_not_draw_the_tracker_away_and_are_noticed(people) -> None:
    one, other = people
    tracker = FaceTracker(68)
    width_px = 2 * one.shape[1]
    first = tracker.look(beside(one, None))
    assert place(first.landmarks_px, width_px) == "left"
    assert not first.several_faces
    seen = [tracker.look(beside(one, other)) for _ in range(SEARCH_EVERY + 2)]
    assert {place(s.landmarks_px, width_px) for s in seen} == {"left"}
    assert not seen[0].several_faces
    assert seen[-1].several_faces
    assert not any(s.identity_switch for s in seen)


def test_a_face_that_jumps_is_flagged_where_nothing_tells_whose_it_is(people) -> None:
    one, other = people
    tracker = FaceTracker(68)
    tracker.look(beside(one, None))
    jumped = tracker.look(beside(None, other))
    assert jumped.landmarks_px is not None
    assert jumped.identity_switch
    assert not tracker.look(beside(None, other)).identity_switch


def similarity_by_side(monkeypatch: pytest.MonkeyPatch, width_px: int, subject_is: list) -> None:
    """Describe faces by where they are: virtual people resemble each other too much."""

    def describe_place(grey: np.ndarray, landmarks_px: np.ndarray, _count: int) -> np.ndarray:
        return np.array([0.0 if place(landmarks_px, width_px) == subject_is[0] else 0.9])

    monkeypatch.setattr("mavfer.faces.describe", describe_place)


def test_a_stranger_alone_is_refused_and_the_subject_found_again(people, monkeypatch) -> None:
    one, other = people
    width_px = 2 * one.shape[1]
    similarity_by_side(monkeypatch, width_px, ["left"])
    tracker = FaceTracker(68, subject=np.zeros(1))
    assert tracker.look(beside(one, None)).reason == FOUND
    for _ in range(3):
        stranger = tracker.look(beside(None, other))
        assert stranger.landmarks_px is None
        assert stranger.reason == ANOTHER_PERSON
    again = tracker.look(beside(one, other))
    assert place(again.landmarks_px, width_px) == "left"


def test_a_switch_is_put_right_and_the_images_since_are_doubted(people, monkeypatch) -> None:
    one, other = people
    width_px = 2 * one.shape[1]
    subject_is = ["left"]
    similarity_by_side(monkeypatch, width_px, subject_is)
    tracker = FaceTracker(68, subject=np.zeros(1))
    for _ in range(3):
        tracker.look(beside(one, other))
    subject_is[0] = "right"  # as if the two had changed places between two images
    seen = [tracker.look(beside(one, other)) for _ in range(SEARCH_EVERY + 2)]
    places = [place(s.landmarks_px, width_px) for s in seen]
    turn = places.index("right")
    assert set(places[turn:]) == {"right"}
    assert seen[turn].identity_switch
    assert seen[turn].doubtful_images == turn + 2
    assert sum(s.identity_switch for s in seen) == 1


def test_landmarks_that_contradict_the_box_are_no_face(people, monkeypatch) -> None:
    monkeypatch.setattr(
        "mavfer.faces.refined_landmarks", lambda grey, box, count: np.eye(68, 2) * 900 + 5
    )
    sighting = FaceTracker(68).look(people[0])
    assert sighting.landmarks_px is None
    assert sighting.reason == IMPLAUSIBLE
    assert np.isnan(sighting.confidence)


def test_confidence_is_between_0_and_1_and_falls_in_fog(people) -> None:
    clear = FaceTracker(68).look(people[0])
    fog = cv2.addWeighted(people[0], 0.25, np.full_like(people[0], 128), 0.75, 0)
    foggy = FaceTracker(68).look(cv2.GaussianBlur(fog, (0, 0), 3))
    assert 0.5 < clear.confidence < 1
    assert foggy.reason == NO_DETECTION or foggy.confidence < clear.confidence


def find_subject(greys: list[np.ndarray]) -> Descriptor | None:
    return choose_subject([describe_people(grey, 68) for grey in greys])


def test_the_subject_is_who_is_seen_most_then_who_is_larger(people, monkeypatch) -> None:
    one, other = people
    width_px = 2 * one.shape[1]

    def describe_place(grey: np.ndarray, landmarks_px: np.ndarray, _count: int) -> np.ndarray:
        return np.array([0.0 if place(landmarks_px, width_px) == "left" else 0.9])

    monkeypatch.setattr(face_identity, "describe", describe_place)
    both, left, right = beside(one, other), beside(one, None), beside(None, other)
    assert find_subject([both, right, right]) == [0.9]
    assert find_subject([left, both, left]) == [0.0]
    nearer = cv2.resize(other, None, fx=1.25, fy=1.25)[: one.shape[0], : one.shape[1]]
    assert find_subject([beside(one, nearer)]) == [0.9]
    assert find_subject([np.full((200, 300), 90, np.uint8)]) is None
    assert not len(describe_people(left, 68, at_least=2).descriptors)
    assert find_subject([left]) is None  # seen once and alone: nobody to be confused with


@pytest.fixture(scope="module")
def real_people() -> dict[str, list[np.ndarray]]:
    """Frames of three people's films, brightness, half size."""
    clips = sorted(CLIPS.glob("*.mp4"))
    if not clips:
        pytest.skip("no real face clips beside the repository")
    found = {}
    for path in clips:
        with av.open(str(path)) as container:
            frames = [f for k, f in enumerate(container.decode(video=0)) if k % 40 == 0][:5]
        greys = [cv2.cvtColor(f.to_ndarray(format="bgr24"), cv2.COLOR_BGR2GRAY) for f in frames]
        found[path.stem] = [
            cv2.resize(g, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for g in greys
        ]
    return found


def test_real_people_are_told_apart(real_people) -> None:
    described = {
        name: [describe(grey, FaceTracker(68).look(grey).landmarks_px, 68) for grey in greys]
        for name, greys in real_people.items()
    }
    for name, mine in described.items():
        for other, theirs in described.items():
            distances = [distance_to(a, b) for a in mine for b in theirs]
            if name == other:
                assert max(distances) < 0.55
            else:
                assert min(distances) > 0.65


def test_the_subject_is_followed_past_a_real_stranger(real_people) -> None:
    name, stranger = sorted(real_people)[:2]
    mine, theirs = real_people[name], real_people[stranger]
    subject = find_subject([beside(mine[0], theirs[0]), *mine[1:]])
    width_px = 2 * mine[0].shape[1]
    tracker = FaceTracker(68, subject=subject)
    alone = tracker.look(beside(None, theirs[0]))
    assert alone.landmarks_px is None
    assert alone.reason == ANOTHER_PERSON
    # Another camera, or a cut of the film: the stranger sits where the subject sat.
    for my_side in ("left", "right", "left"):
        for k in range(SEARCH_EVERY + 1):
            pair = (mine[k % 5], theirs[k % 5])
            seen = tracker.look(beside(*(pair if my_side == "left" else pair[::-1])))
        assert place(seen.landmarks_px, width_px) == my_side
        assert seen.several_faces
        assert face_box(seen.landmarks_px, 68).side_px > 50
