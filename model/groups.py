"""Groups of frames: the lights that a store names, and whatever a laboratory's table knows."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mavfer.store import ClipStore
from mavfer.store_schema import VideoInfo

from .errors import ModelError

_MOST_GROUPS = 40
_LIGHT = "light "
"""How a stage that switches a light is called: "light dim"."""

FrameGroups = Mapping[str, Mapping[str, NDArray[np.str_]]]
"""By what is grouped, then by video: (N,) group of every frame, empty where it is in none."""


def frame_groups(
    store: ClipStore, tables: Mapping[str, Mapping[str, str]] | None = None
) -> FrameGroups:
    """Group the frames of a store by their light, and by tables of whole videos.

    Parameters
    ----------
    store : ClipStore
    tables : mapping of str to mapping of video id to str, optional
        `read_groups`; one called ``light`` takes the place of what the store says.

    Returns
    -------
    FrameGroups
        ``light`` is there where any video names one.
    """
    found = {"light": _lights(store)} | {
        name: {
            video_id: np.full(store.videos[video_id].n_frames, group)
            for video_id, group in members.items()
        }
        for name, members in (tables or {}).items()
    }
    return {name: members for name, members in found.items() if members}


def _lights(store: ClipStore) -> dict[str, NDArray[np.str_]]:
    found = {}
    for video in store.videos.values():
        lights = _light_of_frames(video, store)
        if lights is not None:
            found[video.id] = lights
    return found


def _light_of_frames(video: VideoInfo, store: ClipStore) -> NDArray[np.str_] | None:
    """Tell the light of every frame: one for the video, or those its stages switch on."""
    if isinstance(one := video.notes.get("light"), str) and one:
        return np.full(video.n_frames, one)
    switched = [
        (round(float(time_s) * 1e9), str(label).removeprefix(_LIGHT))
        for time_s, label in video.notes.get("stages", ())
        if str(label).startswith(_LIGHT)
    ]
    if not switched:
        return None
    starts_ns = np.array([at_ns for at_ns, _ in switched])
    names = np.array(["", *(name for _, name in switched)])
    lights: NDArray[np.str_] = names[
        np.searchsorted(starts_ns, store.time_ns(video.id), side="right")
    ]
    return lights


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
