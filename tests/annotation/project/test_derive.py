"""From events to values: written vectors, which the page's own code is held to as well."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.project.derive import derive
from annotation.project.event import Event
from capture.errors import ConfigError

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "derive_vectors.json").read_text(encoding="utf-8")
)


def events(rows: list[list[Any]]) -> list[Event]:
    made = []
    for seq, (kind, frame, *said) in enumerate(rows):
        value, hand = said if said else (None, False)
        dimension = "valence" if kind == "set" else None
        made.append(Event(seq, kind, frame, seq * 1000, dimension, value, hand))
    return made


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_values_are_those_written_down(vector: dict[str, Any]) -> None:
    pages = [events(page) for page in vector["pages"]]
    found = derive(pages, n_frames=vector["n_frames"], dimensions=["valence"])["valence"]
    assert [None if np.isnan(v) else v for v in found.value] == vector["value"]
    assert list(np.flatnonzero(found.by_hand)) == vector["by_hand"]


def test_dimensions_are_independent() -> None:
    page = [
        Event(0, "play", 0, 0),
        Event(1, "set", 0, 0, "valence", 5, hand=True),
        Event(2, "set", 2, 0, "arousal", -3, hand=True),
        Event(3, "pause", 3, 0),
    ]
    both = derive([page], n_frames=4, dimensions=["valence", "arousal"])
    np.testing.assert_array_equal(both["valence"].value, [5, 5, 5, 5])
    np.testing.assert_array_equal(both["arousal"].value, [np.nan, np.nan, -3, -3])
    assert list(derive([page], n_frames=4, dimensions=["arousal"])) == ["arousal"]


KINDS = st.sampled_from(["play", "seen", "pause", "set", "note"])


@given(
    st.lists(st.lists(st.tuples(KINDS, st.integers(0, 12), st.integers(-10, 10)))),
    st.integers(1, 10),
)
def test_whatever_is_sent_only_seen_frames_get_values_in_range(
    pages: list[list[tuple[Any, int, int]]], n_frames: int
) -> None:
    told = [
        [
            Event(i, kind, frame, 0, "valence", value if kind == "set" else None)
            for i, (kind, frame, value) in enumerate(page)
        ]
        for page in pages
    ]
    value = derive(told, n_frames=n_frames, dimensions=["valence"])["valence"].value
    known = value[~np.isnan(value)]
    assert np.all(np.abs(known) <= 10)
    said = {event.value for page in told for event in page if event.kind == "set"}
    assert set(known) <= said


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"seq": -1}, "seq"),
        ({"frame": -1}, "frame"),
        ({"value": 11}, "value"),
        ({"value": -11}, "value"),
        ({"kind": "set"}, "dimension"),
        ({"speed": 2.0}, "speed"),
        ({"speed": float("nan")}, "speed"),
        ({"at_us": -5}, "at_us"),
        ({"detail": "x" * 4001}, "detail"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], complaint: str) -> None:
    good: dict[str, Any] = {"seq": 0, "kind": "seen", "frame": 0, "at_us": 0}
    with pytest.raises(ConfigError, match=complaint):
        Event(**{**good, **changes})
