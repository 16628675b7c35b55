"""Statistics say what is in a store; figures and page appear whole."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from mavfer import open_store
from mavfer.cli import main
from mavfer.derived import DERIVED_MARK
from mavfer.splits import Split
from mavfer.statistics.measure import QUADRANTS, measure
from mavfer.store_assembly import write_store
from mavfer.store_schema import NO_DETECTION, UNREADABLE
from mavfer.store_traces import LabelTrace
from mavfer.store_writer import StoreLayout

from .stores import CROP_PX, entry

SPLITS: dict[str, Split] = {"A": "train", "B": "test"}


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """Two videos with known labels, raters and gaps."""
    path = tmp_path / "store.h5"
    n = 8
    valence = np.array([-0.8, -0.4, 0.0, 0.4, 0.8, 0.4, np.nan, -0.4], np.float32)
    arousal = np.array([0.5, 0.5, 0.5, 0.5, -0.5, -0.5, -0.5, 0.5], np.float32)
    face = np.array([1, 1, 0, 0, 0, 1, 1, 1], np.uint8)
    reason = np.array([0, 0, NO_DETECTION, NO_DETECTION, UNREADABLE, 0, 0, 0], np.uint8)
    seconds = np.arange(n) * 250_000_000
    wave = np.sin(np.arange(n))
    traces = [
        LabelTrace("valence", seconds, wave / 2, rater="R1"),
        LabelTrace("valence", seconds, wave / 4 + 0.3, rater="R2"),
    ]
    columns = {"valence": valence, "arousal": arousal, "face_source": face, "reason": reason}
    entries = [
        entry("v1", "A", n, 1, traces=traces, **columns),
        entry("v2 & <b>", "B", 20, 2, category="happy"),
    ]
    write_store(path, entries, layout=StoreLayout(crop_px=CROP_PX), splits=SPLITS)
    return path


def test_everything_is_counted(store_path: Path) -> None:
    facts = measure(open_store(store_path))
    about = facts["data_set"]
    assert (about["subjects"], about["videos"], about["frames"]) == (2, 2, 28)
    assert about["annotation_type"] == ["dimensional", "categorical"]
    assert about["duration_s"] == {"total": 7.0, "shortest": 2.0, "longest": 5.0}
    v1 = facts["videos"]["v1"]
    assert v1["valid_frames"] == {"face": 5, "depth": 8, "thermal": 8}
    assert v1["missing_faces"] == {"no face": 2, "unreadable": 1}
    assert v1["longest_gap_s"] == 1.0  # from row 1 to row 5
    assert v1["labelled_frames"] == {"valence": 7, "arousal": 8}
    assert facts["missing"]["by_reason"] == {"no face": 2 + 4, "unreadable": 1}
    assert facts["missing"]["faces_missing"] == 3 + 4


def test_distributions_are_those_of_the_labels(store_path: Path) -> None:
    store = open_store(store_path)
    labels = measure(store)["labels"]
    values = np.concatenate([store.labels(v, "valence") for v in store.videos])
    values = values[np.isfinite(values)].astype(float)
    assert labels["valence"]["frames"] == sum(labels["valence"]["histogram"]) == len(values)
    assert labels["valence"]["mean"] == pytest.approx(values.mean())
    assert labels["valence"]["percent_positive"] == pytest.approx(100 * (values > 0).mean())
    by_split = labels["valence"]["by_split"]
    assert sum(by_split["train"]) == 7
    assert (
        np.sum([by_split[s] for s in by_split], axis=0).tolist() == labels["valence"]["histogram"]
    )
    assert (
        labels["valence_arousal"]["frames"] == np.sum(labels["valence_arousal"]["histogram"]) == 7
    )
    pair = np.array(labels["valence_arousal"]["histogram"])
    edges = np.array(labels["valence_arousal"]["bin_edges"])
    cell = np.searchsorted(edges, [-0.8, 0.5], side="right") - 1
    assert pair[tuple(cell)] == 1


def test_classes_are_counted_by_split(store_path: Path) -> None:
    balance = measure(open_store(store_path))["balance"]
    assert balance["quadrants"]["train"] == dict(zip(QUADRANTS, (1, 4, 0, 2), strict=True))
    assert balance["categories"] == {"train": {}, "validation": {}, "test": {"happy": 1}}


def test_agreement_is_that_of_the_raters_in_the_store(store_path: Path) -> None:
    (agreement,) = measure(open_store(store_path))["agreement"]
    assert agreement["dimension"] == "valence"
    assert agreement["correlation"] == pytest.approx(1)
    # Cronbach's alpha of x and x / 2 is 8/9 whatever x
    assert agreement["alpha"] == pytest.approx(8 / 9)


def test_a_folder_with_json_figures_and_a_page(store_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "statistics"
    assert main(["stats", str(store_path), "-o", str(out), "--quiet"]) == 0
    names = {path.name for path in out.iterdir()}
    figures = {"frames-per-video", "label-distribution", "label-histograms", "class-balance"}
    figures.add("missing-frames")
    assert names == {"index.html", "statistics.json"} | {
        f"{figure}.{kind}" for figure in figures for kind in ("png", "svg")
    }
    facts = json.loads((out / "statistics.json").read_text())
    assert facts["videos"]["v1"]["frames"] == 8
    for file in out.iterdir():
        assert DERIVED_MARK.encode() in file.read_bytes(), file
        if file.suffix == ".svg":
            ET.parse(file)
    page = (out / "index.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert "v2 &amp; &lt;b&gt;" in page
    assert "<b>" not in page.replace("</b>", "")
    assert main(["stats", str(store_path), "-o", str(out), "--quiet"]) == 1
    assert main(["stats", str(store_path), "-o", str(out), "--quiet", "--overwrite"]) == 0


def test_a_store_without_labels_has_statistics_too(tmp_path: Path) -> None:
    path = tmp_path / "bare.h5"
    nothing = np.full(4, np.nan, np.float32)
    entries = [
        entry("v1", "A", 4, 1, valence=nothing, arousal=nothing),
        entry("v2", "A", 0, 2),
    ]
    write_store(path, entries, layout=StoreLayout(crop_px=CROP_PX), splits=SPLITS)
    assert main(["stats", str(path), "-o", str(tmp_path / "out"), "--quiet"]) == 0
    facts = json.loads((tmp_path / "out" / "statistics.json").read_text())
    assert facts["labels"]["valence"]["mean"] is None
    assert facts["data_set"]["annotation_type"] == []
    assert not (tmp_path / "out" / "label-distribution.png").exists()


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.h5").write_text("no")
    for path in ("missing.h5", "text.h5"):
        assert main(["stats", str(tmp_path / path)]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["実験 日本", "n" * 180, "a\nb\x1b[31m"])
def test_figures_of_odd_names_are_drawn_without_remarks(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "store.h5", tmp_path / "statistics"
    layout = StoreLayout(crop_px=CROP_PX)
    write_store(path, [entry(name, "A", 20, 1)], layout=layout, splits=SPLITS)
    assert main(["stats", str(path), "-o", str(out), "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    assert name in json.loads((out / "statistics.json").read_text())["videos"]
