import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.transform import RigidTransform

coordinates = st.lists(st.floats(-2, 2), min_size=3, max_size=3)
transforms = st.builds(RigidTransform.from_rotvec, coordinates, coordinates)


@given(transforms, coordinates)
def test_inverse_undoes(T_b_a, point):
    there_and_back = T_b_a.inverse().apply(T_b_a.apply(np.array(point)))
    assert there_and_back == pytest.approx(point, abs=1e-9)


@given(transforms, transforms, transforms, coordinates)
def test_chaining_is_associative_and_applies_right_to_left(T_d_c, T_c_b, T_b_a, point):
    point = np.array(point)
    stepwise = T_d_c.apply(T_c_b.apply(T_b_a.apply(point)))
    assert ((T_d_c @ T_c_b) @ T_b_a).apply(point) == pytest.approx(stepwise, abs=1e-9)
    assert (T_d_c @ (T_c_b @ T_b_a)).apply(point) == pytest.approx(stepwise, abs=1e-9)


@given(coordinates)
def test_rotation_agrees_with_opencv(rotvec):
    cv2 = pytest.importorskip("cv2")
    oracle, _ = cv2.Rodrigues(np.array(rotvec))
    assert RigidTransform.from_rotvec(rotvec, np.zeros(3)).rotation == pytest.approx(
        oracle, abs=1e-9
    )


@given(st.floats(0, 3.1))
def test_angle_is_that_of_the_rotation(angle):
    T = RigidTransform.from_rotvec([0.0, angle, 0.0], np.zeros(3))
    assert T.angle_deg == pytest.approx(np.degrees(angle), abs=1e-5)


@pytest.mark.parametrize(
    "rotation",
    [np.eye(3) * 1.01, np.diag([1.0, 1.0, -1.0]), np.full((3, 3), np.nan)],
)
def test_what_is_no_rotation_is_refused(rotation):
    with pytest.raises(ValueError, match="not a rotation"):
        RigidTransform(rotation, np.zeros(3))
