"""The clip store: what is written is read back, by whichever process."""

import json
import multiprocessing
import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.files import OutputExistsError
from mavfer.errors import DatasetError
from mavfer.store import ClipStore, open_store
from mavfer.store_assembly import write_store
from mavfer.store_description import describe_store
from mavfer.store_schema import NO_RESIDUAL_NS
from mavfer.store_writer import COMPRESSIONS, FrameCrops, StoreLayout

from .stores import CROP_PX, LAYOUT, SPLITS, crops_of, entry, small_store


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return small_store(tmp_path)


def test_what_a_row_was_made_of_reads_back(tmp_path: Path) -> None:
    path, n = tmp_path / "s.h5", 6
    columns = {
        "face_source": np.array([1, 2, 3, 0, 0, 1], np.uint8),
        "reason": np.array([0, 0, 3, 1, 5, 0], np.uint8),
        "confidence": np.array([0.9, 0.5, np.nan, np.nan, np.nan, 1], np.float32),
        "seq": {"color": np.arange(n) * 7},
        "residual_ns": {"thermal": np.array([-5, 5, 0, NO_RESIDUAL_NS, 1, 2])},
        "flags": {"several_faces": np.arange(n) > 3},
    }
    crops = crops_of(n, 1)
    told = [
        FrameCrops(
            {m: c[i] for m, c in crops.items()},
            face_depth_mm=700 + i,
            thermal_by_plane=i == 2,
            thermal_frozen=i in (0, 5, 1),
        )
        for i in range(n)
    ]
    write_store(path, [entry("v", "A", n, 1, crops=told, **columns)], layout=LAYOUT, splits=SPLITS)
    with open_store(path) as store:
        assert store.valid("v")["face"].tolist() == [True, True, True, False, False, True]
        assert store.reason("v").tolist() == [0, 0, 3, 1, 5, 0]
        assert store.face_source("v").tolist() == [1, 2, 3, 0, 0, 1]
        np.testing.assert_array_equal(store.confidence("v"), columns["confidence"])
        assert store.seq("v", "color").tolist() == [0, 7, 14, 21, 28, 35]
        assert (store.seq("v", "depth") == -1).all()
        assert np.isnat(store.residual_ns("v", "thermal").view("timedelta64[ns]")).tolist() == [
            *(False, False, False, True, False, False)
        ]
        assert {k: int(v.sum()) for k, v in store.flags("v").items()} == {
            "several_faces": 2,
            "identity_switch": 0,
            "thermal_frozen": 3,
            "thermal_by_plane": 1,
        }
        relative = store.read_relative_depth("v", 2, 2)
        depth = crops["depth"][2:4].astype(np.float32)
        expected = np.where(depth > 0, depth - np.array([702, 703])[:, None, None], np.nan)
        np.testing.assert_array_equal(relative, expected)
        with pytest.raises(DatasetError, match="no stream"):
            store.seq("v", "sound")


@pytest.mark.parametrize(("face", "reason"), [(1, 3), (0, 0), (3, 0)])
def test_a_row_has_a_face_or_a_reason(tmp_path: Path, face: int, reason: int) -> None:
    columns = {"face_source": np.full(3, face, np.uint8), "reason": np.full(3, reason, np.uint8)}
    with pytest.raises(DatasetError, match="need a reason"):
        write_store(
            tmp_path / "s.h5", [entry("v", "A", 3, 1, **columns)], layout=LAYOUT, splits=SPLITS
        )


def test_frames_times_and_labels_read_back_as_written(store_path: Path) -> None:
    with open_store(store_path) as store:
        assert [(v.id, v.subject, v.split, v.n_frames) for v in store.videos.values()] == [
            ("short", "B", "test", 5),
            ("v1", "A", "train", 37),
            ("v2", "B", "test", 20),
        ]
        for modality, crops in crops_of(37, 1).items():
            read = store.read("v1", 9, 16, modality)  # type: ignore[arg-type]
            np.testing.assert_array_equal(read, crops[9:25])
            assert read.dtype == crops.dtype
        assert store.labels("v1", "valence")[-1] == 1
        assert np.isnan(store.labels("v1", "arousal")).all()
        assert store.time_ns("v2")[-1] == 19 * 250_000_000
        assert set(store.valid("v1")) == {"face", "depth", "thermal"}
        assert not store.valid("v1")["face"][4]
        assert store.landmarks_px("v1")[3, 5, 1] == 3
        assert store.T_crop_color("v1").shape == (37, 2, 3)
        assert store.provenance["labels"] == "x"
        assert store.provenance["sources"]["v1"] == "uuid-v1"


