"""AFEW-VA's JSON in both directions, and every damaged file named."""

import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import strict_csv
from annotation.afew_va import (
    AfewVaVideo,
    afew_va_traces,
    afew_va_video,
    load_afew_va,
    save_afew_va,
)
from annotation.errors import AnnotationError
from annotation.trace import Trace

POINTS = [[float(k), float(k) / 2] for k in range(68)]
PUBLISHED = {  # the layout of the published files
    "actor": "Someone",
    "frames": {
        "00000": {"arousal": 2.0, "landmarks": POINTS, "valence": -3.0},
        "00001": {"arousal": 3.0, "landmarks": POINTS, "valence": -3.0},
    },
    "video_id": "001",
}
rating = st.floats(-10, 10) | st.just(float("nan"))


def write(tmp_path, document):
    path = tmp_path / "001.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@st.composite
def videos(draw):
    numbers = sorted(draw(st.sets(st.integers(0, 10**6), min_size=1, max_size=6)))
    n = len(numbers)
    valence, arousal = (np.array(draw(st.lists(rating, min_size=n, max_size=n))) for _ in range(2))
    landmarks = None
    if draw(st.booleans()):
        landmarks = np.full((n, 68, 2), np.nan)
        landmarks[0] = draw(st.floats(0, 2000))
    video_id = draw(st.text("abcü0-_ ", min_size=1, max_size=8).filter(str.strip)).strip()
    extra = draw(st.sampled_from([{}, {"actor": "A. B."}, {"emotion": None, "x": [1, {"y": 2}]}]))
    frame = np.array(numbers, dtype=np.int64)
    return AfewVaVideo(video_id, frame, valence, arousal, landmarks, extra)


@given(video=videos())
def test_round_trip(video, tmp_path_factory):
    path = tmp_path_factory.mktemp("afew") / "video.json"
    save_afew_va(path, video)
    loaded = load_afew_va(path)
    assert (loaded.video_id, loaded.extra) == (video.video_id, video.extra)
    for name in ("frame", "valence", "arousal"):
        assert np.array_equal(getattr(loaded, name), getattr(video, name), equal_nan=True)
    if video.landmarks is None:
        assert loaded.landmarks is None
    else:
        assert np.array_equal(loaded.landmarks, video.landmarks, equal_nan=True)


def test_a_published_file_becomes_traces_and_comes_back(tmp_path):
    video = load_afew_va(write(tmp_path, PUBLISHED))
    assert video.extra == {"actor": "Someone"}
    assert video.landmarks is not None
    assert video.landmarks.shape == (2, 68, 2)
    valence, arousal = afew_va_traces(video, rate_hz=25.0, rater="gold")
    assert (valence.session, valence.rater, valence.dimension) == ("001", "gold", "valence")
    assert valence.time_ns.tolist() == [0, 40_000_000]
    assert arousal.value.tolist() == [2.0, 3.0]
    again = afew_va_video([valence, arousal], rate_hz=25.0)
    assert again.frame.tolist() == [0, 1]
    assert again.valence.tolist() == [-3.0, -3.0]


@given(
    st.lists(st.integers(-10, 10), min_size=1, max_size=40),
    st.sampled_from([4.0, 23.976, 25.0, 29.97, 30.0, 60.0]),
    st.integers(0, 3),
)
def test_frames_keep_their_value_through_time_and_back(values, rate_hz, first_frame):
    frame = np.arange(len(values), dtype=np.int64) + first_frame
    video = AfewVaVideo("v", frame, np.array(values, float), np.full(len(values), np.nan))
    (trace,) = afew_va_traces(video, rate_hz=rate_hz, rater="R", first_frame=first_frame)
    again = afew_va_video([trace], rate_hz=rate_hz, first_frame=first_frame)
    assert np.array_equal(again.frame, video.frame)
    assert np.array_equal(again.valence, video.valence)
    assert np.all(np.isnan(again.arousal))


def test_unrated_frames_are_missing_and_stay_so(tmp_path):
    # the web annotator writes null for frames that nobody rated
    frames = {str(k): {"valence": v, "arousal": None} for k, v in enumerate([None, 1, None, 3])}
    video = load_afew_va(write(tmp_path, {"video_id": 7, "frames": frames}))
    assert video.video_id == "7"
    (trace,) = afew_va_traces(video, rate_hz=10.0, rater="R")
    assert trace.time_ns.tolist() == [100_000_000, 300_000_000]
    assert trace.value.tolist() == [1.0, 3.0]


