import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.simulation.motion import HeadPose, Motion, resting_transform

ANCHOR = (0.0, 0.0, 0.9)
NOSE = np.array([0.0, -0.04, 0.11])


@given(st.integers(0, 2**32), st.floats(0, 1000))
def test_motion_stays_within_its_amplitude(seed: int, time_s: float) -> None:
    motion = Motion(seed, speech=1.0)
    pose = motion.pose(time_s)
    assert abs(pose.yaw_deg) <= 12
    assert abs(pose.pitch_deg - 1.5) <= 5
    assert abs(pose.roll_deg) <= 4
    assert 0 <= motion.blink(time_s) <= 1
    assert 0 <= motion.talking(time_s) <= 1
    assert np.hypot(*motion.gaze_m(time_s)) < 0.003


@given(st.integers(0, 2**32), st.floats(0, 20), st.sampled_from([2.0, 6.0]))
def test_a_loop_has_no_seam(seed: int, time_s: float, period_s: float) -> None:
    motion = Motion(seed, period_s=period_s, speech=1.0)

    def state(at_s: float) -> list[float]:
        pose = motion.pose(at_s)
        angles = [pose.yaw_deg, pose.pitch_deg, pose.roll_deg, *pose.shift_m]
        return [*angles, *motion.gaze_m(at_s), motion.blink(at_s), motion.talking(at_s)]

    assert state(time_s) == pytest.approx(state(time_s + period_s), abs=1e-6)


def test_eyes_blink_now_and_then() -> None:
    motion = Motion(2)
    open_share = np.mean([motion.blink(t) > 0.99 for t in np.arange(0, 60, 0.02)])
    assert 0.85 < open_share < 0.99


@pytest.mark.parametrize(
    ("pose", "axis", "sign"),
    [(HeadPose(yaw_deg=15), 0, 1), (HeadPose(yaw_deg=-15), 0, -1), (HeadPose(pitch_deg=15), 1, 1)],
)
def test_turning_moves_the_nose_as_documented(pose: HeadPose, axis: int, sign: int) -> None:
    moved = pose.transform(ANCHOR).apply(NOSE) - HeadPose().transform(ANCHOR).apply(NOSE)
    assert np.sign(moved[axis]) == sign
    assert abs(moved[axis]) > 0.01


def test_roll_turns_clockwise_in_the_image() -> None:
    eye = HeadPose(roll_deg=10).transform(ANCHOR).apply(np.array([0.03, 0.0, 0.09]))
    assert eye[1] > HeadPose().transform(ANCHOR).apply(np.array([0.03, 0.0, 0.09]))[1]


def test_the_head_at_rest_continues_the_torso() -> None:
    head, torso = HeadPose().transform(ANCHOR), resting_transform(ANCHOR)
    np.testing.assert_allclose(head.rotation, torso.rotation, atol=1e-15)
    np.testing.assert_allclose(head.translation_m, torso.translation_m, atol=1e-15)
