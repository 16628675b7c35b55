"""Putting a clip store together: videos copied as they are, then what is true of all of them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import h5py

from capture.files import atomic_output, require_free_space

from .errors import DatasetError
from .landmarks import LandmarkCount
from .splits import Split
from .stats import PixelSums
from .store_attributes import Attributes
from .store_file import REBUILD
from .store_opening import read_modalities
from .store_schema import FORMAT, SCHEMA_VERSION
from .store_writer import SPARE_BYTES, StoreLayout, VideoEntry, new_file, write_part


def assemble_store(
    path: Path,
    parts: Sequence[Path],
    *,
    layout: StoreLayout,
    splits: Mapping[str, Split],
    provenance: Mapping[str, Any],
    overwrite: bool = False,
) -> None:
    """Put the parts together into the store at `path`, whole or not at all.

    Parameters
    ----------
    splits : mapping of subject to split
    provenance : mapping of str to JSON values
        Kept small (HDF5 limits an attribute to 64 KiB); sources are attributes of the videos.

    Raises
    ------
    DatasetError
        No parts, or two parts with one id.
    OutputExistsError
        `path` exists and `overwrite` is false.
    """
    if not parts:
        raise DatasetError("no video to store")
    path.parent.mkdir(parents=True, exist_ok=True)
    parts_bytes = sum(part.stat().st_size for part in parts)
    require_free_space(path.parent, parts_bytes + SPARE_BYTES)
    with atomic_output(path, overwrite=overwrite) as partial, new_file(partial) as store:
        videos = store.create_group("videos")
        for part in parts:
            with h5py.File(part, "r") as file:
                video_id = str(file["video"].attrs["id"])
                if video_id in videos:
                    raise DatasetError(
                        f"two videos are called {video_id!r}",
                        remedy="rename one: ids must be unique in a store",
                    )
                file.copy("video", videos, name=video_id)
                group = videos[video_id]
                group.attrs["split"] = splits[group.attrs["subject"]]
        describe_root(store, layout, provenance)


def rewrite_store(
    source: h5py.File, partial: Path, keep: Iterable[str], *, provenance: Mapping[str, Any]
) -> None:
    """Copy the videos `keep` of an open store into a new file; statistics are those of them."""
    with new_file(partial) as store:
        videos = store.create_group("videos")
        for video_id in keep:
            source.copy(f"videos/{video_id}", videos, name=video_id)
        describe_root(store, read_layout(source), provenance)


def describe_root(store: h5py.File, layout: StoreLayout, provenance: Mapping[str, Any]) -> None:
    """Write the root attributes of a store whose videos are in place."""
    stats, fingerprint = totals(store, layout)
    store.attrs.update(
        {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "software_version": version("mavfer"),
            "rate_hz": layout.rate_hz,
            "clip_length": layout.clip_length,
            "crop_px": layout.crop_px,
            "landmarks": layout.landmarks,
            "modalities": json.dumps(list(layout.modalities)),
            "provenance": json.dumps(dict(provenance), sort_keys=True),
            "stats": json.dumps(stats),
            "fingerprint": fingerprint,
        }
    )


def totals(store: h5py.File, layout: StoreLayout) -> tuple[dict[str, Any], str]:
    """Pixel statistics of the train split, and the fingerprint, from what the videos carry."""
    # How chunks are compressed is no content.
    digest = hashlib.sha256(repr(replace(layout, compression="none")).encode())
    sums = {m: PixelSums.empty(3 if m == "color" else 1) for m in layout.modalities}
    for video_id in sorted(store["videos"]):
        told = Attributes(store["videos"][video_id], f"{store.filename}: video {video_id}:")
        split = told.text("split")
        digest.update(f"{video_id}\0{split}\0{told.text('content_sha256')}".encode())
        if split == "train":
            of_video = read_sums(told)
            for m in sums:
                if m not in of_video or len(of_video[m].total) != len(sums[m].total):
                    raise DatasetError(f"video {video_id} has no sums of {m}", remedy=REBUILD)
                sums[m] += of_video[m]
    try:
        stats: dict[str, Any] = {
            m: {"mean": s.mean, "std": s.std, "count": s.count} for m, s in sums.items()
        }
    except OverflowError as error:
        raise DatasetError(f"sums beyond all pixels ({error})", remedy=REBUILD) from error
    return stats, digest.hexdigest()


def read_sums(attributes: Attributes) -> dict[str, PixelSums]:
    """Read the sums behind the statistics, of one video, by modality."""
    try:
        found = {
            m: PixelSums(int(count), tuple(map(int, total)), tuple(map(int, squares)))
            for m, (count, total, squares) in attributes.table("sums", finite=True).items()
        }
    except (TypeError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"sums behind the statistics are damaged ({error})") from error
    if any(len(each.total) != len(each.squares) for each in found.values()):
        raise DatasetError("sums behind the statistics contradict each other")
    return found


def read_layout(store: h5py.File) -> StoreLayout:
    """Layout of an open store; how it is compressed is not told."""
    told = Attributes(store, f"{store.filename}: root")
    return StoreLayout(
        modalities=read_modalities(told),
        crop_px=told.whole_number("crop_px"),
        clip_length=told.whole_number("clip_length"),
        rate_hz=told.number("rate_hz"),
        landmarks=cast(LandmarkCount, told.whole_number("landmarks")),
        compression="none",
    )


def write_store(
    path: Path,
    entries: Iterable[VideoEntry],
    *,
    layout: StoreLayout,
    splits: Mapping[str, Split],
    provenance: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a store from videos at hand, in this process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=".parts") as folder:
        parts = []
        for index, entry in enumerate(entries):
            parts.append(Path(folder) / f"{index:05d}.h5")
            write_part(parts[-1], entry, layout)
        assemble_store(
            path,
            parts,
            layout=layout,
            splits=splits,
            provenance=provenance or {},
            overwrite=overwrite,
        )
