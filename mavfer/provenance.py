"""What is written down about where data came from, without those who are no part of it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any


def without_names(value: Any, gone: Collection[str]) -> Any:
    """Copy a JSON value, leaving out list entries and keys that are one of the names `gone`."""
    if isinstance(value, Mapping):
        return {k: without_names(v, gone) for k, v in value.items() if k not in gone}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [
            without_names(each, gone)
            for each in value
            if not (isinstance(each, str) and each in gone)
        ]
    return value