def test_frames_are_ordered_by_number_not_by_text(tmp_path):
    frames = {str(k): {"valence": k, "arousal": 0} for k in (1, 10, 2)}
    assert load_afew_va(write(tmp_path, {"frames": frames})).valence.tolist() == [1.0, 2.0, 10.0]


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("", "no valid JSON"),
        ("[1]", r"the file is \[1\], expected an object"),
        ('{"frames": {"00000": {"valence": 1', "no valid JSON"),
        ("[" * 100_000, "nested too deep"),
        ('{"frames": {"0": {"valence": NaN}}}', "NaN is no number of JSON"),
        ('{"frames": {"0": {"valence": 1e999}}}', "valence is Infinity, expected a number"),
        ('{"frames": {"0": {"valence": %s}}}' % ("9" * 5000), "has 5000 digits"),
        ('{"frames": {"0": {"valence": 1}, "0": {}}}', "'0' is there twice"),
        ('{"frames": {"1": {}, "00001": {}}}', "'1' and '00001' are the same frame"),
        ({"frames": {}}, "holds no frames"),
        ({"frames": [1]}, r"frames is \[1\], expected an object"),
        ({"frames": {"x": {}}}, "frame 'x', expected a frame number"),
        ({"frames": {"-1": {}}}, "frame '-1'"),
        ({"frames": {"²": {}}}, "frame '²'"),
        ({"frames": {"1" * 30: {}}}, "expected a frame number"),
        ({"frames": {"0": 3}}, "frame 0 is 3, expected an object"),
        ({"frames": {"0": {"valence": "high"}}}, 'frame 0: valence is "high"'),
        ({"frames": {"0": {"valence": True}}}, "valence is true"),
        ({"frames": {"0": {"landmarks": [[1, 2]]}}}, "expected 68 pairs"),
        ({"frames": {"0": {"landmarks": [[1, "x"]] * 68}}}, 'landmarks is "x"'),
        ({"video_id": "", "frames": {"0": {}}}, "video_id is"),
        ({"labels": 1}, "has no 'frames'"),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(tmp_path, document, complaint):
    with pytest.raises(AnnotationError, match=complaint) as caught:
        load_afew_va(write(tmp_path, document))
    assert "001.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_of_ratings_is_refused(tmp_path, monkeypatch):
    with pytest.raises(AnnotationError, match="does not exist"):
        load_afew_va(tmp_path / "none.json")
    with pytest.raises(AnnotationError, match="is a folder, expected a JSON file"):
        load_afew_va(tmp_path)
    with pytest.raises(AnnotationError, match="device"):
        load_afew_va(os.devnull)
    path = write(tmp_path, PUBLISHED)
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(AnnotationError, match="not UTF-8"):
        load_afew_va(path)
    monkeypatch.setattr(strict_csv, "MAX_FILE_BYTES", 100)
    with pytest.raises(AnnotationError, match="a file of ratings has at most"):
        load_afew_va(path)


def test_impossible_times_are_refused():
    video = AfewVaVideo("v", np.array([3]), np.array([1.0]), np.array([1.0]))
    with pytest.raises(AnnotationError, match="frame rate is 0"):
        afew_va_traces(video, rate_hz=0.0, rater="R")
    with pytest.raises(AnnotationError, match="frame 3 comes before the first frame, 5"):
        afew_va_traces(video, rate_hz=25.0, rater="R", first_frame=5)
    late = AfewVaVideo("v", np.array([10**8]), np.array([1.0]), np.array([1.0]))
    with pytest.raises(AnnotationError, match="lies beyond 100000 s"):
        afew_va_traces(late, rate_hz=1.0, rater="R")


def test_one_rater_of_one_session_a_file():
    def trace(rater, dimension):
        return Trace("S", rater, dimension, np.array([0]), np.array([1.0]))

    with pytest.raises(AnnotationError, match="one rater of one session"):
        afew_va_video([trace("A", "valence"), trace("B", "valence")], rate_hz=25.0)
    with pytest.raises(AnnotationError, match="two traces of one dimension"):
        afew_va_video([trace("A", "valence"), trace("A", "valence")], rate_hz=25.0)


def test_existing_file_is_kept(tmp_path):
    path = write(tmp_path, PUBLISHED)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        save_afew_va(path, load_afew_va(path))
    assert path.read_bytes() == before
