"""The clip store: what is written is read back, and what is damaged is refused by name."""

import json
import multiprocessing
import os
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capture.files import OutputExistsError
from mavfer.errors import DatasetError
from mavfer.splits import Split
from mavfer.store import ClipStore, open_store
from mavfer.store_assembly import write_store
from mavfer.store_description import describe_store
from mavfer.store_schema import NO_RESIDUAL_NS
from mavfer.store_writer import COMPRESSIONS, FrameCrops, StoreLayout, VideoEntry

CROP_PX = 8
LAYOUT = StoreLayout(crop_px=CROP_PX)
SPLITS: dict[str, Split] = {"A": "train", "B": "test"}


def crops_of(n_frames: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "color": rng.integers(0, 256, (n_frames, CROP_PX, CROP_PX, 3), np.uint8),
        "depth": rng.integers(0, 1500, (n_frames, CROP_PX, CROP_PX), np.uint16),
        "thermal": rng.integers(0, 9000, (n_frames, CROP_PX, CROP_PX), np.uint16),
    }


def entry(video_id: str, subject: str, n_frames: int, seed: int, **changes: object) -> VideoEntry:
    crops = crops_of(n_frames, seed)
    time_ns = np.arange(n_frames, dtype=np.int64) * 250_000_000
    values: dict[str, object] = {
        "id": video_id,
        "subject": subject,
        "source": f"uuid-{video_id}",
        "kind": "session",
        "time_ns": time_ns,
        "valence": np.linspace(-1, 1, n_frames, dtype=np.float32),
        "arousal": np.full(n_frames, np.nan, np.float32),
        "face_source": (np.arange(n_frames) % 5 != 4).astype(np.uint8),
        "landmarks_px": np.ones((n_frames, 68, 2), np.float32) * np.arange(n_frames)[:, None, None],
        "T_crop_color": np.tile(np.eye(2, 3, dtype=np.float32), (n_frames, 1, 1)),
        "crops": (FrameCrops({m: c[i] for m, c in crops.items()}) for i in range(n_frames)),
    }
    return VideoEntry(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    path = tmp_path / "store.h5"
    entries = [entry("v1", "A", 37, 1), entry("v2", "B", 20, 2), entry("short", "B", 5, 3)]
    write_store(path, entries, layout=LAYOUT, splits=SPLITS, provenance={"labels": "x"})
    return path


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


def test_damaged_and_foreign_files_are_refused(tmp_path: Path, store_path: Path) -> None:
    with pytest.raises(DatasetError, match="no clip store at"):
        open_store(tmp_path / "missing.h5")
    text = tmp_path / "text.h5"
    text.write_text("not a store")
    with pytest.raises(DatasetError, match="cannot be read as HDF5"):
        open_store(text)
    truncated = tmp_path / "truncated.h5"
    truncated.write_bytes(store_path.read_bytes()[:5000])
    with pytest.raises(DatasetError, match="damaged, truncated"):
        open_store(truncated)
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file.attrs["format"] = "else"
    with pytest.raises(DatasetError, match="not a clip store"):
        open_store(foreign)


def _replace(file: h5py.File, name: str, value: object) -> None:
    group = file["videos/v1"]
    del group[name]
    group[name] = value


def test_crops_that_cannot_be_unpacked_are_named(tmp_path: Path, store_path: Path) -> None:
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(store_path.read_bytes())
    with h5py.File(damaged, "r+") as file:
        file["videos/v1/depth"].id.write_direct_chunk((0, 0, 0), b"\xff" * 40)
    store = open_store(damaged)
    with pytest.raises(DatasetError, match="depth of video v1 cannot be read: damaged"):
        store.read("v1", 0, 8, "depth")


def test_a_link_to_itself_is_no_store(tmp_path: Path) -> None:
    loop = tmp_path / "loop.h5"
    loop.symlink_to(loop)
    with pytest.raises(DatasetError, match="no clip store at"):
        open_store(loop)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.attrs.__setitem__("schema_version", 99), "schema 99"),
        (lambda f: f.attrs.__delitem__("stats"), "root attribute"),
        (lambda f: f.attrs.__setitem__("modalities", "{"), "root attribute"),
        (lambda f: f.__delitem__("videos"), "no /videos"),
        (lambda f: f["videos/v1"].__delitem__("depth"), "lacks a part"),
        (lambda f: f["videos/v1"].__delitem__("valence"), "lacks a part"),
        (lambda f: f["videos/v1"].attrs.__setitem__("split", "dev"), "split 'dev'"),
        (lambda f: f["videos/v1"].attrs.__delitem__("subject"), "lacks a part"),
        (lambda f: f["videos/v1/valid"].__delitem__("depth"), "lacks a part"),
        (lambda f: _replace(f, "valence", np.zeros((37, 2), np.float32)), r"valence is \(37, 2\)"),
        (lambda f: _replace(f, "time_ns", np.zeros(37, np.float32)), "time_ns is .* float32"),
        (lambda f: _replace(f, "time_ns", h5py.SoftLink("/nowhere")), "lacks a part"),
        (lambda f: (f.__delitem__("videos"), f.__setitem__("videos", [1])), "no /videos"),
        (lambda f: f["videos"].__setitem__("v0", [1]), "v0 is no group"),
        (lambda f: f["videos"].__setitem__("v0", h5py.SoftLink("/nowhere")), "v0 is no group"),
        (lambda f: f.attrs.__setitem__("stats", '{"color": 5}'), "root attribute"),
        (lambda f: f.attrs.__setitem__("provenance", "[]"), "root attribute"),
        (lambda f: f.attrs.__setitem__("clip_length", 0), "clips of 0 frames"),
        (lambda f: f.attrs.__setitem__("crop_px", 16), "expected \\(5, 16, 16, 3\\)"),
    ],
)
def test_contradictory_stores_are_refused(store_path: Path, damage, message: str) -> None:
    with h5py.File(store_path, "r+") as file:
        damage(file)
    with pytest.raises(DatasetError, match=message):
        open_store(store_path)


def test_writer_refuses_contradictions_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    bad = [
        (entry("v", "A", 4, 0, valence=np.full(4, 7, np.float32)), "outside"),
        (entry("v", "A", 4, 0, time_ns=np.zeros(4, np.int64)), "do not increase"),
        (entry("v", "A", 4, 0, crops=[]), "0 crops for 4 rows"),
        (entry("v", "A", 4, 0, landmarks_px=np.zeros((4, 5, 2), np.float32)), "landmarks_px is"),
    ]
    for video, message in bad:
        with pytest.raises(DatasetError, match=message):
            write_store(path, [video], layout=LAYOUT, splits=SPLITS)
    with pytest.raises(DatasetError, match="two videos are called"):
        write_store(
            path, [entry("v", "A", 4, 0), entry("v", "B", 4, 0)], layout=LAYOUT, splits=SPLITS
        )
    with pytest.raises(DatasetError, match="no video"):
        write_store(path, [], layout=LAYOUT, splits=SPLITS)
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize(
    "wrong",
    [{"crop_px": 4}, {"crop_px": 10**20}, {"clip_length": 0}, {"clip_length": 10**20}],
)
def test_layouts_out_of_reason_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(DatasetError, match="expected a crop of 8 to 1024 px, a clip of 1 to"):
        StoreLayout(**wrong)


def test_a_full_disk_is_noticed_before_hdf5_writes(tmp_path: Path, monkeypatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    with pytest.raises(OSError, match="No space left"):
        write_store(tmp_path / "s.h5", [entry("v", "A", 20, 4)], layout=LAYOUT, splits=SPLITS)
    assert list(tmp_path.iterdir()) == []
