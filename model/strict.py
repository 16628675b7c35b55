"""Frozen dataclasses from JSON objects: every key known, every value of its declared type."""

import dataclasses
import difflib
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ModelError

_Value = TypeVar("_Value")
_LARGEST = 1e12
"""Larger numbers in a configuration are damage: they overflow somewhere later."""


def _fits(value: object, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(value == allowed and type(value) is type(allowed) for allowed in arguments)
    if origin in (Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is tuple:
        return isinstance(value, list | tuple) and all(_fits(item, arguments[0]) for item in value)
    if hint is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return abs(value) <= _LARGEST  # false for NaN
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST
    if hint is type(None):
        return value is None
    return isinstance(value, hint)


def _spelled(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(repr(allowed) for allowed in get_args(hint))
    return hint.__name__ if isinstance(hint, type) else str(hint)


def from_object(kind: type[_Value], value: object, *, where: str) -> _Value:
    """Build the frozen dataclass `kind` from a parsed JSON object.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are scalars, literals, optional scalars or tuples of one type.
    value : object
        Parsed JSON. Fields with a default may be absent; unknown keys are refused.
    where : str
        Name of the source, for the message.

    Raises
    ------
    ModelError
        Not an object, an unknown or missing key, or a value of another type.
    """
    if not isinstance(value, Mapping):
        raise ModelError(f"{where}: got {type(value).__name__}, expected a JSON object")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # callers pass dataclasses; TypeVar cannot say so
    hints = get_type_hints(kind)
    for key in value:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            raise ModelError(
                f"{where}: unknown key {key!r}",
                remedy=f"did you mean {near[0]!r}?" if near else f"known: {', '.join(fields)}",
            )
    arguments: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in value:
            if field.default is dataclasses.MISSING:
                raise ModelError(f"{where}: key {name!r} is missing")
            continue
        got = value[name]
        if not _fits(got, hints[name]):
            raise ModelError(f"{where}: {name} is {got!r}, expected {_spelled(hints[name])}")
        if get_origin(hints[name]) is tuple:
            got = tuple(got)
        arguments[name] = float(got) if hints[name] is float else got
    return kind(**arguments)
