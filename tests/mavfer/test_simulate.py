"""Virtual sessions and simulated raters, through the files that real ones have."""

import numpy as np
import pytest

from annotation.agreement import ccc
from annotation.fusion import fuse
from annotation.fusion_options import FusionOptions
from annotation.labels import Labels
from annotation.raters_csv import load_traces
from capture.clock import HostIdentity
from capture.errors import MavferError
from capture.frame import DeviceEvent, Frame, StreamSpec
from capture.sensor import SensorInfo
from capture.session import create_session, open_session
from capture.simulation.device import TRUTH_EVENT
from capture.writer import RecordingWriter
from mavfer import virtual_sessions
from mavfer.cli import main
from mavfer.errors import DatasetError
from mavfer.info import describe
from mavfer.simulate import camera_scale, rate_sessions, read_truth, write_board
from mavfer.truth_scores import truth_scores
from mavfer.virtual_subjects import SubjectsPlan, write_subjects

TINY = SubjectsPlan(n_subjects=2, n_clips=2, n_frames=3, scale=0.2)


def write_session(root, valence, *, rate_hz=10.0, subject="S01", n_untold=0):
    """A session of black color frames with the given truth, its clocks far from zero.

    The last `n_untold` frames come without their truth, as when a recorder stops in between.
    """
    origin_ns = 5_000_000_000_000
    folder = create_session(root, subject=subject)
    spec = StreamSpec("color", "color", 8, 6, "BGR8", None, rate_hz)
    info = SensorInfo("mavfer", "simulated", "0", "0", (spec,))
    host = HostIdentity.read()
    image = np.zeros(spec.shape, np.uint8)
    with RecordingWriter(
        folder.path / "kinect2.mcap",
        daemon="kinect2",
        info=info,
        session_uuid=folder.manifest.uuid,
        host=host,
    ) as writer:
        for k, value in enumerate(valence):
            device_ns = 1_000 + round(k * 1e9 / rate_hz)
            host_ns = origin_ns + device_ns
            data = {"valence": value, "arousal": -value}
            writer.append(Frame("color", k, device_ns, host_ns, image))
            if k < len(valence) - n_untold:
                writer.event(DeviceEvent("color", TRUTH_EVENT, device_ns, host_ns, data))
    folder.update(status="complete", start_time_ns=origin_ns + 1_000)
    return folder.path


def test_truth_is_read_on_the_session_clock(tmp_path):
    path = write_session(tmp_path, [0.0, 0.25, 0.5])
    valence, arousal = read_truth(open_session(path))
    assert valence.session == path.name
    assert valence.time_ns == pytest.approx([0, 1e8, 2e8], abs=1000)
    assert valence.value.tolist() == [0.0, 0.25, 0.5]
    assert arousal.value.tolist() == [0.0, -0.25, -0.5]


def test_truth_is_held_to_the_last_frame(tmp_path):
    session = open_session(write_session(tmp_path, [0.0, 0.25, 0.5], n_untold=1))
    valence, _ = read_truth(session)
    assert valence.value.tolist() == [0.0, 0.25, 0.25]
    last_ns = int(session.streams["color"].capture_time_ns[-1]) - session.start_time_ns
    assert valence.time_ns[-1] == last_ns


def test_raters_follow_the_truth_and_cover_every_frame(tmp_path):
    path = write_session(tmp_path, 0.8 * np.sin(np.arange(300) / 30))
    session = open_session(path)
    traces = rate_sessions([path], n_raters=3, seed=1, lag_s=0.0, noise=0.5, rate_hz=10.0)
    assert sorted({(t.rater, t.dimension) for t in traces}) == [
        (f"R{n}", dimension) for n in (1, 2, 3) for dimension in ("arousal", "valence")
    ]
    frame_ns = session.streams["color"].capture_time_ns - session.start_time_ns
    truth = read_truth(session)[0]
    for trace in traces:
        said = trace.at(frame_ns)
        assert not np.any(np.isnan(said))
        if trace.dimension == "valence":
            assert ccc(said / 10, truth.at(frame_ns)) > 0.85


def test_gold_labels_are_near_the_truth_and_nearer_without_the_lag(tmp_path):
    path = write_session(tmp_path, 0.8 * np.sin(np.arange(300) / 30))
    session = open_session(path)
    traces = rate_sessions(
        [path],
        n_raters=6,
        seed=1,
        lag_s=0.5,
        noise=1.0,
        rate_hz=10.0,
        missing_share=0.1,
        n_frozen=1,
    )
    gold = Labels(fuse(traces, FusionOptions(min_raters=3)))
    as_it_is = truth_scores([session], gold)["valence"]
    in_time = truth_scores([session], gold, lag_s=0.5)["valence"]
    assert 0.5 < as_it_is["ccc"] < in_time["ccc"]
    assert in_time["cc"] > 0.9
    assert in_time["n_moments"] < as_it_is["n_moments"] <= 300
    nothing = truth_scores([session], Labels({}))["arousal"]
    assert nothing["n_moments"] == 0
    assert np.isnan(nothing["ccc"])
    with pytest.raises(DatasetError, match="4 frozen raters of 3"):
        rate_sessions([path], n_raters=3, seed=0, lag_s=0, noise=0, rate_hz=10, n_frozen=4)


