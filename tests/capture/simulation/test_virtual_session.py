import json
from pathlib import Path

import numpy as np
import pytest

from capture.errors import ConfigError
from capture.session import open_session
from capture.simulation.affect import AffectTrace
from capture.simulation.board import BoardScene
from capture.simulation.device import TRUTH_EVENT
from capture.simulation.moment import Moment
from capture.simulation.rig import SimulatedRig, kinect2_rig
from capture.simulation.scene import SubjectScene
from capture.simulation.virtual_session import write_virtual_session


def test_a_virtual_session_reads_like_a_recorded_one(
    small_rig: SimulatedRig, tmp_path: Path
) -> None:
    scene = SubjectScene(small_rig, subject_seed=4, trace_seed=9, rate_hz=4)
    steps: list[tuple[int, int]] = []
    path = write_virtual_session(
        tmp_path,
        scene,
        subject="S04",
        rate_hz=4,
        n_frames=6,
        on_progress=lambda done, total: steps.append((done, total)),
    )
    assert steps == [(k, 6) for k in range(1, 7)]
    session = open_session(path)
    assert (session.manifest.status, session.manifest.kind) == ("complete", "subject")
    assert set(session.recordings) == {"kinect2", "a65"}
    assert set(session.streams) == {"color", "depth", "infrared", "thermal"}
    expected = scene.moment(5)
    for name, stream in session.streams.items():
        elapsed_ns = stream.capture_time_ns - session.start_time_ns
        np.testing.assert_allclose(elapsed_ns, np.arange(6) * 250_000_000, atol=130_000)
        assert np.all(np.isfinite(stream.uncertainty_ns))
        frame = stream.read(5)
        if name == "color":
            assert np.abs(frame.image.astype(int) - expected.images["color"]).mean() < 4  # JPEG
            assert frame.gain == pytest.approx(scene.color_gain)
        else:
            np.testing.assert_array_equal(frame.image, expected.images[name])


def test_the_truth_travels_in_the_event_channel(small_rig: SimulatedRig, tmp_path: Path) -> None:
    scene = SubjectScene(small_rig, subject_seed=4, trace_seed=9, rate_hz=4)
    session = open_session(
        write_virtual_session(tmp_path, scene, subject="S04", rate_hz=4, n_frames=5)
    )
    events = [event for event in session.events if event.kind == TRUTH_EVENT]
    assert len(events) == len(session.streams["color"])
    for event in events:
        time_s = (event.capture_time_ns - session.start_time_ns) * 1e-9
        valence, arousal = AffectTrace(9).at(round(time_s * 4) / 4)
        assert event.data == {
            "valence": pytest.approx(valence, abs=1e-6),
            "arousal": pytest.approx(arousal, abs=1e-6),
        }


def test_no_stream_runs_faster_than_its_camera(tmp_path: Path) -> None:
    rig = kinect2_rig(scale=0.12)
    scene = SubjectScene(rig, subject_seed=4, light="dim", rate_hz=30)
    session = open_session(
        write_virtual_session(tmp_path, scene, subject="S", rate_hz=30, n_frames=12)
    )
    counts = {name: len(stream) for name, stream in session.streams.items()}
    assert counts == {"color": 6, "depth": 12, "infrared": 12, "thermal": 4}
    assert session.streams["color"].spec.nominal_rate_hz == 15
    assert session.streams["thermal"].spec.nominal_rate_hz == 10


def test_a_scene_may_be_sampled_more_coarsely(tmp_path: Path) -> None:
    rig = kinect2_rig(scale=0.12)
    scene = SubjectScene(rig, subject_seed=4, rate_hz=30)
    session = open_session(
        write_virtual_session(tmp_path, scene, subject="S", rate_hz=10, n_frames=3)
    )
    depth = session.streams["depth"].read(2).image
    np.testing.assert_array_equal(depth, scene.moment(6).images["depth"])


def test_a_board_session_has_no_truth_of_affect(tmp_path: Path) -> None:
    scene = BoardScene(kinect2_rig(scale=0.2), n_views=2, hold_s=0.2, rate_hz=10)
    path = write_virtual_session(
        tmp_path, scene, subject="BOARD", rate_hz=10, n_frames=4, kind="board"
    )
    session = open_session(path)
    assert session.manifest.kind == "board"
    assert session.events == ()


@pytest.mark.parametrize(("rate_hz", "n_frames"), [(3.0, 4), (60.0, 4), (4.0, 0)])
def test_what_cannot_be_written_is_refused_before_anything_is(
    small_rig: SimulatedRig, tmp_path: Path, rate_hz: float, n_frames: int
) -> None:
    scene = SubjectScene(small_rig, subject_seed=4, rate_hz=4)
    with pytest.raises(ConfigError, match="whole ratio"):
        write_virtual_session(tmp_path, scene, subject="S", rate_hz=rate_hz, n_frames=n_frames)
    assert not list(tmp_path.iterdir())


def test_what_fails_half_way_leaves_no_session(tmp_path: Path, small_rig: SimulatedRig) -> None:
    class Failing(SubjectScene):
        def moment(self, index: int) -> Moment:
            if index > 1:
                raise OSError(28, "No space left on device")
            return super().moment(index)

    scene = Failing(small_rig, subject_seed=1, rate_hz=4)
    with pytest.raises(OSError, match="No space left"):
        write_virtual_session(tmp_path, scene, subject="S01", rate_hz=4, n_frames=4)
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_says_who_was_simulated_as_data(
    tmp_path: Path, small_rig: SimulatedRig
) -> None:
    scene = SubjectScene(small_rig, subject_seed=1, rate_hz=4)
    path = write_virtual_session(tmp_path, scene, subject="S01", rate_hz=4, n_frames=1)
    identity = json.loads((path / "session.json").read_text())["rig"]["scene"]["identity"]
    assert identity["seed"] == 1
    assert identity["tone"] == scene.identity.tone
