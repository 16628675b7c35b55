from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.errors import ConfigError
from capture.structure import decode, encode


@dataclass(frozen=True, slots=True)
class Inner:
    size: int
    ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class Outer:
    name: str
    mode: Literal["a", "b"]
    inner: tuple[Inner, ...] = ()
    by_name: Mapping[str, Inner] = field(default_factory=dict)
    maybe: int | None = None
    anything: Mapping[str, Any] = field(default_factory=dict)
    flag: bool = False

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("bad is no name")


INNER = st.builds(Inner, st.integers(), st.floats(allow_nan=False, allow_infinity=False))
OUTER = st.builds(
    Outer,
    st.text().filter(lambda name: name != "bad"),
    st.sampled_from(["a", "b"]),
    st.lists(INNER).map(tuple),
    st.dictionaries(st.text(), INNER),
    st.none() | st.integers(),
    st.dictionaries(st.text(), st.none() | st.booleans() | st.text()),
    st.booleans(),
)


@given(OUTER)
def test_what_is_encoded_is_decoded(value: Outer) -> None:
    assert decode(Outer, encode(value), where="test") == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (3, "test: found int"),
        ({"name": "x"}, "mode is missing"),
        ({"name": "x", "mode": "c"}, "expected one of a, b"),
        ({"name": 1, "mode": "a"}, "name is int"),
        ({"name": "x", "mode": "a", "flag": 1}, "flag is int"),
        ({"name": "x", "mode": "a", "maybe": True}, "maybe is bool"),
        ({"name": "x", "mode": "a", "inner": [{"size": 1.5}]}, r"inner\[0\]: size is float"),
        ({"name": "x", "mode": "a", "inner": {}}, "expected a list"),
        ({"name": "x", "mode": "a", "by_name": []}, "expected a table"),
        ({"name": "x", "mode": "a", "by_name": {"k": {}}}, "by_name.k: size is missing"),
        ({"name": "x", "moed": "a"}, "unknown key 'moed' .did you mean 'mode'"),
        ({"name": "x", "zzz": "a"}, "known: anything, by_name"),
        ({"name": "bad", "mode": "a"}, "bad is no name"),
    ],
)
def test_what_does_not_fit_names_the_place(data: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        decode(Outer, data, where="test")


def test_an_integer_serves_as_a_float_but_not_the_other_way() -> None:
    assert decode(Inner, {"size": 1, "ratio": 2}, where="test").ratio == 2.0
    with pytest.raises(ConfigError):
        decode(Inner, {"size": 1.0}, where="test")


def test_nan_becomes_null() -> None:
    assert encode(Inner(1, float("nan"))) == {"size": 1, "ratio": None}
