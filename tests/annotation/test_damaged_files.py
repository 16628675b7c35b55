"""Files with bytes changed, cut and doubled are read, or refused in one sentence."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.afew_va import load_afew_va
from annotation.ceap import load_ceap
from annotation.errors import AnnotationError
from annotation.export import export_labels, export_ratings
from annotation.labels import Labels, SessionLabels, is_labels, load_labels, save_labels
from annotation.parquet import load_traces_parquet
from annotation.parquet_columns import read_header
from annotation.raters_csv import load_traces
from annotation.sources import Ratings
from annotation.trace import Trace
from annotation.wide_csv import load_wide_csv

TIME_NS = np.arange(6, dtype=np.int64) * 40_000_000
CEAP = """{"ContinuousAnnotation_RawData": [{"ParticipantID": "P1", "Video_Annotation_RawData": [
{"VideoID": "V1", "TimeStamp_Xvalue_Yvalue": [{"TimeStamp": 0.15, "X_Value": 0.0, "Y_Value": -0.5},
{"TimeStamp": 0.29, "X_Value": 0.25, "Y_Value": -1.05}]}]}]}"""
READERS = {
    "raters.csv": lambda path: load_traces([path]),
    "labels.csv": load_labels,
    "afew.json": load_afew_va,
    "wide.csv": load_wide_csv,
    "ceap.json": load_ceap,
    "gold.parquet": load_labels,
    "table.parquet": lambda path: (load_traces_parquet(path, scale=10.0), read_header(path)),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A good file of every format."""
    folder = tmp_path_factory.mktemp("whole")
    traces = tuple(
        Trace("S01", rater, dimension, TIME_NS, np.array([1.0, 2.5, -3, 0, 10, -10]))
        for dimension in ("arousal", "valence")
        for rater in ("R1", "R2")
    )
    given_ratings = Ratings(traces, 10.0, {"R1": "A", "R2": "A"})
    for name, form in (("raters.csv", "csv"), ("table.parquet", "parquet"), ("r", "recola")):
        export_ratings(given_ratings, folder / name, form, rate_hz=25.0)
    (folder / "r" / "valence" / "S01.csv").rename(folder / "wide.csv")
    gold = Labels({"S01": SessionLabels(TIME_NS, *np.zeros((2, 6)), np.full(6, 2))}, {"a": [1]})
    save_labels(folder / "labels.csv", gold)
    export_labels(gold, folder / "gold.parquet", "parquet", rate_hz=25.0)
    export_labels(gold, folder / "j", "afew-va", rate_hz=25.0)
    (folder / "j" / "S01.json").rename(folder / "afew.json")
    (folder / "ceap.json").write_text(CEAP)
    return {name: (folder / name).read_bytes() for name in READERS}


@st.composite
def damages(draw):
    """A function from bytes to bytes."""
    kind = draw(st.sampled_from(["change", "cut", "insert", "double", "drop"]))
    where, length = draw(st.floats(0, 1)), draw(st.integers(1, 30))
    text = draw(
        st.binary(max_size=6) | st.sampled_from([b",", b"\n", b'"', b"nan", b"1e999", b"{"])
    )

    def damage(content):
        at = int(where * len(content))
        if kind == "cut":
            return content[:at]
        if kind == "double":
            return content[:at] + content[max(0, at - length) :]
        if kind == "drop":
            return content[:at] + content[at + length :]
        return content[:at] + text + content[at + (len(text) if kind == "change" else 0) :]

    return damage


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damages())
def test_damage_is_one_sentence_or_none(name, damage, whole, tmp_path):
    path = tmp_path / name
    path.write_bytes(damage(whole[name]))
    is_labels(path)
    try:
        READERS[name](path)
    except AnnotationError as error:
        text = str(error)
        assert name in text
        assert "\n" not in text
        assert len(text) < 600
