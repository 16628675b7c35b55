"""From sessions and video files to a store, through the command users type."""

import json
import os
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from annotation.labels import load_labels
from calibration.registration import undistort_color_px
from capture.digest import digest_file
from capture.simulation.scene import SubjectScene
from mavfer.build_cli import main
from mavfer.landmarks import ANCHORS
from mavfer.session_source import _light
from mavfer.store import open_store
from mavfer.store_description import describe_store

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "face_clips"


def run(capsys, *arguments: object) -> tuple[int, dict, str]:
    status = main(["--workers", "1", *map(str, arguments), "--json", "--quiet"])
    captured = capsys.readouterr()
    return status, json.loads(captured.out) if captured.out else {}, captured.err


@pytest.fixture(scope="module")
def built(laboratory, tmp_path_factory) -> Path:
    """The laboratory's store, by two processes."""
    path = tmp_path_factory.mktemp("built") / "store.h5"
    status = main(
        [
            *map(str, laboratory.sessions),
            *("--calibration", str(laboratory.calibration), "--labels", str(laboratory.labels)),
            *("-o", str(path), "--preview", str(path.with_suffix(".png"))),
            *("--workers", "2", "--quiet"),
        ]
    )
    assert status == 0
    return path


def test_every_moment_has_its_face_and_all_modalities(laboratory, built) -> None:
    store = open_store(built)
    assert list(store.videos) == sorted(path.name for path in laboratory.sessions)
    assert {video.split for video in store.videos.values()} == {"train", "validation", "test"}
    for name, video in store.videos.items():
        assert video.n_frames == 18
        assert len(store.clips(video.split, stride_frames=16)) == 2
        valid = store.valid(name)
        assert {k: v.mean() for k, v in valid.items()} == {"face": 1, "depth": 1, "thermal": 1}
        assert store.read(name, 0, 18, "color").std(axis=(1, 2, 3)).min() > 1
        middle = store.read(name, 0, 18, "depth")[:, 30:60, 30:60]
        assert 600 < np.median(middle[middle > 0]) < 1000
        kelvin = np.median(store.read(name, 0, 18, "thermal")[:, 50:60, 30:65]) * 0.04
        assert 303 < kelvin < 312


def test_labels_are_those_of_the_frames_own_times(laboratory, built) -> None:
    store = open_store(built)
    labels = load_labels(laboratory.labels)
    for name in store.videos:
        expected = labels.at(name, "valence", store.time_ns(name))
        np.testing.assert_allclose(store.labels(name, "valence"), expected, atol=1e-6)
        np.testing.assert_allclose(np.diff(store.time_ns(name)), 250e6, atol=2e6)
        truth = [laboratory.scenes[name].state_at(t / 1e9).arousal for t in store.time_ns(name)]
        np.testing.assert_allclose(store.labels(name, "arousal"), truth, atol=0.02)


def test_no_row_is_of_another_moment(laboratory, built, face_calibration) -> None:
    """Landmarks and labels are those of the very moment that the row's frame shows."""
    store, anchors = open_store(built), list(ANCHORS[68])
    for name, scene in laboratory.scenes.items():
        every = max(1, round(scene.rate_hz / scene.color_rate_hz))
        seq, found = store.seq(name, "color"), store.landmarks_px(name)
        for row in range(0, 18, 4):
            moment = scene.moment(int(seq[row]) * every)
            truth_px = undistort_color_px(moment.truth.landmarks_px["color"], face_calibration)
            away = np.linalg.norm((found[row] - truth_px)[anchors].mean(axis=0))
            assert away < 0.1 * np.linalg.norm(truth_px[36] - truth_px[45])
            assert abs(store.labels(name, "valence")[row] - moment.truth.valence) < 0.02
            assert abs(store.labels(name, "arousal")[row] - moment.truth.arousal) < 0.02


def test_provenance_and_consent_travel_with_the_store(laboratory, built) -> None:
    provenance = describe_store(built)["provenance"]
    assert len(provenance["calibration"]["sha256"]) == 64
    assert provenance["labels"]["name"] == "labels.csv"
    assert provenance["options"]["layout"]["crop_px"] == 96
    manifests = [json.loads((p / "session.json").read_text()) for p in laboratory.sessions]
    assert set(provenance["sources"].values()) == {m["uuid"] for m in manifests}


def test_preview_shows_a_row_a_video(built) -> None:
    sheet = cv2.imread(str(built.with_suffix(".png")))
    assert sheet.shape[0] == 3 * (96 + 14)
    assert sheet.std() > 20


