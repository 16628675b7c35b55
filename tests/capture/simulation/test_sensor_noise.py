import numpy as np
import pytest

from capture.frame import KELVIN_PER_COUNT
from capture.simulation.noise_color import ColorSensor
from capture.simulation.noise_thermal import ThermalSensor
from capture.simulation.noise_tof import TofSensor
from capture.simulation.srgb import linear_from_srgb, srgb_from_linear

NOTHING = np.full((80, 90), -1, np.int32)
BOX = np.array([0, 0, 90, 80])


def grey(level: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.full((80, 90, 3), level, np.float32)


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize(("gain", "scale"), [(1.0, 1.0), (8.0, 1.0), (8.0, 0.3)])
def test_color_noise_is_that_of_counted_electrons(moving: bool, gain: float, scale: float) -> None:
    light = grey(0.25 / gain)
    sensor = ColorSensor(
        light if not moving else grey(0), gain=gain, scale=scale, noise=True, seed=1
    )
    seen = np.zeros_like(NOTHING) if moving else NOTHING
    frames = np.stack([sensor.develop(light, seen, BOX, index) for index in range(12)])
    linear = linear_from_srgb(frames / 255)
    electrons = 6000 / gain
    variance = (0.25 / electrons + (6 / electrons) ** 2) * scale**2
    rounding = np.gradient(linear_from_srgb(np.array([136, 137, 138]) / 255))[1] ** 2 / 12
    assert linear.mean() == pytest.approx(0.25, rel=0.01)
    assert linear.std(axis=0).mean() == pytest.approx(np.sqrt(variance + rounding), rel=0.12)


def test_without_noise_color_is_the_srgb_code() -> None:
    sensor = ColorSensor(grey(0.2), gain=1.5, scale=1.0, noise=False, seed=1)
    image = sensor.develop_still(3)
    assert np.all(image == round(255 * float(srgb_from_linear(0.3))))


def measure(depth_m: float, albedo: float, cosine: float, shift_mm: float = 0.0) -> np.ndarray:
    sensor = TofSensor(shift_mm=shift_mm, noise=True, seed=4)
    fields = [np.full((60, 70), value, np.float32) for value in (depth_m, albedo, cosine)]
    return np.stack([sensor.measure(*fields, index)[0] for index in range(10)]).astype(float)


def test_depth_noise_is_a_few_millimetres_without_bias() -> None:
    depth = measure(0.8, 0.55, 1.0, shift_mm=-13.354)
    assert depth.mean() == pytest.approx(813.354, abs=0.1)
    assert 1.0 < depth.std(axis=0).mean() < 2.0


def test_dark_surfaces_that_are_often_lost_are_not_measured_too_near() -> None:
    depth = measure(1.4, 0.07, 1.0)
    seen = depth[depth > 0]
    assert 0.02 < (depth == 0).mean() < 0.9
    assert seen.mean() == pytest.approx(1400, abs=4 * seen.std() / len(seen) ** 0.5)


def test_depth_noise_grows_with_distance_and_darkness() -> None:
    near, far, dark = measure(0.8, 0.55, 1.0), measure(3.0, 0.55, 1.0), measure(0.8, 0.12, 1.0)
    assert near.std(axis=0).mean() < far.std(axis=0).mean()
    assert near.std(axis=0).mean() < dark.std(axis=0).mean()


@pytest.mark.parametrize(
    ("depth_m", "albedo", "cosine"), [(0.3, 0.6, 1), (5.0, 0.9, 1), (3, 0.02, 1)]
)
def test_what_the_camera_cannot_measure_is_zero(
    depth_m: float, albedo: float, cosine: float
) -> None:
    assert np.mean(measure(depth_m, albedo, cosine) == 0) > 0.95


def test_edges_have_holes_and_mixed_pixels() -> None:
    depth_m = np.full((60, 70), 0.8, np.float32)
    depth_m[:, 35:] = 2.0
    albedo, cosine = np.full_like(depth_m, 0.6), np.ones_like(depth_m)
    sensor = TofSensor(shift_mm=0.0, noise=True, seed=4)
    edge = np.stack([sensor.measure(depth_m, albedo, cosine, k)[0][:, 33:37] for k in range(20)])
    assert 0.1 < np.mean(edge == 0) < 0.5
    assert np.any((edge > 850) & (edge < 1950))


def test_infrared_falls_with_the_square_of_the_distance() -> None:
    sensor = TofSensor(shift_mm=0.0, noise=False, seed=4)
    one = np.ones((4, 4), np.float32)
    near, far = (int(sensor.measure(z * one, one, one, 0)[1][0, 0]) for z in (1.0, 2.0))
    assert (near - 22) == pytest.approx(4 * (far - 22), abs=4)


def test_thermal_noise_is_about_50_mk_in_counts_of_40_mk() -> None:
    sensor = ThermalSensor(60, 80, scale=1.0, noise=True, seed=2)
    skin = np.full((60, 80), 34.0, np.float32)
    counts = np.stack([sensor.measure(skin, 0.0, index) for index in range(30)]).astype(float)
    kelvin = counts * KELVIN_PER_COUNT
    assert kelvin.std(axis=0).mean() == pytest.approx(np.hypot(0.050, 0.04 / 12**0.5), rel=0.1)
    # emissivity 0.98 against a room of 22 C
    assert kelvin.mean() == pytest.approx(0.98 * 34 + 0.02 * 22 + 273.15, abs=0.05)