def test_clips_cover_every_frame_and_skip_short_videos(store_path: Path) -> None:
    store = open_store(store_path)
    assert [(c.video_id, c.start) for c in store.clips(stride_frames=16)] == [
        ("v1", 0), ("v1", 16), ("v1", 21), ("v2", 0), ("v2", 4),
    ]  # fmt: skip
    assert [c.start for c in store.clips("train", stride_frames=8)] == [0, 8, 16, 21]
    assert store.clips("validation", stride_frames=16) == []


def test_stats_are_those_of_the_train_frames_with_a_face(store_path: Path) -> None:
    stats = open_store(store_path).stats
    crops = crops_of(37, 1)
    faces = np.arange(37) % 5 != 4
    color = crops["color"][faces].reshape(-1, 3).astype(float)
    np.testing.assert_allclose(stats["color"]["mean"], color.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(stats["color"]["std"], color.std(axis=0), rtol=1e-9)
    depth = crops["depth"][faces].astype(float)
    np.testing.assert_allclose(stats["depth"]["std"], [depth[depth > 0].std()], rtol=1e-9)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_reads_back(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "store.h5"
    layout = StoreLayout(crop_px=CROP_PX, compression=compression)  # type: ignore[arg-type]
    write_store(path, [entry("v", "A", 20, 4)], layout=layout, splits=SPLITS)
    read = open_store(path).read("v", 0, 20, "depth")
    np.testing.assert_array_equal(read, crops_of(20, 4)["depth"])


def test_same_content_same_fingerprint_whatever_the_order(tmp_path: Path, store_path: Path) -> None:
    again = [entry("short", "B", 5, 3), entry("v2", "B", 20, 2), entry("v1", "A", 37, 1)]
    write_store(tmp_path / "again.h5", again, layout=LAYOUT, splits=SPLITS)
    other = [entry("short", "B", 5, 3), entry("v2", "B", 20, 9), entry("v1", "A", 37, 1)]
    write_store(tmp_path / "other.h5", other, layout=LAYOUT, splits=SPLITS)
    fingerprint = open_store(store_path).fingerprint
    assert open_store(tmp_path / "again.h5").fingerprint == fingerprint
    plain = [entry("short", "B", 5, 3), entry("v2", "B", 20, 2), entry("v1", "A", 37, 1)]
    layout = StoreLayout(crop_px=CROP_PX, compression="none")
    write_store(tmp_path / "plain.h5", plain, layout=layout, splits=SPLITS)
    assert open_store(tmp_path / "plain.h5").fingerprint == fingerprint
    assert open_store(tmp_path / "other.h5").fingerprint != fingerprint


def test_an_uncompressed_store_is_mapped_where_its_bytes_lie(tmp_path: Path) -> None:
    path = tmp_path / "plain.h5"
    layout = StoreLayout(crop_px=CROP_PX, compression="none")
    write_store(path, [entry("v", "A", 20, 4)], layout=layout, splits=SPLITS)
    with h5py.File(path) as file:
        offset = file["videos/v/depth"].id.get_offset()
    expected = crops_of(20, 4)["depth"]
    mapped = np.memmap(path, np.uint16, "r", offset, shape=expected.shape)
    np.testing.assert_array_equal(mapped, expected)
    store = open_store(path)
    view = store.read("v", 3, 5, "depth", copy=False)
    np.testing.assert_array_equal(view, expected[3:8])
    assert not view.flags.writeable
    assert view.flags.aligned
    copied = store.read("v", 3, 5, "depth")
    copied[:] = 0
    np.testing.assert_array_equal(store.read("v", 3, 5, "depth"), expected[3:8])


def test_the_reader_keeps_few_data_sets_open(tmp_path: Path) -> None:
    path = tmp_path / "many.h5"
    entries = [entry(f"v{i}", "A", 2, i) for i in range(50)]
    write_store(path, entries, layout=LAYOUT, splits=SPLITS)
    store = open_store(path)
    for _ in range(2):
        for i in range(50):
            for modality in store.modalities:
                np.testing.assert_array_equal(
                    store.read(f"v{i}", 0, 2, modality), crops_of(2, i)[modality]
                )
    assert len(store._file._sources) < 100


def test_the_reader_is_part_of_the_package() -> None:
    import mavfer

    assert mavfer.ClipStore is ClipStore
    assert mavfer.open_store is open_store
    with pytest.raises(AttributeError, match="no attribute 'closet'"):
        mavfer.closet  # type: ignore[attr-defined]  # noqa: B018


def _sum_in_another_process(store: ClipStore) -> int:
    return int(store.read("v1", 0, 37, "color").sum())


def test_an_open_store_crosses_into_spawned_processes(store_path: Path) -> None:
    store = open_store(store_path)
    expected = _sum_in_another_process(store)
    assert pickle.loads(pickle.dumps(store)).read("v1", 0, 1, "depth").shape == (1, 8, 8)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_sum_in_another_process, [store] * 4) == [expected] * 4


def test_a_fork_opens_its_own_handle(store_path: Path) -> None:
    store = open_store(store_path)
    expected = _sum_in_another_process(store)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if _sum_in_another_process(store) == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert _sum_in_another_process(store) == expected


def test_bad_requests_are_refused(store_path: Path) -> None:
    store = open_store(store_path)
    with pytest.raises(DatasetError, match="no video 'nobody'"):
        store.read("nobody", 0, 1, "color")
    with pytest.raises(DatasetError, match="it has 37"):
        store.read("v1", 30, 16, "color")
    with pytest.raises(DatasetError, match="no infrared"):
        store.read("v1", 0, 1, "infrared")  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="no dimension"):
        store.labels("v1", "dominance")  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="no split"):
        store.clips("dev", stride_frames=4)  # type: ignore[arg-type]


