"""What leaves the laboratory: by consent, readable by the public tools that it is meant for."""

import csv
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import mlcroissant
import numpy as np
import pytest
import webdataset

from mavfer import open_store
from mavfer.cli import main
from mavfer.provenance import without_names
from mavfer.splits import Split
from mavfer.store_assembly import write_store
from mavfer.store_check import check_store
from mavfer.store_writer import StoreLayout

from .stores import CROP_PX, crops_of, entry

SPLITS: dict[str, Split] = {"A": "train", "B": "test", "C": "train"}


def consent(*, share: bool, until: str | None = None) -> dict[str, Any]:
    return {"consent": {"record": True, "share": share, "publish_pictures": False, "until": until}}


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    path = tmp_path / "store.h5"
    entries = [
        entry("v.1/é".replace("/", "_"), "A", 37, 1, notes=consent(share=True)),
        entry("v2", "B", 20, 2, notes=consent(share=True), category="sad"),
    ]
    provenance = {"options": {"split": {"test": ["B", "C"]}}, "raters": [{"name": "v3"}]}
    write_store(
        path, entries, layout=StoreLayout(crop_px=CROP_PX), splits=SPLITS, provenance=provenance
    )
    return path


@pytest.fixture
def mixed_path(tmp_path: Path) -> Path:
    """A store with a subject who does not share and one whose consent has ended."""
    path = tmp_path / "mixed.h5"
    entries = [
        entry("open", "A", 20, 1, notes=consent(share=True)),
        entry("closed", "Carla", 20, 2, notes=consent(share=False)),
        entry("ended", "Dora", 20, 3, notes=consent(share=True, until="2020-01-01")),
        entry("film", "Film", 20, 4),
    ]
    write_store(
        path,
        entries,
        layout=StoreLayout(crop_px=CROP_PX),
        splits={"A": "train", "Carla": "train", "Dora": "test", "Film": "train"},
        provenance={
            "options": {"split": {"test": ["Carla", "Dora", "A"]}},
            "labels": {"name": "/data/Carla/closed.csv", "seed": 4},
            "raters": [{"name": "Dora_R1.csv"}, {"name": "A_R1.csv"}],
        },
    )
    return path


def test_names_leave_texts_as_words_and_numbers_alone() -> None:
    told = {"4": [4, "S1", "S1-b"], "file": "S1-b/S1.csv and S12", "rate_hz": 4}
    kept = without_names(told, {"S1", "4", ""}, staying={"S1-b"}, instead="?")
    assert kept == {"file": "S1-b/?.csv and S12", "rate_hz": 4}
    assert without_names(told, {"S1", "S12"}, instead="?") == {
        "4": [4, "?-b"], "file": "?-b/?.csv and ?", "rate_hz": 4,
    }  # fmt: skip
    assert without_names(told, (), instead="?") == told


def samples(path: Path) -> Iterator[dict[str, Any]]:
    """Samples of a shard as a plain tar reader finds them."""
    found: dict[str, dict[str, Any]] = {}
    with tarfile.open(path) as tar:
        for info in tar:
            key, _, kind = info.name.partition(".")
            content = tar.extractfile(info).read()  # type: ignore[union-attr]
            found.setdefault(key, {})[kind] = (
                json.loads(content)
                if kind == "json"
                else np.load(io.BytesIO(content), allow_pickle=False)
            )
    yield from found.values()


