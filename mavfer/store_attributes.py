"""Attributes of a clip store's groups, each read as what it has to be."""

import json
import math
from typing import Any

import h5py
import numpy as np

from .errors import DatasetError
from .store_file import REBUILD

_DEEPEST_JSON = 64


class Attributes:
    """Reads attributes of one HDF5 group; whatever lies there instead is one clear error.

    Parameters
    ----------
    group : h5py.Group
    where : str
        File and place, for messages.
    """

    def __init__(self, group: h5py.Group, where: str) -> None:
        self._attrs, self._where = group.attrs, where

    def text(self, name: str) -> str:
        """Return a text."""
        value = self._value(name)
        if not isinstance(value, str):
            raise self._bad(name, value, "a text")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self._bad(name, value, "text in UTF-8") from None
        return str(value)

    def whole_number(self, name: str) -> int:
        """Return a whole number."""
        value = self.number(name)
        if value != int(value):
            raise self._bad(name, value, "a whole number")
        return int(self._value(name))  # not by way of a float: nanoseconds have more digits

    def number(self, name: str) -> float:
        """Return a finite number."""
        value = np.asarray(self._value(name))
        if value.shape or value.dtype.kind not in "iuf" or not np.isfinite(value):
            raise self._bad(name, self._value(name), "a finite number")
        return float(value)

    def json(self, name: str) -> Any:
        """Return what a text says in JSON, nested no deeper than can be written again."""
        text = self.text(name)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._bad(name, text, f"JSON: {error}") from None
        level, depth = [value], 0
        while level:
            depth += 1
            level = [
                each
                for outer in level
                if isinstance(outer, dict | list)
                for each in (outer.values() if isinstance(outer, dict) else outer)
            ]
        if depth > _DEEPEST_JSON:
            raise self._bad(name, text, f"JSON of at most {_DEEPEST_JSON} levels")
        return value

    def table(self, name: str, *, finite: bool = False) -> dict[str, Any]:
        """Return a JSON object.

        Parameters
        ----------
        finite : bool
            Refuse NaN and infinity in it.
        """
        value = self.json(name)
        if not isinstance(value, dict):
            raise self._bad(name, value, "a table")
        if finite and not _is_finite(value):
            raise self._bad(name, value, "finite numbers")
        return value

    def _value(self, name: str) -> Any:
        try:
            if name in self._attrs:
                return self._attrs[name]
        except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                f"{self._where} attribute {name} cannot be read: damaged ({error})", remedy=REBUILD
            ) from error
        raise DatasetError(f"{self._where} attribute {name} is missing", remedy=REBUILD)

    def _bad(self, name: str, found: object, expected: str) -> DatasetError:
        return DatasetError(
            f"{self._where} attribute {name} is {_shown(found)}, expected {expected}",
            remedy=REBUILD,
        )


def _is_finite(value: object) -> bool:
    if isinstance(value, dict | list):
        return all(map(_is_finite, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, float) or math.isfinite(value)


def _shown(value: object) -> str:
    text = " ".join(repr(value.item() if isinstance(value, np.generic) else value).split())
    return text if len(text) <= 40 else f"{text[:40]}…"
