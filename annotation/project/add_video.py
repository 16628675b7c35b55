"""Brings videos into a project: encoded, described by a manifest, known to the database."""

import json
import time
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from capture.files import all_or_none, atomic_output, write_text_atomic
from capture.frame import Modality
from capture.names import check_name
from capture.terminal import OnProgress

from ..errors import AnnotationError
from .encode import Codec, encode_video, fit_height, suffix_of
from .file_hash import sha256_of
from .folder import Project
from .people import note
from .source import Source, open_source
from .video import Role, Video, find_video

FORMAT = "mavfer-annotation-video"
SCHEMA_VERSION = 1


def add_video(
    project: Project,
    path: Path,
    *,
    role: Role = "rating",
    view: Modality = "color",
    codec: Codec = "h264",
    max_height_px: int = 720,
    sound: bool = False,
    on_progress: OnProgress | None = None,
) -> Video:
    """Encode a session's stream or a video file into a project, whole or not at all.

    Parameters
    ----------
    project : Project
    path : Path
        Session's folder or video file.
    role : {"rating", "practice"}
        Every rater does the practice videos first; their ratings count for nothing.
    view : {"color", "depth", "infrared", "thermal"}
        Which stream of a session raters see.
    codec : {"h264", "vp9", "av1"}
    max_height_px : int
        Larger pictures are scaled down.
    sound : bool
        Raters hear what the file has; without it they judge the face alone.
    on_progress : callable, optional

    Raises
    ------
    AnnotationError
        A video of that name is there, or the source cannot be shown.
    ConfigError
        The file has a name that cannot be a session's.
    """
    source = open_source(path, view=view)
    check_name(source.name, what="video")
    if sound and source.sound is None:
        raise AnnotationError(f"{path} is a session: it has no sound", remedy="leave --sound out")
    _require_new(project, source.name)
    file = project.videos / f"{source.name}{suffix_of(codec)}"
    manifest = file.with_suffix(".json")
    width_px, height_px = fit_height(*source.size_px, max_height_px)
    with all_or_none([file, manifest]):
        # Left over from an attempt that ended between the file and the database.
        with atomic_output(file, overwrite=True) as partial:
            encode_video(
                partial,
                source.images(),
                n_frames=len(source.frame),
                rate_hz=source.rate_hz,
                size_px=(width_px, height_px),
                codec=codec,
                sound=source.sound if sound else None,
                on_progress=on_progress,
            )
        facts: dict[str, Any] = {
            "name": source.name,
            "role": role,
            "file": file.name,
            "sha256": sha256_of(file),
            "n_bytes": file.stat().st_size,
            "codec": codec,
            "sound": sound,
            "width_px": width_px,
            "height_px": height_px,
            "n_frames": len(source.frame),
            "rate_hz": str(source.rate_hz),
            "start_ns": source.start_ns,
        }
        _write_manifest(manifest, facts, source)
        return _insert(project, facts, source.rate_hz)


def _require_new(project: Project, name: str) -> None:
    with project.database.read() as db:
        if db.execute("SELECT 1 FROM video WHERE name = ?", (name,)).fetchone():
            raise AnnotationError(
                f"the project has a video {name} already",
                remedy="rate another view of the same session in a project of its own",
            )


def _write_manifest(path: Path, facts: dict[str, Any], source: Source) -> None:
    content = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "software_version": version("mavfer"),
        **facts,
        "source": dict(source.facts),
        "source_frame": source.frame.tolist(),
        "source_time_ns": source.frame_time_ns.tolist(),
    }
    write_text_atomic(path, json.dumps(content) + "\n", overwrite=True)


def _insert(project: Project, facts: dict[str, Any], rate_hz: Fraction) -> Video:
    row = {key: value for key, value in facts.items() if key not in ("rate_hz", "sound")}
    row |= {"rate_num": rate_hz.numerator, "rate_den": rate_hz.denominator}
    row["added_ns"] = time.time_ns()
    places = ", ".join(f":{key}" for key in row)
    with project.database.write() as db:
        cursor = db.execute(f"INSERT INTO video ({', '.join(row)}) VALUES ({places})", row)
        note(db, "cli", "add video", str(facts["name"]))
        return find_video(db, int(cursor.lastrowid or 0))
