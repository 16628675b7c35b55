"""What things are, by content; and one clear sentence for what they are not."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from annotation.labels import Labels, SessionLabels, save_labels
from calibration.rig import save_rig_calibration
from calibration.simulated import ideal_calibration
from capture.errors import MavferError
from capture.simulation.rig import kinect2_rig
from mavfer.checkpoint_header import read_checkpoint_header
from mavfer.errors import DatasetError
from mavfer.info import describe, render
from mavfer.store_assembly import write_store
from mavfer.store_writer import FrameCrops, StoreLayout, VideoEntry

S = 1_000_000_000


def checkpoint_bytes(tensors=None, metadata=None):
    header, offset = {}, 0
    for name, shape in (tensors or {"model.fc.weight": (3, 4), "model.fc.bias": (3,)}).items():
        size = 4 * int(np.prod(shape))
        header[name] = {
            "dtype": "F32",
            "shape": list(shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    header["__metadata__"] = metadata or {
        "mavfer": json.dumps({"format": "mavfer-checkpoint", "preset": "small", "step": 12})
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(offset)


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.txt"  # the suffix says nothing
    time_ns = np.arange(4, dtype=np.int64) * S
    values = np.array([0.0, 0.5, np.nan, -0.5])
    each = SessionLabels(time_ns, values, np.full(4, np.nan), np.array([3, 3, 0, 3]))
    save_labels(path, Labels({"S01": each}, {"software_version": "0.1.0"}))
    return path


def test_gold_labels(labels):
    facts = describe(labels)
    assert facts["kind"] == "gold labels"
    assert facts["duration_s"] == 3.0
    assert facts["dimensions"]["valence"]["labelled_percent"] == 75.0
    assert facts["dimensions"]["arousal"]["mean"] is None
    assert facts["provenance"] == {"software_version": "0.1.0"}


def test_ratings_of_any_scale(tmp_path):
    path = tmp_path / "r"
    path.write_text("session,rater,dimension,time_s,value\nS,R,valence,0,-70\nS,Q,valence,0,3\n")
    facts = describe(path)
    assert facts["kind"] == "ratings"
    assert facts["raters"] == ["Q", "R"]
    assert (facts["min"], facts["max"]) == (-70.0, 3.0)


def test_rig_calibration(tmp_path):
    path = tmp_path / "rig.yaml"
    save_rig_calibration(path, ideal_calibration(kinect2_rig()))
    facts = describe(path)
    assert facts["kind"] == "rig calibration"
    assert facts["cameras"]["color"]["size_px"] == [1920, 1080]


def test_clip_store(tmp_path):
    crop = np.zeros((8, 8), np.uint16)
    images = {"color": np.zeros((8, 8, 3), np.uint8), "depth": crop, "thermal": crop}
    video = VideoEntry(
        id="v1",
        subject="S01",
        source="uuid",
        kind="session",
        time_ns=np.arange(3, dtype=np.int64) * S,
        valence=np.zeros(3, np.float32),
        arousal=np.zeros(3, np.float32),
        face_source=np.ones(3, np.uint8),
        landmarks_px=np.ones((3, 68, 2), np.float32),
        T_crop_color=np.tile(np.eye(2, 3, dtype=np.float32), (3, 1, 1)),
        crops=(FrameCrops(images) for _ in range(3)),
    )
    path = tmp_path / "store"
    write_store(
        path, [video], layout=StoreLayout(crop_px=8), splits={"S01": "train"}, provenance={}
    )
    facts = describe(path)
    assert facts["kind"] == "clip store"
    assert facts["crop_px"] == 8
    assert facts["videos"]["v1"]["kind"] == "session"


def test_checkpoint_without_torch(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(checkpoint_bytes())
    facts = describe(path)
    assert facts["kind"] == "checkpoint"
    assert facts["n_tensors"] == 2
    assert facts["n_parameters"] == 15
    assert facts["preset"] == "small"


def test_training_run_with_a_log_that_was_cut_off(tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(checkpoint_bytes())
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"st')
    facts = describe(tmp_path)
    assert facts["kind"] == "training run"
    assert facts["step"] == 12
    assert facts["last_log"] is None
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff\x00{")
    assert describe(tmp_path)["last_log"] is None


def test_evaluation(tmp_path):
    (tmp_path / "metrics.json").write_text('{"ccc": 0.5, "cc": NaN}')
    facts = describe(tmp_path)
    assert facts["kind"] == "evaluation"
    assert facts["ccc"] == 0.5
    assert facts["cc"] is None


def test_every_description_is_strict_json_and_readable(labels):
    facts = describe(labels)
    json.dumps(facts, allow_nan=False)
    lines = render(facts)
    assert lines[0] == f"{labels}: gold labels"
    assert "  sessions: S01" in lines
    assert any("arousal" in line for line in lines)


def test_long_lists_are_cut_for_people_only():
    facts = {"path": "x", "kind": "store", "videos": {f"V_{i}": {"a": [i, i]} for i in range(50)}}
    lines = render(facts)
    assert lines[2] == "    V_0: a [0, 0]"
    assert len(lines) < 30
    assert lines[-1].strip() == "… 42 more (--json shows all)"
    sources = {f"S{i}": "uuid" for i in range(50)}
    assert len(render({"path": "x", "kind": "k", "sources": sources})) == 11
    assert render({"path": "x", "kind": "k", "names": list("abcdefghijk")})[1] == (
        "  names: a, b, c, d, e, f, g, h, … (11 in all)"
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"hello\n", "no kind that is known"),
        (b"\x89PNG\r\n\x1a\n\0\0", "no kind that is known"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "cannot be|not|damaged|truncated"),
        (checkpoint_bytes()[:-1], "cut off or damaged"),
        (checkpoint_bytes()[:40], "cut off"),
        (b"format: mavfer-rig-calibration\nschema_version: 99\n", "schema version"),
        (b"session,rater,dimension,time_s,value\nS,R,vale", "3 cells, expected 5"),
    ],
)
def test_unknown_and_cut_off_files_are_one_sentence(tmp_path, content, complaint):
    path = tmp_path / "thing"
    path.write_bytes(content)
    with pytest.raises(MavferError, match=complaint) as caught:
        describe(path)
    assert "thing" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folder_of_nothing(tmp_path):
    with pytest.raises(DatasetError, match="folder of nothing"):
        describe(tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"shape": [3, -4]}, "whole number"),
        ({"shape": [3, 5]}, "do not match its shape"),
        ({"dtype": "F7"}, "F7"),
        ({"data_offsets": [0]}, "damaged header"),
        ({"data_offsets": [0, 1 << 60], "shape": [1 << 58]}, "cut off or damaged"),
    ],
)
def test_hostile_checkpoint_headers_are_refused(tmp_path, change, complaint):
    entry = {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]} | change
    text = json.dumps({"w": entry}).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(48))
    with pytest.raises(DatasetError, match=complaint):
        read_checkpoint_header(path)


def test_huge_header_length_allocates_nothing(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 62) + b"{}")
    with pytest.raises(DatasetError, match="cut off"):
        describe(path)


def test_a_session_fits_a_screen(laboratory) -> None:
    lines = render(describe(laboratory.sessions[0]))
    assert len(lines) <= 24
    text = "\n".join(lines)
    for said in ("subject: S02", "kinect2.mcap", "n frames 18", "complete", "thermal: n frames"):
        assert said in text


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MavferError, match="is a pipe, socket or device"):
        describe(tmp_path / "pipe")
