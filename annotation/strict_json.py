"""JSON files of other tools, read completely or refused with what is wrong in them."""

import json
import math
from pathlib import Path
from typing import Any

from .errors import AnnotationError
from .strict_csv import read_text


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    AnnotationError
        Missing, no text, too large, cut off, nested too deep, a key twice in one object, or a
        number that JSON does not have (NaN, Infinity).
    """
    text = read_text(path, expected="a JSON file")
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_number, parse_int=_short_integer
        )
    except RecursionError:
        raise AnnotationError(f"{path} is nested too deep for a file of ratings") from None
    except _RefusedError as error:
        raise AnnotationError(f"{path}: {error}") from None
    except json.JSONDecodeError as error:
        raise AnnotationError(
            f"{path}:{error.lineno}: no valid JSON: {error.msg}",
            remedy="a file that was cut off while it was copied ends like this",
        ) from None


def expect_object(value: Any, place: str) -> dict[str, Any]:
    """Return `value` if it is a JSON object; `place` says where it was read."""
    if not isinstance(value, dict):
        raise AnnotationError(f"{place} is {_shown(value)}, expected an object")
    return value


def expect_list(value: Any, place: str) -> list[Any]:
    """Return `value` if it is a JSON array."""
    if not isinstance(value, list):
        raise AnnotationError(f"{place} is {_shown(value)}, expected a list")
    return value


def expect_name(value: Any, place: str) -> str:
    """Return `value` as a name: text that is not empty, or an integer."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise AnnotationError(f"{place} is {_shown(value)}, expected a name")
    return value.strip()


def expect_number(value: Any, place: str) -> float:
    """Return `value` if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise AnnotationError(f"{place} is {_shown(value)}, expected a number")
    return float(value)


class _RefusedError(ValueError):
    """Valid JSON that no file of ratings has."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _RefusedError(f"the key {twice[:40]!r} is there twice in one object")
    return found


def _no_number(text: str) -> float:
    raise _RefusedError(f"{text} is no number of JSON, missing values are null")


def _short_integer(text: str) -> int:
    if len(text) > 20:
        raise _RefusedError(f"the number {text[:20]}… has {len(text)} digits")
    return int(text)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