def test_one_process_builds_the_same_store(laboratory, built, tmp_path, capsys) -> None:
    status, summary, _ = run(
        capsys, *laboratory.sessions[::-1], "--calibration", laboratory.calibration,
        "--labels", laboratory.labels, "-o", tmp_path / "again.h5",
    )  # fmt: skip
    assert status == 0
    assert summary["fingerprint"] == open_store(built).fingerprint
    assert summary["face_percent"] == 100


def test_five_points_and_color_only(laboratory, tmp_path, capsys) -> None:
    status, summary, _ = run(
        capsys, laboratory.sessions[0], "--calibration", laboratory.calibration,
        "-o", tmp_path / "s.h5", "--landmarks", 5, "--modalities", "color", "--split", "none",
        "--crop-px", 48,
    )  # fmt: skip
    assert status == 0
    assert summary["modalities"] == ["color"]
    store = open_store(tmp_path / "s.h5")
    name = laboratory.sessions[0].name
    assert store.landmarks_px(name).shape == (18, 5, 2)
    assert store.read(name, 0, 1, "color").shape == (1, 48, 48, 3)
    assert np.isnan(store.labels(name, "valence")).all()


def test_a_bad_session_is_named_and_the_others_are_kept_if_asked(
    laboratory, tmp_path, capsys
) -> None:
    bad = tmp_path / "20200101-000000_S99"
    shutil.copytree(laboratory.sessions[0], bad)
    recording = next(bad.glob("kinect2*.mcap"))
    recording.write_bytes(b"garbage" * 100)
    arguments = (
        laboratory.sessions[0], bad, "--calibration", laboratory.calibration,
        "-o", tmp_path / "s.h5", "--split", "none",
    )  # fmt: skip
    status, summary, message = run(capsys, *arguments)
    assert status == 1
    assert summary["store"] is None
    assert str(bad) in summary["failed"]
    assert bad.name in message
    assert "--skip-bad" in message
    assert not (tmp_path / "s.h5").exists()
    status, summary, _ = run(capsys, *arguments, "--skip-bad")
    assert status == 0
    assert list(summary["videos"]) == [laboratory.sessions[0].name]
    assert str(bad) in summary["failed"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [bad.name, "s.h5"]


def test_without_consent_nothing_is_built(laboratory, tmp_path, capsys) -> None:
    session = tmp_path / laboratory.sessions[0].name
    shutil.copytree(laboratory.sessions[0], session)
    manifest = json.loads((session / "session.json").read_text())
    manifest["consent"]["record"] = False
    (session / "session.json").write_text(json.dumps(manifest))
    status, _, error = run(
        capsys, session, "--calibration", laboratory.calibration, "-o", tmp_path / "s.h5",
        "--split", "none",
    )  # fmt: skip
    assert status == 1
    assert "does not agree to be recorded" in error


def test_after_the_consents_last_day_nothing_is_built(laboratory, tmp_path, capsys) -> None:
    session = tmp_path / laboratory.sessions[0].name
    shutil.copytree(laboratory.sessions[0], session)
    manifest = json.loads((session / "session.json").read_text())
    manifest["consent"]["until"] = "2001-12-31"
    (session / "session.json").write_text(json.dumps(manifest))
    status, _, error = run(
        capsys, session, "--calibration", laboratory.calibration, "-o", tmp_path / "s.h5",
        "--split", "none",
    )  # fmt: skip
    assert status == 1
    assert "ended on 2001-12-31" in error


def test_a_recording_that_breaks_off_is_stored_and_told(laboratory, tmp_path, capsys) -> None:
    session = tmp_path / laboratory.sessions[0].name
    shutil.copytree(laboratory.sessions[0], session)
    recording = session / "kinect2.mcap"
    recording.write_bytes(recording.read_bytes()[:-10])
    status, summary, _ = run(
        capsys, session, "--calibration", laboratory.calibration, "-o", tmp_path / "s.h5",
        "--split", "none",
    )  # fmt: skip
    assert status == 0
    video = summary["videos"][session.name]
    assert video["frames"] == 18
    assert "kinect2.mcap breaks off" in video["damage"][0]


def test_what_is_read_is_never_written_over(laboratory, tmp_path, capsys) -> None:
    session = tmp_path / "sessions" / laboratory.sessions[0].name
    shutil.copytree(laboratory.sessions[0], session)
    film, recording = tmp_path / "film.mp4", session / "a65.mcap"
    film.write_text("irreplaceable")
    recorded = recording.read_bytes()
    sessions = (session.parent, "--calibration", laboratory.calibration, "--split", "none")
    for arguments, message in (
        ((*sessions, "-o", recording), "is an input too"),
        ((*sessions, "-o", session / "store.h5"), "which is read"),
        ((*sessions, "-o", tmp_path / "s.h5", "--preview", recording), "is an input too"),
        (("--video", film, "-o", tmp_path / "s.h5", "--preview", film), "is an input too"),
        ((*sessions, "-o", session.parent), "is a folder"),
        ((*sessions, "-o", tmp_path / "s.h5", "--preview", tmp_path), "is a folder"),
        ((*sessions, "-o", tmp_path / "s.h5", "--preview", film / "x.png"), "is a file"),
    ):
        status, _, error = run(capsys, *arguments, "--overwrite")
        assert status == 1, arguments
        assert message in error
    assert recording.read_bytes() == recorded
    assert film.read_text() == "irreplaceable"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.mp4", "sessions"]


def test_a_session_whose_manifest_is_lost_is_named(laboratory, tmp_path, capsys) -> None:
    sessions = tmp_path / "sessions"
    for session in laboratory.sessions[:2]:
        shutil.copytree(session, sessions / session.name)
    lost = sessions / laboratory.sessions[1].name
    (lost / "session.json").unlink()
    arguments = (sessions, "--calibration", laboratory.calibration, "--split", "none")
    status, summary, _ = run(capsys, *arguments, "-o", tmp_path / "s.h5")
    assert status == 1
    assert "has no session.json" in summary["failed"][str(lost)]


def test_what_cannot_be_meant_is_refused_at_once(laboratory, tmp_path, capsys) -> None:
    session, calibration = laboratory.sessions[0], laboratory.calibration
    store, other_labels = tmp_path / "s.h5", tmp_path / "labels.csv"
    other_labels.write_text("session,time_s,valence,arousal,n_raters\nanother,0,0.1,0.2,3\n")
    for arguments, message in (
        ((), "nothing to build from"),
        ((session,), "sessions need a calibration"),
        ((session, "--calibration", calibration), "1 subject"),
        ((session, session, "--calibration", calibration), "two sources are called"),
        ((session, "--calibration", calibration, "--rate-hz", "native"), "native rate"),
        ((session, "--calibration", calibration, "--modalities", "depth"), "expected color"),
        (
            (session, "--calibration", calibration, "--labels", other_labels),
            "about none of the sources, only about another",
        ),
        ((session, "--calibration", calibration, "--preview", store), "names the store itself"),
        ((session, "--video", "x.mp4"), "cannot share a store"),
        (("--video", "x.mp4", "--subjects", "a", "b"), "names 2 for 1"),
        (("--video", tmp_path / "x.mp4"), "no video file at"),
        ((other_labels, "--calibration", calibration), "films are named after --video"),
        (("--video", "x.mp4", "X.mp4", "--subjects", "a", "b"), "nothing but case"),
        (("--video", "x.mp4", "y.mp4", "--subjects", "a", "A"), "nothing but case"),
        (("--video", "x.mp4", "--subjects", "../a"), "the subject's name is '../a'"),
        (("--video", "x.mp4", "--subjects", " "), "the subject's name is ' '"),
        (("--video", "x\n.mp4"), "the source's name is"),
        ((session, "--calibration", tmp_path / "none.yaml"), "none.yaml"),
        ((tmp_path, "--calibration", calibration), "session.json"),
        ((session, "--calibration", calibration, "--workers", "0"), "at least 1"),
    ):
        split = () if "1 subject" in message else ("--split", "none")
        status, _, error = run(capsys, *arguments, "-o", store, *split)
        assert status == 1, arguments
        assert message in error
        if "rate" in message:
            assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]
    unnamed = tmp_path / "sessions" / os.fsdecode(b"\xff")
    unnamed.mkdir(parents=True)
    (unnamed / "session.json").write_text("{}")
    _, _, error = run(capsys, unnamed.parent, "--calibration", calibration, "-o", store)
    assert "the source's name is" in error
    store.write_text("mine")
    status, _, error = run(capsys, session, "--calibration", calibration, "-o", store)
    assert "exists already" in error
    assert store.read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--rate-hz", "often", "expected a number of Hz or 'native'"),
        ("--rate-hz", "0", "expected more than 0"),
        ("--split", "0.5,0.5", "expected TRAIN,VALIDATION,TEST"),
        ("--split", "most,some,few", "expected TRAIN,VALIDATION,TEST"),
    ],
)
def test_options_that_are_no_numbers_are_explained(capsys, option, value, message) -> None:
    with pytest.raises(SystemExit):
        main(["--video", "x.mp4", "-o", "s.h5", option, value])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("sensor", [None, 5, "a65", {"options": 1}, [3, {"options": "x"}]])
