"""Labels meet rows in capture time; the traces behind them stay as they were."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.labels import Labels, SessionLabels
from annotation.trace import Trace
from mavfer.errors import DatasetError
from mavfer.labelling import Labelling, by_session, gold_of, load_ratings
from mavfer.store import open_store
from mavfer.store_assembly import write_store
from mavfer.store_traces import LabelTrace
from mavfer.store_writer import StoreLayout

from .stores import CROP_PX, entry

SECOND = 1_000_000_000


def labels_of(time_s: list[float], valence: list[float], **provenance: object) -> Labels:
    time_ns = np.array([round(t * SECOND) for t in time_s])
    missing = np.full(len(time_s), np.nan)
    session = SessionLabels(time_ns, np.array(valence), missing, np.ones(len(time_s), np.int64))
    return Labels({"v": session}, provenance)


def test_a_row_shows_what_was_said_a_lag_later() -> None:
    labels = labels_of([0, 10], [0, 1])
    rows = np.array([0, 2, 7, 9]) * SECOND
    plain = Labelling(gold=labels).columns("v", rows)["valence"]
    np.testing.assert_allclose(plain, [0, 0.2, 0.7, 0.9], atol=1e-7)
    late = Labelling(gold=labels, lag_ns=2 * SECOND).columns("v", rows)["valence"]
    np.testing.assert_allclose(late, [0.2, 0.4, 0.9, np.nan], atol=1e-7)


@given(st.integers(0, 8 * SECOND), st.lists(st.integers(0, 10 * SECOND), min_size=1, max_size=9))
def test_taking_a_lag_out_is_looking_later(lag_ns: int, rows: list[int]) -> None:
    labels = labels_of([0, 1, 4, 10], [0, 0.5, -1, 1])
    rows_ns = np.array(rows, np.int64)
    shifted = Labelling(gold=labels, lag_ns=lag_ns).columns("v", rows_ns)["valence"]
    np.testing.assert_array_equal(
        shifted, labels.at("v", "valence", rows_ns + lag_ns).astype(np.float32)
    )


def test_a_lag_is_taken_out_once() -> None:
    fused = labels_of([0, 10], [0, 1], options={"lag_s": 1.5})
    with pytest.raises(DatasetError, match=r"lag of 1\.5 s already"):
        Labelling(gold=fused, lag_ns=SECOND)
    Labelling(gold=fused)
    with pytest.raises(DatasetError, match="lag of -1 s"):
        Labelling(lag_ns=-SECOND)


def test_traces_and_lag_survive_the_store_and_are_reversible(tmp_path: Path) -> None:
    traces = [
        Trace("v", "R/1", "valence", np.array([0, 4]) * SECOND, np.array([-1.0, 1.0])),
        Trace("v", "..", "valence", np.array([0, 4]) * SECOND, np.array([0.0, 0.5])),
        Trace("v", "R/1", "arousal", np.array([1, 2]) * SECOND, np.array([0.1, 0.3])),
    ]
    labelling = Labelling(gold=gold_of(traces), raters=by_session(traces), lag_ns=SECOND)
    video = entry("v", "A", 12, 1)
    columns = labelling.columns("v", video.time_ns)
    path = tmp_path / "store.h5"
    write_store(
        path,
        [
            entry(
                "v",
                "A",
                12,
                1,
                valence=columns["valence"],
                arousal=columns["arousal"],
                traces=labelling.traces("v"),
                label_lag_ns=labelling.lag_ns,
                category="happy",
            )
        ],
        layout=StoreLayout(crop_px=CROP_PX),
        splits={"A": "train"},
    )
    store = open_store(path)
    assert store.videos["v"].label_lag_ns == SECOND
    assert store.videos["v"].category == "happy"
    kept = [(t.rater, t.dimension) for t in store.traces("v")]
    assert set(kept) == {
        ("", "valence"), ("", "arousal"), ("..", "valence"), ("R/1", "valence"), ("R/1", "arousal"),
    }  # fmt: skip
    raters = store.rater_labels("v", "valence")
    times_s = video.time_ns / 1e9
    expected = np.where(times_s <= 3, -1 + (times_s + 1) / 2, np.nan)
    np.testing.assert_allclose(raters["R/1"], expected, atol=1e-6)
    np.testing.assert_array_equal(store.labels("v", "valence", lag_s=1), columns["valence"])
    unshifted = labelling.gold.at("v", "valence", video.time_ns).astype(np.float32)  # type: ignore[union-attr]
    np.testing.assert_array_equal(store.labels("v", "valence", lag_s=0), unshifted)
    assert not np.array_equal(unshifted, columns["valence"], equal_nan=True)


def test_damaged_traces_are_named(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    gold = LabelTrace("valence", np.array([0, 1]), np.array([0.0, 1.0]))
    write_store(
        path,
        [entry("v", "A", 3, 1, traces=[gold])],
        layout=StoreLayout(crop_px=CROP_PX),
        splits={"A": "train"},
    )
    with h5py.File(path, "r+") as file:
        del file["videos/v/gold/valence/value"]
    with pytest.raises(DatasetError, match="a trace of video v is damaged"):
        open_store(path).traces("v")


def test_ratings_of_any_scale_come_to_one(tmp_path: Path) -> None:
    csv = tmp_path / "raters.csv"
    csv.write_text("session,rater,dimension,time_s,value\nv,R,valence,0,-4\nv,R,valence,1,2\n")
    (trace,) = load_ratings([csv], scale=4)
    np.testing.assert_array_equal(trace.value, [-1, 0.5])


def test_traces_that_cannot_be_are_refused() -> None:
    with pytest.raises(DatasetError, match="do not increase"):
        LabelTrace("valence", np.array([1, 1]), np.array([0.0, 0.0]))
    with pytest.raises(DatasetError, match=r"outside \[-1, 1\]"):
        LabelTrace("valence", np.array([1]), np.array([7.0]))
