"""Groups of videos from a table: whatever a laboratory knows about them."""

import csv
from pathlib import Path

from mavfer.store import ClipStore

from .errors import ModelError

_MOST_GROUPS = 40


def read_groups(path: Path, store: ClipStore) -> dict[str, dict[str, str]]:
    """Read a CSV table with a column ``video`` or ``subject``; every other column groups by it.

    Returns
    -------
    dict of column to dict of video id to group
        Videos that the table leaves out, or leaves empty, are in no group.

    Raises
    ------
    ModelError
        No such columns, a row of another length, a name twice or unknown to the store.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            rows = list(reader)
            columns = list(reader.fieldnames or ())
    except (csv.Error, ValueError) as error:
        raise ModelError(f"{path} cannot be read as CSV: {error}") from error
    key = next((name for name in ("video", "subject") if name in columns), None)
    others = [name for name in columns if name != key]
    if key is None or not others or len(set(columns)) != len(columns):
        raise ModelError(
            f"{path} has columns {', '.join(columns) or '(none)'}",
            remedy="expected video or subject, and at least one column to group by",
        )
    members: dict[str, list[str]] = {}
    for video in store.videos.values():
        members.setdefault(video.id if key == "video" else video.subject, []).append(video.id)
    found: dict[str, dict[str, str]] = {name: {} for name in others}
    seen: set[str] = set()
    for number, row in enumerate(rows, start=2):
        name = row[key]
        if None in row or None in row.values():
            raise ModelError(f"{path}, line {number}: not {len(columns)} values")
        if name not in members or name in seen:
            why = "twice" if name in seen else f"no {key} of {store.path.name}"
            raise ModelError(f"{path}, line {number}: {name!r} is {why}")
        seen.add(name)
        for column in others:
            if row[column].strip():
                found[column] |= dict.fromkeys(members[name], row[column].strip())
    for column, groups in found.items():
        if len(set(groups.values())) > _MOST_GROUPS:
            raise ModelError(
                f"{path}: {column} has {len(set(groups.values()))} groups, at most {_MOST_GROUPS} "
                "make a table"
            )
    return found
