import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.camera import CameraModel

KINECT_COLOR = CameraModel(
    1920, 1080, 1059.9, 1053.9, 954.9, 523.7, (0.0563, -0.0742, 0.0014, -0.0017, 0.0241)
)
RATIONAL = CameraModel(
    512, 424, 365.5, 365.6, 257.1, 208.3, (0.2, -0.3, 3e-4, -2e-4, 0.05, 0.1, -0.02, 0.01)
)
finite = st.floats(-0.6, 0.6)


@pytest.mark.parametrize("camera", [KINECT_COLOR, RATIONAL, KINECT_COLOR.without_distortion()])
@given(x=finite, y=st.floats(-0.45, 0.45), z=st.floats(0.3, 8.0))
def test_unproject_inverts_project(camera, x, y, z):
    point = np.array([x * z, y * z, z])
    assert camera.unproject(camera.project(point)) == pytest.approx([x, y], abs=1e-9)


def test_projection_agrees_with_opencv():
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    points = rng.uniform([-0.5, -0.4, 0.6], [0.5, 0.4, 2.0], (50, 3))
    for camera in (KINECT_COLOR, RATIONAL):
        oracle, _ = cv2.projectPoints(
            points, np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.distortion)
        )
        assert camera.project(points) == pytest.approx(oracle[:, 0], abs=1e-9)


def test_pixels_that_no_ray_reaches_are_nan_and_raise_no_warning():
    folding = CameraModel(640, 480, 300.0, 300.0, 320.0, 240.0, (-0.6, 0.0, 0.0, 0.0, 0.0))
    rays = folding.rays()
    assert np.isfinite(rays[240, 320]).all()
    assert np.isnan(rays[0, 0]).all()
    reached = np.isfinite(rays).all(axis=-1)
    pixels = folding.distort(rays[reached]) * 300.0 + [320.0, 240.0]
    v, u = np.nonzero(reached)
    assert pixels == pytest.approx(np.stack([u, v], axis=-1), abs=1e-4)


def test_scaled_camera_sees_the_resized_image():
    # the centre of the top-left 2x2 block of pixels is the top-left pixel of the half-size image
    half = KINECT_COLOR.scaled(0.5)
    assert (half.width_px, half.height_px) == (960, 540)
    ray = KINECT_COLOR.unproject(np.array([0.5, 0.5]))
    assert half.project(np.array([*ray, 1.0])) == pytest.approx([0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize(
    "values",
    [
        {"distortion": (0.1, 0.2)},
        {"fx_px": 0.0},
        {"width_px": 0},
    ],
)
def test_impossible_intrinsics_are_refused(values):
    good = {"width_px": 4, "height_px": 4, "fx_px": 1.0, "fy_px": 1.0, "cx_px": 1.0, "cy_px": 1.0}
    with pytest.raises(ValueError, match=r"distortion|positive"):
        CameraModel(**{**good, **values})
