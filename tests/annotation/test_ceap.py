"""CEAP-360VR's raw annotations: the published layout, and every damaged file named."""

import json
from pathlib import Path

import numpy as np
import pytest

from annotation.ceap import load_ceap
from annotation.errors import AnnotationError

REAL = Path(__file__).parents[3] / "shared" / "data" / "ceap_va"
SAMPLES = [
    {"TimeStamp": 0.15, "X_Value": 0.0, "Y_Value": -0.5},
    {"TimeStamp": 0.292, "X_Value": 0.25, "Y_Value": -1.054},
]


def document(samples=SAMPLES, **changed):
    video = {"VideoID": "V1", "TimeStamp_Xvalue_Yvalue": samples, **changed}
    rated = {"ParticipantID": "P1", "Video_Annotation_RawData": [video]}
    return {"ContinuousAnnotation_RawData": [rated]}


def write(tmp_path, value):
    path = tmp_path / "P1.json"
    path.write_text(json.dumps(value))
    return path


def test_x_is_valence_and_y_is_arousal(tmp_path):
    valence, arousal = load_ceap(write(tmp_path, document()))
    assert (valence.session, valence.rater) == ("V1", "P1")
    assert (valence.dimension, arousal.dimension) == ("valence", "arousal")
    assert valence.time_ns.tolist() == [150_000_000, 292_000_000]
    assert valence.value.tolist() == [0.0, 0.25]
    assert arousal.value.tolist() == [-0.5, -1.054]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({}, "expected CEAP-360VR's raw annotations"),
        ({"ContinuousAnnotation_RawData": []}, "holds no ratings"),
        ({"ContinuousAnnotation_RawData": 3}, "is 3, expected a list"),
        ({"ContinuousAnnotation_RawData": [{}]}, "ParticipantID is null"),
        (document([]), "P1: video V1 has no samples"),
        (document([3]), "sample 0 is 3"),
        (document([*SAMPLES, SAMPLES[1]]), "the time 0.292 s follows 0.292 s"),
        (document([SAMPLES[1], SAMPLES[0]]), "the time 0.15 s follows 0.292 s"),
        (document([{**SAMPLES[0], "X_Value": None}]), "X_Value is null"),
        (document([{**SAMPLES[0], "TimeStamp": -1.0}]), "expected 0 to 100000"),
        (document(VideoID=None), "VideoID is null"),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(tmp_path, value, complaint):
    with pytest.raises(AnnotationError, match=complaint) as caught:
        load_ceap(write(tmp_path, value))
    assert "P1.json" in str(caught.value)


def test_a_video_twice_is_contradictory(tmp_path):
    value = document()
    rated = value["ContinuousAnnotation_RawData"][0]
    rated["Video_Annotation_RawData"] *= 2
    with pytest.raises(AnnotationError, match="has video V1 twice"):
        load_ceap(write(tmp_path, value))


@pytest.mark.skipif(not REAL.is_dir(), reason="the published annotations are not on this machine")
def test_real_annotations():
    traces = [trace for path in sorted(REAL.glob("P*.json")) for trace in load_ceap(path)]
    assert {trace.rater for trace in traces} == {f"P{k}" for k in range(1, 7)}
    assert {trace.session for trace in traces} == {f"V{k}" for k in range(1, 9)}
    assert len(traces) == 6 * 8 * 2
    assert all(np.max(np.diff(trace.time_ns)) < 200_000_000 for trace in traces)