def test_shards_hold_the_clips_of_each_split(store_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    arguments = ["export", "webdataset", str(store_path), "-o", str(out), "--quiet"]
    assert main([*arguments, "--stride-frames", "8", "--shard-mb", "0.02"]) == 0
    store = open_store(store_path)
    index = json.loads((out / "dataset.json").read_text())
    train = index["splits"]["train"]
    assert len(train["shards"]) > 1
    assert {p.name for p in out.glob("*.tar")} == {
        *train["shards"], *index["splits"]["test"]["shards"],
    }  # fmt: skip
    found = [sample for name in train["shards"] for sample in samples(out / name)]
    refs = store.clips("train", stride_frames=8)
    assert train["clips"] == len(found) == len(refs)
    for ref, sample in zip(refs, found, strict=True):
        about = sample["json"]
        assert (about["video"], about["start"]) == (ref.video_id, ref.start)
        for modality in store.modalities:
            expected = crops_of(37, 1)[modality][ref.start : ref.start + 16]
            np.testing.assert_array_equal(sample[f"{modality}.npy"], expected)
        labels = store.labels(ref.video_id, "valence")[ref.start : ref.start + 16]
        np.testing.assert_allclose(about["valence"], labels, rtol=1e-6)
        assert about["arousal"] == [None] * 16


@pytest.mark.filterwarnings("ignore")
def test_the_public_library_reads_the_shards(store_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    assert main(["export", "webdataset", str(store_path), "-o", str(out), "--quiet"]) == 0
    shards = [str(path) for path in sorted(out.glob("test-*.tar"))]
    read = list(webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode())
    assert len(read) == len(open_store(store_path).clips("test", stride_frames=16))
    assert read[0]["json"]["category"] == "sad"
    np.testing.assert_array_equal(read[0]["color.npy"], crops_of(20, 2)["color"][:16])
    np.testing.assert_array_equal(read[0]["thermal.npy"], crops_of(20, 2)["thermal"][:16])


def test_a_clip_is_exported_however_long_its_videos_name(tmp_path: Path) -> None:
    path, out = tmp_path / "long.h5", tmp_path / "shards"
    names = [f"{'n' * 180}{end}" for end in "ab"]
    entries = [entry(name, "A", 20, at) for at, name in enumerate(names)]
    write_store(path, entries, layout=StoreLayout(crop_px=CROP_PX), splits=SPLITS)
    arguments = ["export", "webdataset", str(path), "-o", str(out), "--purpose", "train"]
    assert main([*arguments, "--quiet"]) == 0
    found = [sample["json"]["video"] for sample in samples(out / "train-000000.tar")]
    assert found == sorted(names * 2)


def test_the_same_store_makes_the_same_bytes(store_path: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        out = tmp_path / name
        assert main(["export", "webdataset", str(store_path), "-o", str(out), "--quiet"]) == 0
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert files == sorted(p.name for p in (tmp_path / "b").iterdir())
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.filterwarnings("ignore")
def test_croissant_is_valid_and_its_records_can_be_read(store_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "metadata"
    arguments = ["export", "croissant", str(store_path), "-o", str(out), "--quiet"]
    told = ["--name", "Faces", "--license", "https://example.org/licence", "--creator", "A lab"]
    more = ["--url", "https://example.org", "--date", "2026-03-01", "--cite-as", "Us, 2026"]
    assert main([*arguments, *told, *more]) == 0
    dataset = mlcroissant.Dataset(out / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings
    videos = list(dataset.records("videos-records"))
    assert {v["videos-records/video"].decode() for v in videos} == {"v.1_é", "v2"}
    assert {v["videos-records/frames"] for v in videos} == {37, 20}
    frames = list(dataset.records("frames-records"))
    assert len(frames) == 57
    store = open_store(store_path)
    of_v2 = [f for f in frames if f["frames-records/video"] == b"v2"]
    found = [f["frames-records/valence"] for f in of_v2]
    np.testing.assert_allclose(found, store.labels("v2", "valence"), atol=1e-6)
    assert {f["frames-records/arousal"] for f in of_v2} == {None}
    assert [f["frames-records/face"] for f in of_v2] == store.valid("v2")["face"].tolist()
    document = json.loads((out / "croissant.json").read_text())
    (file,) = (f for f in document["distribution"] if f["@id"] == "store")
    assert (out / file["contentUrl"]).resolve() == store_path.resolve()
    with (out / "frames.csv").open(newline="") as handle:
        assert next(csv.reader(handle))[0] == "video"


def test_a_shared_store_holds_only_those_who_share(
    mixed_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "shared.h5"
    assert main(["export", "store", str(mixed_path), "-o", str(out), "--json"]) == 0
    left_out = json.loads(capsys.readouterr().out)["left_out"]
    assert left_out == {
        "closed": "the subject does not agree to sharing",
        "ended": "the consent ended on 2020-01-01",
        "film": "no consent is on record",
    }
    shared = open_store(out)
    assert list(shared.videos) == ["open"]
    assert shared.provenance["options"]["split"]["test"] == ["A"]
    assert shared.provenance["labels"] == {"name": "/data/(left out)/(left out).csv", "seed": 4}
    assert [each["name"] for each in shared.provenance["raters"]] == [
        "(left out)_R1.csv", "A_R1.csv",
    ]  # fmt: skip
    assert [f for f in check_store(out, purpose="share") if f.level == "error"] == []
    everything = out.read_bytes()
    for name in (b"Carla", b"Dora", b"closed", b"ended", b"Film"):
        assert name not in everything
    with h5py.File(mixed_path) as file:
        secret = file["videos/closed/color"].id.read_direct_chunk((0, 0, 0, 0))[1][40:120]
    assert secret in mixed_path.read_bytes()
    assert secret not in everything
    assert (
        main(
            ["export", "store", str(mixed_path), "-o", str(tmp_path / "t.h5"), "--purpose", "train"]
        )
        == 0
    )
    assert sorted(open_store(tmp_path / "t.h5").videos) == ["closed", "film", "open"]


@pytest.mark.parametrize("form", ["webdataset", "croissant"])
def test_what_may_not_be_shared_is_not_exported(
    mixed_path: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", form, str(mixed_path), "-o", str(out)]) == 1
    assert "3 of 4 videos may not be used for share" in capsys.readouterr().err
    assert not out.exists()


def test_bad_requests_are_one_line(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*arguments: str) -> str:
        assert main(["export", *arguments, "--quiet"]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    store, out = str(store_path), str(tmp_path / "out")
    assert "is an input too" in refused("store", store, "-o", store, "--overwrite")
    assert "no video may be used for publish" in refused(
        "store", store, "-o", out, "--purpose", "publish"
    )
    assert "more than 0" in refused("webdataset", store, "-o", out, "--shard-mb", "-1")
    assert "no clip of 99 frames" in refused("webdataset", store, "-o", out, "--clip-length", "99")
    assert "stride" in refused("webdataset", store, "-o", out, "--stride-frames", "40")
    assert "expected YYYY-MM-DD" in refused("croissant", store, "-o", out, "--date", "yesterday")
    assert "no clip store" in refused("croissant", str(tmp_path / "no.h5"), "-o", out)
    assert main(["export", "croissant", store, "-o", out, "--quiet"]) == 0
    assert "exists already" in refused("croissant", store, "-o", out)
    assert main(["export", "webdataset", store, "-o", out, "--quiet"]) == 0
    assert "exists already" in refused("webdataset", store, "-o", out)
