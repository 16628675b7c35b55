"""What is written down about where data came from, without those who are no part of it."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any


def without_names(
    value: Any, gone: Collection[str], *, staying: Collection[str] = (), instead: str
) -> Any:
    """Copy a JSON value without the names `gone`.

    List entries and keys that are such a name are left out. Within other texts (paths, file
    names) `instead` takes the place of the name, where no letter or digit touches it.

    Parameters
    ----------
    gone, staying : collection of str
        A name in both stays; so does a longer name in `staying` that holds one in `gone`.
    instead : str
    """
    leaving = {*gone} - {*staying} - {""}
    if not leaving:
        return value
    # The longest first: of S1 and S1-b the latter is meant where it stands.
    names = sorted({*leaving, *staying} - {""}, key=lambda name: (-len(name), name))
    alternatives = "|".join(map(re.escape, names))
    pattern = re.compile(f"(?<![A-Za-z0-9])(?:{alternatives})(?![A-Za-z0-9])")

    def told(text: str) -> str:
        return pattern.sub(lambda found: instead if found[0] in leaving else found[0], text)

    def copy(value: Any) -> Any:
        if isinstance(value, str):
            return told(value)
        if isinstance(value, Mapping):
            return {told(k): copy(v) for k, v in value.items() if k not in leaving}
        if isinstance(value, Sequence):
            return [copy(v) for v in value if not (isinstance(v, str) and v in leaving)]
        return value

    return copy(value)