def test_an_existing_store_is_kept(store_path: Path) -> None:
    before = store_path.read_bytes()
    with pytest.raises(OutputExistsError):
        write_store(store_path, [entry("v", "A", 4, 0)], layout=LAYOUT, splits=SPLITS)
    assert store_path.read_bytes() == before


def test_a_missing_modality_is_zero_and_flagged(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    crops = crops_of(3, 0)
    frames = [
        FrameCrops({m: c[0] for m, c in crops.items()}),
        FrameCrops({"color": crops["color"][1]}),
        FrameCrops({m: c[2] for m, c in crops.items()}, {"depth": False}),
    ]
    write_store(path, [entry("v", "A", 3, 0, crops=frames)], layout=LAYOUT, splits=SPLITS)
    store = open_store(path)
    assert store.valid("v")["depth"].tolist() == [True, False, False]
    assert store.valid("v")["thermal"].tolist() == [True, False, True]
    assert not store.read("v", 1, 1, "thermal").any()


def test_description_is_json_and_counts(store_path: Path) -> None:
    summary = json.loads(json.dumps(describe_store(store_path), allow_nan=False))
    assert summary["frames"] == 62
    assert summary["splits"]["train"] == {"videos": 1, "subjects": 1, "frames": 37, "clips": 3}
    assert summary["videos"]["v1"]["face_percent"] == pytest.approx(100 * 30 / 37, abs=0.01)
    assert summary["videos"]["v1"]["labelled_frames"] == 37


@settings(max_examples=15, deadline=None)
@given(n_frames=st.integers(0, 40), seed=st.integers(0, 99))
def test_any_length_round_trips(tmp_path_factory, n_frames: int, seed: int) -> None:
    path = tmp_path_factory.mktemp("any") / "store.h5"
    write_store(path, [entry("v", "A", n_frames, seed)], layout=LAYOUT, splits=SPLITS)
    store = open_store(path)
    assert store.videos["v"].n_frames == n_frames
    if n_frames:
        np.testing.assert_array_equal(
            store.read("v", 0, n_frames, "thermal"), crops_of(n_frames, seed)["thermal"]
        )
