"""Strict decoding of plain data (TOML, JSON, YAML) into dataclasses, and back.

Unknown keys, missing keys and wrong types are one clear `ConfigError` that names the place and,
for an unknown key, the nearest valid one. The dataclass is the schema: there is no second one.
"""

import dataclasses
import difflib
import math
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from .errors import ConfigError

_Value = TypeVar("_Value")
_PLAIN = (str, int, float, bool, type(None))


def decode(kind: type[_Value], data: object, *, where: str) -> _Value:
    """Build the dataclass `kind` from the mapping `data`.

    Parameters
    ----------
    kind : dataclass type
        Fields may be str, int, float, bool, None, Any, Literal, dataclasses, and optional, unions,
        ``tuple[X, ...]`` and ``Mapping[str, X]`` of these. An int is taken where a float is asked.
    data : object
        What a parser returned.
    where : str
        What `data` is, for messages: ``rig.toml``.

    Raises
    ------
    ConfigError
        The first thing that does not fit, or what `kind` itself refused.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: found {_name(data)}, expected a table of named values")
    fields = {f.name: f for f in dataclasses.fields(kind) if f.init}  # type: ignore[arg-type]  # TypeVar
    for key in data:
        if key not in fields:
            raise unknown_name("key", str(key), fields, where=where)
    hints = _hints(cast(type, kind))
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _convert(hints[name], data[name], f"{where}: {name}")
        elif _required(field):
            raise ConfigError(f"{where}: {name} is missing")
    try:
        return kind(**values)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def encode(value: object) -> Any:
    """Turn dataclasses, tuples and mappings into plain dicts and lists; NaN becomes None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, _PLAIN):
        return value
    raise TypeError(f"{_name(value)} has no plain form")


def unknown_name(
    what: str, name: str, known: Mapping[str, object] | tuple[str, ...], *, where: str
) -> ConfigError:
    """Return the error for a `name` that is none of `known`, with the nearest one as remedy."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
    return ConfigError(f"{where}: unknown {what} {name!r}", remedy=remedy)


def _convert(hint: Any, value: object, where: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        inner = [arg for arg in args if arg is not type(None)]
        hint = next((arg for arg in inner if type(value) is arg), inner[0])
        return _convert(hint, value, where)
    if origin is Literal:
        if value not in args or (isinstance(value, bool) and True not in args):
            raise ConfigError(f"{where} is {value!r}, expected one of {', '.join(map(str, args))}")
        return value
    if dataclasses.is_dataclass(hint):
        return decode(cast(type[Any], hint), value, where=where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where} is {_name(value)}, expected a list")
        return tuple(_convert(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} is {_name(value)}, expected a table")
        return {str(k): _convert(args[1], item, f"{where}.{k}") for k, item in value.items()}
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ConfigError(f"{where} is {_name(value)} {value!r:.60}, expected {hint.__name__}")
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _required(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _name(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
