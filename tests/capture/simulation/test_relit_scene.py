"""One subject under changing light."""

import numpy as np
import pytest

from capture.errors import ConfigError
from capture.session import open_session
from capture.simulation.relit_scene import RelitScene
from capture.simulation.rig import SimulatedRig
from capture.simulation.scene import SubjectScene
from capture.simulation.virtual_session import write_virtual_session

LIGHTS = ((0.0, "normal"), (0.5, "near-dark"), (1.0, "normal"))


def test_each_moment_is_that_of_its_light(small_rig: SimulatedRig) -> None:
    options = {"subject_seed": 4, "trace_seed": 8, "rate_hz": 4.0}
    relit = RelitScene(small_rig, LIGHTS, **options)
    for index, light in enumerate(["normal", "normal", "near-dark", "near-dark", "normal"]):
        expected = SubjectScene(small_rig, light=light, **options).moment(index)
        got = relit.moment(index)
        assert got.color_gain == expected.color_gain
        for name, image in expected.images.items():
            np.testing.assert_array_equal(got.images[name], image, err_msg=name)


def test_lights_are_stages_of_the_session_and_in_every_recording(
    small_rig: SimulatedRig, tmp_path
) -> None:
    scene = RelitScene(small_rig, LIGHTS, subject_seed=4, rate_hz=4.0)
    stages = [(time_s, f"light {light}") for time_s, light in scene.stages]
    path = write_virtual_session(
        tmp_path, scene, subject="S04", rate_hz=4, n_frames=6, stages=stages
    )
    session = open_session(path)
    told = [
        ((mark.time_ns - session.start_time_ns) * 1e-9, mark.label)
        for mark in session.manifest.marks
    ]
    assert told == [(pytest.approx(time_s, abs=1e-6), label) for time_s, label in stages]
    for recording in session.recordings.values():
        events = [event for event in recording.events if event.kind == "stage"]
        assert [event.data["label"] for event in events] == [label for _, label in stages]
    gains = [session.streams["color"].read(k).gain for k in range(6)]
    assert gains[0] == gains[1] == gains[4] == gains[5]
    assert gains[2] == gains[3] > gains[0]


@pytest.mark.parametrize(
    "lights",
    [(), ((1.0, "normal"),), ((0.0, "normal"), (0.0, "dim")), ((0.0, "candle"),)],
)
def test_impossible_lights_are_refused(
    small_rig: SimulatedRig, lights: tuple[tuple[float, str], ...]
) -> None:
    with pytest.raises(ConfigError):
        RelitScene(small_rig, lights, subject_seed=1)
