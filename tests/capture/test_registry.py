import pytest

from capture.errors import ConfigError
from capture.registry import open_sensor, sensor_kinds
from capture.sensor import SensorConfig


def test_the_built_in_kinds_are_entry_points() -> None:
    assert {"simulated-kinect2", "simulated-a65", "test-pattern"} <= set(sensor_kinds())


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'test-pattern'"):
        open_sensor(SensorConfig("x", "test-patern"))


def test_options_are_checked_by_the_kind() -> None:
    with pytest.raises(ConfigError, match="did you mean 'rate_hz'"):
        open_sensor(SensorConfig("x", "test-pattern", {"rate": 5.0}))


def test_openers_that_take_long_report() -> None:
    reports: list[tuple[int, int]] = []
    config = SensorConfig("x", "test-pattern", {"open_s": 0.3})
    with open_sensor(config, on_progress=lambda *done: reports.append(done)):
        assert reports == [(0, 3), (1, 3), (2, 3)]