def test_a_rig_that_tells_nothing_of_light_is_no_error(sensor: object) -> None:
    assert _light({"sensor": sensor, "scene": 7}) == {}
    assert _light({"sensor": sensor, "scene": {"light": "side"}}) == {"light": "side"}


@pytest.fixture(scope="module")
def film(tmp_path_factory, small_rig) -> Path:
    """Two seconds of a virtual subject at 10 Hz, the last frames empty."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    scene = SubjectScene(small_rig, subject_seed=2, rate_hz=10.0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = small_rig.color.width_px, small_rig.color.height_px
        stream.bit_rate = 8_000_000
        for index in range(20):
            image = scene.moment(index).images["color"] if index < 16 else None
            image = np.full_like(scene.moment(0).images["color"], 90) if image is None else image
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def test_a_film_becomes_a_store_and_frames_without_face_keep_their_row(
    film, tmp_path, capsys
) -> None:
    labels = tmp_path / "labels.csv"
    rows = "".join(f"film,{t / 10},{t / 20 - 0.5},0.25,1\n" for t in range(20))
    labels.write_text(f"session,time_s,valence,arousal,n_raters\n{rows}")
    status, summary, _ = run(
        capsys, "--video", film, "-o", tmp_path / "s.h5", "--rate-hz", "native",
        "--labels", labels,
    )  # fmt: skip
    assert status == 0
    assert summary["videos"]["film"]["face_percent"] == 80
    store = open_store(tmp_path / "s.h5")
    assert store.rate_hz is None
    assert store.videos["film"].notes["file_digest"] == digest_file(film)
    assert store.modalities == ("color",)
    valid = store.valid("film")["face"]
    assert valid.tolist() == [True] * 16 + [False] * 4
    np.testing.assert_allclose(store.labels("film", "valence"), np.arange(20) / 20 - 0.5, atol=1e-3)
    assert not store.read("film", 16, 4, "color").any()
    assert store.read("film", 0, 16, "color").std(axis=(1, 2, 3)).min() > 10
    assert np.isnan(store.landmarks_px("film")[16:]).all()


def test_a_film_on_the_4_hz_grid(film, tmp_path, capsys) -> None:
    status, summary, _ = run(capsys, "--video", film, "-o", tmp_path / "s.h5")
    assert status == 0
    assert summary["rate_hz"] == 4
    np.testing.assert_allclose(
        np.diff(open_store(tmp_path / "s.h5").time_ns("film")), 250e6, atol=6e7
    )


def test_films_of_one_person_stay_in_one_split(film, tmp_path, capsys) -> None:
    films = [tmp_path / f"{letter}.mp4" for letter in "abcd"]
    for path in films:
        path.symlink_to(film)
    status, _, _ = run(
        capsys, "--video", *films, "--subjects", "ann", "ann", "ben", "cat",
        "-o", tmp_path / "s.h5", "--rate-hz", 1,
    )  # fmt: skip
    assert status == 0
    videos = open_store(tmp_path / "s.h5").videos
    assert videos["a"].split == videos["b"].split
    assert {video.split for video in videos.values()} == {"train", "validation", "test"}


@pytest.mark.slow
def test_real_clips_give_crops_for_95_percent_of_their_frames(tmp_path, capsys) -> None:
    """At 4 Hz, where the face has moved far; every frame: tests/pipeline/test_real_video.py."""
    clips = sorted(CLIPS.glob("*.mp4"))
    if not clips:
        pytest.skip("no real face clips beside the repository")
    status, summary, _ = run(capsys, "--video", *clips, "-o", tmp_path / "s.h5", "--rate-hz", "4")
    assert status == 0
    assert min(video["face_percent"] for video in summary["videos"].values()) >= 95
    store = open_store(tmp_path / "s.h5")
    for video in store.videos.values():
        assert np.isfinite(store.T_crop_color(video.id)).all(axis=(1, 2)).mean() >= 0.95