def test_raters_command_writes_what_fusion_reads(tmp_path, capsys):
    sessions = [
        write_session(tmp_path, np.linspace(-0.5, 0.5, 20), subject=name) for name in ("S01", "S02")
    ]
    output = tmp_path / "raters.csv"
    words = ["simulate", "raters", *map(str, sessions), "-o", str(output), "--quiet"]
    assert main([*words, "--raters", "2"]) == 0
    assert "2 sessions, 2 simulated raters" in capsys.readouterr().out
    traces = load_traces([output])
    assert {trace.session for trace in traces} == {path.name for path in sessions}
    assert main(words) == 1
    assert "exists already" in capsys.readouterr().err


def test_real_people_cannot_be_rated_by_machine(tmp_path):
    path = write_session(tmp_path, [])
    with pytest.raises(DatasetError, match="holds no truth"):
        read_truth(open_session(path))
    with pytest.raises(MavferError, match=r"no session\.json"):
        rate_sessions([tmp_path], n_raters=1, seed=0, lag_s=0, noise=0, rate_hz=10)


def test_reduced_cameras_have_a_default():
    assert camera_scale(0.3) == {"color": 0.3, "infrared": 0.3, "thermal": 0.3}
    assert set(camera_scale(None)) == {"color", "infrared", "thermal"}
    with pytest.raises(DatasetError, match="scale is 3"):
        camera_scale(3.0)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"n_subjects": 0}, "subjects: 0 asked for"),
        ({"n_clips": 10**9}, "clips"),
        ({"rate_hz": 0.0}, "rate_hz is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"scale": 0.01}, "scale is 0.01"),
    ],
)
def test_impossible_plans_are_refused(change, complaint):
    with pytest.raises(DatasetError, match=complaint):
        SubjectsPlan(**change)


def test_board_session(tmp_path, capsys):
    path = write_board(tmp_path, n_views=1, scale=0.25)
    session = open_session(path)
    assert session.manifest.kind == "board"
    assert len(session.streams["thermal"]) == 5


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    root = tmp_path_factory.mktemp("cohort") / "virtual"
    return root, write_subjects(root, TINY, n_workers=1)


def test_subjects_have_named_complete_sessions(cohort):
    root, written = cohort
    assert written.n_new == 4
    assert [path.name for path in written.sessions] == [
        "V01_clip01",
        "V01_clip02",
        "V02_clip01",
        "V02_clip02",
    ]
    session = open_session(root / "V02_clip01")
    assert session.id == "V02_clip01"
    assert session.manifest.subject == "V02"
    assert session.manifest.status == "complete"
    assert set(session.streams) == {"color", "depth", "infrared", "thermal"}
    assert len(session.streams["color"]) == 3
    assert not list(root.glob(".V*"))


def test_clips_of_a_subject_differ(cohort):
    root, _ = cohort
    truths = [read_truth(open_session(root / name))[0] for name in ("V01_clip01", "V01_clip02")]
    assert not np.array_equal(truths[0].value, truths[1].value)


def test_an_interrupted_cohort_goes_on_and_processes_do_not_matter(cohort, tmp_path):
    root, _ = cohort
    other = tmp_path / "virtual"
    other.mkdir()
    virtual_sessions.write_session(
        other, next(s for s in TINY.sessions() if s.name == "V02_clip01")
    )
    kept = (other / "V02_clip01" / "session.json").read_bytes()
    (other / ".V02_clip02.partial").mkdir()  # what a killed process leaves
    seen = []
    written = write_subjects(
        other, TINY, n_workers=2, on_progress=lambda done, total: seen.append((done, total))
    )
    assert written.n_new == 3
    assert seen[-1] == (3, 3)
    assert (other / "V02_clip01" / "session.json").read_bytes() == kept
    assert not list(other.glob(".V*"))
    one, two = (open_session(each / "V02_clip02").streams["depth"] for each in (root, other))
    assert np.array_equal(one.read(2).image, two.read(2).image)


def test_another_plan_needs_another_folder(cohort):
    root, _ = cohort
    with pytest.raises(DatasetError, match="other options"):
        write_subjects(root, SubjectsPlan(n_subjects=3), n_workers=1)


def test_subjects_command_says_what_is_there(cohort, capsys):
    root, _ = cohort
    words = [
        "--subjects",
        "2",
        "--clips",
        "2",
        "--frames",
        "3",
        "--scale",
        "0.2",
        "--workers",
        "1",
        "--quiet",
    ]
    assert main(["simulate", "subjects", "-o", str(root), *words]) == 0
    assert "4 sessions of 2 virtual subjects, 12 moments (0 sessions new)" in (
        capsys.readouterr().out
    )


def test_info_knows_sessions_folders_and_recordings_cut_off_or_not(cohort, tmp_path):
    root, _ = cohort
    session = describe(root / "V01_clip01")
    assert (session["kind"], session["id"]) == ("session", "V01_clip01")
    assert describe(root / "V01_clip01" / "session.json")["id"] == "V01_clip01"
    folder = describe(root)
    assert folder["kind"] == "folder of sessions"
    assert folder["sessions_by_subject"] == {"V01": 2, "V02": 2}
    recording = root / "V01_clip01" / "a65.mcap"
    whole = describe(recording)
    assert whole["kind"] == "recording"
    assert whole["complete"]
    assert whole["streams"]["thermal"]["n_frames"] == 3
    cut = tmp_path / "cut"
    cut.write_bytes(recording.read_bytes()[:-100])
    assert not describe(cut)["complete"]
    cut.write_bytes(recording.read_bytes()[:50])
    with pytest.raises(MavferError, match="cut"):
        describe(cut)
