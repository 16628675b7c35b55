"""Croissant: a data set described so that search engines and loaders understand it.

Croissant 1.0 (MLCommons) is JSON-LD over schema.org. It knows no HDF5, so videos and frames are
told in two CSV tables that loaders read; the store is a file object beside them.
"""

import csv
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capture.terminal import OnProgress

from ..derived import DERIVED_MARK, is_marked
from ..output_folder import output_folder
from ..store import ClipStore
from ..store_schema import DIMENSIONS, FACE_SOURCES, REASONS

METADATA_NAME = "croissant.json"
TABLE_NAMES = VIDEOS_NAME, FRAMES_NAME = "videos.csv", "frames.csv"
_BLOCK_BYTES = 1 << 22
_TYPES = {"text": "sc:Text", "integer": "sc:Integer", "number": "sc:Float", "flag": "sc:Boolean"}
_VIDEO_COLUMNS = {
    "video": ("text", "id of the video, name of its group in the store"),
    "subject": ("text", "pseudonym of who is seen"),
    "split": ("text", "train, validation or test; subjects are in one only"),
    "frames": ("integer", "rows of the video"),
    "category": ("text", "emotion of the whole video; empty where it has none"),
    "kind": ("text", "session (recorded with the rig) or video (a film)"),
}
_FRAME_COLUMNS = {
    "video": ("text", "id of the video"),
    "row": ("integer", "row in the store's data sets"),
    "time_s": ("number", "capture time since the video's start"),
    "valence": ("number", "gold label, -1 to 1; empty where there is none"),
    "arousal": ("number", "gold label, -1 to 1; empty where there is none"),
    "face": ("flag", "a face is in the crop"),
    "face_source": ("text", "image in which the face was found"),
    "reason": ("text", "why no face was found"),
}


@dataclass(frozen=True, slots=True)
class About:
    """What a store cannot know about itself.

    Attributes
    ----------
    name, description, license, url, creator, cite_as, version, date_published : str
        Empty where not told; loaders then warn that they are missing.
    """

    name: str
    description: str = ""
    license: str = ""
    url: str = ""
    creator: str = ""
    cite_as: str = ""
    version: str = "1.0.0"
    date_published: str = ""


def export_croissant(
    store: ClipStore,
    folder: Path,
    about: About,
    *,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write ``croissant.json`` with its tables into `folder`; return its path.

    Raises
    ------
    OutputExistsError
        `folder` holds such metadata and `overwrite` is false, or files of such names that are
        not of this make.
    """
    folder = folder.absolute()
    with output_folder(
        folder,
        names=(METADATA_NAME, *TABLE_NAMES),
        last=METADATA_NAME,  # it knows the tables' hashes
        overwrite=overwrite,
        is_own=_is_own,
    ) as made:
        _write_table(made / VIDEOS_NAME, _VIDEO_COLUMNS, _video_rows(store))
        _write_table(made / FRAMES_NAME, _FRAME_COLUMNS, _frame_rows(store, on_progress))
        files = {
            "videos": (VIDEOS_NAME, "text/csv", made / VIDEOS_NAME),
            "frames": (FRAMES_NAME, "text/csv", made / FRAMES_NAME),
            "store": (
                Path(os.path.relpath(store.path, folder)).as_posix(),
                "application/x-hdf5",
                store.path,
            ),
        }
        document = _document(store, about, files)
        text = json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False)
        (made / METADATA_NAME).write_text(text + "\n", encoding="utf-8")
    return folder / METADATA_NAME


def _is_own(path: Path) -> bool:
    """Tell metadata by its mark, and tables, which have no room for one, by their header."""
    columns = {VIDEOS_NAME: _VIDEO_COLUMNS, FRAMES_NAME: _FRAME_COLUMNS}.get(path.name)
    if columns is None:
        return is_marked(path)
    with path.open("rb") as handle:
        return handle.readline(_BLOCK_BYTES) == (",".join(columns) + "\n").encode()


def _document(
    store: ClipStore, about: About, files: Mapping[str, tuple[str, str, Path]]
) -> dict[str, Any]:
    told = {
        "description": about.description or _description(store),
        "license": about.license,
        "url": about.url,
        "creator": {"@type": "sc:Organization", "name": about.creator} if about.creator else None,
        "citeAs": about.cite_as,
        "datePublished": about.date_published,
        "version": about.version,
    }
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": about.name,
        **{key: value for key, value in told.items() if value},
        "keywords": [
            "facial affect", "valence", "arousal", DERIVED_MARK, f"fingerprint {store.fingerprint}",
        ],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": url,
                "encodingFormat": encoding,
                "sha256": _sha256(path),
                "contentSize": f"{path.stat().st_size} B",
            }
            for name, (url, encoding, path) in files.items()
        ],
        "recordSet": [
            _record_set("videos", "One record a video.", _VIDEO_COLUMNS),
            _record_set("frames", "One record a row of a video.", _FRAME_COLUMNS),
        ],
    }  # fmt: skip


def _description(store: ClipStore) -> str:
    subjects = len({video.subject for video in store.videos.values()})
    frames = sum(video.n_frames for video in store.videos.values())
    rate = f" at {store.rate_hz:g} Hz" if store.rate_hz else ""
    return (
        f"Aligned face crops of {store.crop_px} px ({', '.join(store.modalities)}) with valence "
        f"and arousal: {len(store.videos)} videos of {subjects} subjects, {frames} frames{rate}."
    )


def _record_set(
    name: str, description: str, columns: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": f"{name}-records",
        "name": f"{name}-records",
        "description": description,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}-records/{column}",
                "name": column,
                "description": what,
                "dataType": _TYPES[kind],
                "source": {"fileObject": {"@id": name}, "extract": {"column": column}},
            }
            for column, (kind, what) in columns.items()
        ],
    }


def _video_rows(store: ClipStore) -> Iterator[Sequence[object]]:
    for v in store.videos.values():
        yield v.id, v.subject, v.split, v.n_frames, v.category, v.kind


def _frame_rows(store: ClipStore, on_progress: OnProgress | None) -> Iterator[Sequence[object]]:
    for done, video_id in enumerate(store.videos):
        labels = [store.labels(video_id, d) for d in DIMENSIONS]
        face, source = store.valid(video_id)["face"], store.face_source(video_id)
        reason = store.reason(video_id)
        for row, time_ns in enumerate(store.time_ns(video_id).tolist()):
            rated = [_cell(float(column[row])) for column in labels]
            yield (
                video_id,
                row,
                f"{time_ns / 1e9:.9f}",
                *rated,
                bool(face[row]),
                FACE_SOURCES[source[row]],
                REASONS[reason[row]],
            )
        if on_progress is not None:
            on_progress(done + 1, len(store.videos))


def _cell(value: float) -> str:
    return "" if value != value else f"{value:.7g}"


def _write_table(
    path: Path, columns: Mapping[str, object], rows: Iterator[Sequence[object]]
) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification prescribes for version 1.0, word for word."""
