from pathlib import Path

import pytest

from capture.config import RigConfig, load_rig_config
from capture.errors import ConfigError

GOOD = """\
schema_version = 1
name = "lab"
[[sensor]]
name = "kinect2"
kind = "test-pattern"
[sensor.options]
rate_hz = 15.0
[[sensor]]
name = "a65"
kind = "simulated-a65"
address = "tcp://10.0.0.7:5570"
"""


def load(tmp_path: Path, text: str) -> RigConfig:
    path = tmp_path / "rig.toml"
    path.write_text(text)
    return load_rig_config(path)


def test_a_rig_file_is_read(tmp_path: Path) -> None:
    rig = load(tmp_path, GOOD)
    assert [entry.name for entry in rig.sensor] == ["kinect2", "a65"]
    assert rig.entry("kinect2").config.options == {"rate_hz": 15.0}
    assert rig.entry("kinect2").address == "local"
    assert rig.entry("a65").address == "tcp://10.0.0.7:5570"


def test_how_images_are_stored_is_the_rigs_to_say(tmp_path: Path) -> None:
    kind = 'kind = "test-pattern"'
    rig = load(tmp_path, GOOD.replace(kind, kind + '\ncodec = "raw"\njpeg_quality = 75'))
    asked = rig.entry("kinect2").config
    assert (asked.codec, asked.jpeg_quality) == ("raw", 75)
    default = rig.entry("a65").config
    assert (default.codec, default.jpeg_quality) == ("compressed", 90)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "lab"', 'nmae = "lab"', "did you mean 'name'"),
        ('kind = "test-pattern"', 'kinds = "test-pattern"', "did you mean 'kind'"),
        ("schema_version = 1", "", "schema_version is missing"),
        ("schema_version = 1", "schema_version = 7", "schema_version 7"),
        ('name = "a65"', 'name = "kinect2"', "two sensors"),
        ('name = "a65"', 'name = "../a65"', "not allowed"),
        ("tcp://10.0.0.7:5570", "10.0.0.7", "neither"),
        ("rate_hz = 15.0", "rate_hz = ", "no TOML"),
        ("[sensor.options]\nrate_hz = 15.0", "options = 3", "options is int"),
        ('kind = "test-pattern"', 'kind = "test-pattern"\ncodec = "png"', "codec"),
        ('kind = "test-pattern"', 'kind = "test-pattern"\njpeg_quality = 0', "1 to 100"),
        ('kind = "test-pattern"', 'kind = "test-pattern"\njpeg_quality = 101', "1 to 100"),
    ],
)
def test_what_cannot_be_meant_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, GOOD.replace(old, new, 1))


def test_an_empty_rig_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \[\[sensor\]\]"):
        load(tmp_path, 'schema_version = 1\nname = "x"\nsensor = []\n')
    with pytest.raises(ConfigError, match="cannot be read"):
        load_rig_config(tmp_path / "none.toml")


def test_an_unknown_sensor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known: kinect2, a65"):
        load(tmp_path, GOOD).entry("webcam")


def test_the_embedded_rig_has_the_papers_two_cameras() -> None:
    rig = RigConfig.simulated(scene="board")
    assert [entry.kind for entry in rig.sensor] == ["simulated-kinect2", "simulated-a65"]
    assert all(entry.options == {"scene": "board"} for entry in rig.sensor)
