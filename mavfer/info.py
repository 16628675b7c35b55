"""What a file or folder of the project is, told from its content, and what it holds."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from capture.errors import MavferError

from .checkpoint_header import is_safetensors, read_checkpoint_header
from .errors import DatasetError

_MCAP_MAGIC = b"\x89MCAP0\r\n"
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_PARQUET_MAGIC = b"PAR1"
_TEXT_PROBE_BYTES = 65_536
_RIG_CALIBRATION_MARK = "mavfer-rig-calibration"
_CHECKPOINT_NAME = "checkpoint.safetensors"
_CHECKPOINT_KEY = "mavfer"
_REMEDY = (
    "known are sessions, recordings, rig calibrations and configurations, ratings, gold labels, "
    "annotation projects, clip stores, checkpoints, training runs and evaluations"
)
_SHOWN_ITEMS = 8
_MAX_FIELDS = 24
"""A mapping with more keys is a collection, even if its values are plain."""
_MAX_INLINE = 200

Facts = dict[str, Any]


def describe(path: Path) -> Facts:
    """Recognise `path` and describe it.

    Returns
    -------
    dict
        JSON values: ``path``, ``kind`` and what the kind's reader says.

    Raises
    ------
    MavferError
        Nothing there, nothing known, or a known kind that is cut off or damaged.
    """
    path = Path(path)
    if not path.exists():
        raise DatasetError(f"{path} does not exist")
    kind, reader = _recognise_folder(path) if path.is_dir() else _recognise_file(path)
    facts = reader(path)
    described = {"path": str(path), "kind": kind}
    own = {"type", *described}  # a package's own word for the kind says nothing new
    described.update({k: _json_value(v) for k, v in facts.items() if k not in own})
    return described


def render(described: Mapping[str, Any]) -> list[str]:
    """Lay a description out in lines for people; long lists are cut, ``--json`` has them whole."""
    if described["kind"] == "session":
        from capture.info import session_overview

        described = session_overview(described)
    facts = dict(described)
    lines = [f"{facts.pop('path')}: {facts.pop('kind')}"]
    return lines + _render(facts, "  ")


def _recognise_folder(path: Path) -> tuple[str, Callable[[Path], Facts]]:
    if (path / "session.json").is_file():
        return "session", _session
    if (path / "project.toml").is_file() and (path / "ratings.sqlite").is_file():
        return "annotation project", _project
    if (path / _CHECKPOINT_NAME).is_file():
        return "training run", _run
    if (path / "metrics.json").is_file():
        return "evaluation", _evaluation
    if next(path.glob("*/session.json"), None):
        return "folder of sessions", _sessions
    raise DatasetError(f"{path} is a folder of nothing that is known here", remedy=_REMEDY)


def _recognise_file(path: Path) -> tuple[str, Callable[[Path], Facts]]:
    if not path.is_file():
        raise DatasetError(f"{path} is a pipe, socket or device, expected a file", remedy=_REMEDY)
    size = path.stat().st_size
    with path.open("rb") as handle:
        start = handle.read(_TEXT_PROBE_BYTES)
    if not start:
        raise DatasetError(f"{path} is empty", remedy="it was probably cut off while being written")
    if start.startswith(_MCAP_MAGIC):
        return "recording", _recording
    if start.startswith(_HDF5_MAGIC):
        return "clip store", _store
    if start.startswith(_PARQUET_MAGIC):
        return "Parquet table", _parquet
    text = _as_text(start, whole=size == len(start))
    if text is None:
        if path.suffix == ".safetensors" or is_safetensors(start):
            return "checkpoint", _checkpoint
    elif path.name == "session.json":
        return "session", lambda file: _session(file.parent)
    elif recognised := _recognise_text(path, text):
        return recognised
    raise DatasetError(f"{path} is a file of no kind that is known here", remedy=_REMEDY)


def _recognise_text(path: Path, text: str) -> tuple[str, Callable[[Path], Facts]] | None:
    from annotation.agreement_text import AGREEMENT_FORMAT
    from annotation.labels import is_labels
    from annotation.raters_csv import RATER_COLUMNS

    lines = [line for line in text.splitlines() if line.strip()]
    table = [line for line in lines if not line.startswith("#")]
    header = tuple(cell.strip() for cell in table[0].split(",")) if table else ()
    if is_labels(path):
        return "gold labels", _labels
    if header == RATER_COLUMNS:
        return "ratings", _raters
    if f'"format": "{AGREEMENT_FORMAT}"' in text:
        return "agreement of raters", _agreement
    if _RIG_CALIBRATION_MARK in text:
        return "rig calibration", _rig_calibration
    if path.suffix == ".toml" and "schema_version" in text:
        return "rig configuration", _rig_config
    return None


def _session(path: Path) -> Facts:
    from capture.info import describe_session

    return dict(describe_session(path))


def _project(path: Path) -> Facts:
    from annotation.info import describe_project

    return describe_project(path)


def _sessions(path: Path) -> Facts:
    """Count by manifest only: opening every recording of a large folder takes minutes."""
    from capture.manifest import read_manifest

    counts: dict[str, int] = {}
    subjects: dict[str, int] = {}
    unreadable = {}
    folders = sorted(file.parent for file in path.glob("*/session.json"))
    for folder in folders:
        try:
            manifest = read_manifest(folder)
        except MavferError as error:
            unreadable[folder.name] = str(error)
            continue
        counts[manifest.status] = counts.get(manifest.status, 0) + 1
        subjects[manifest.subject] = subjects.get(manifest.subject, 0) + 1
    return {
        "n_sessions": len(folders),
        "by_status": counts,
        "sessions_by_subject": subjects,
        "unreadable": unreadable,
    }


def _recording(path: Path) -> Facts:
    from capture.info import describe_recording

    return dict(describe_recording(path))


def _rig_calibration(path: Path) -> Facts:
    from calibration.info import describe_rig_calibration

    return dict(describe_rig_calibration(path))


def _rig_config(path: Path) -> Facts:
    from capture.config import load_rig_config
    from capture.structure import encode

    return dict(encode(load_rig_config(path)))


def _labels(path: Path) -> Facts:
    from annotation.info import describe_labels

    return describe_labels(path)


def _raters(path: Path) -> Facts:
    from annotation.info import describe_raters

    return describe_raters(path)


def _parquet(path: Path) -> Facts:
    from annotation.info import describe_parquet

    return describe_parquet(path)


def _agreement(path: Path) -> Facts:
    from annotation.info import describe_agreement_file

    return describe_agreement_file(path)


def _store(path: Path) -> Facts:
    from .store_description import describe_store

    return describe_store(path)


def _checkpoint(path: Path) -> Facts:
    header = read_checkpoint_header(path)
    own = header.metadata.get(_CHECKPOINT_KEY)
    return {
        "n_tensors": header.n_tensors,
        "n_parameters": header.n_parameters,
        "n_bytes": header.n_bytes,
        "dtypes": list(header.dtypes),
        **(own if isinstance(own, dict) else {"metadata": header.metadata}),
    }


def _run(path: Path) -> Facts:
    """Describe a training run: its checkpoint and how far its metrics got."""
    log = path / "metrics.jsonl"
    lines = log.read_bytes().splitlines() if log.is_file() else []
    try:
        last = json.loads(lines[-1]) if lines else None
    except (ValueError, RecursionError):  # a run that was killed while it wrote a line
        last = None
    return {**_checkpoint(path / _CHECKPOINT_NAME), "n_log_lines": len(lines), "last_log": last}


def _evaluation(path: Path) -> Facts:
    file = path / "metrics.json"
    try:
        metrics = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise DatasetError(f"{file} is no valid JSON: it is cut off or damaged") from None
    return metrics if isinstance(metrics, dict) else {"metrics": metrics}


def _as_text(start: bytes, *, whole: bool) -> str | None:
    """Decode the start of a file, or None if it is no text."""
    if b"\0" in start:
        return None
    try:
        return start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        cut_character = not whole and error.start > len(start) - 4
        return start[: error.start].decode("utf-8-sig") if cut_character else None


def _json_value(value: Any) -> Any:
    """Make `value` strict JSON: NaN and infinity become None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(each) for each in value]
    return value


def _render(facts: Mapping[str, Any], indent: str) -> list[str]:
    lines = []
    collection = len(facts) > _MAX_FIELDS or all(isinstance(v, Mapping) for v in facts.values())
    for number, (key, value) in enumerate(facts.items()):
        if number == _SHOWN_ITEMS and collection:
            lines.append(f"{indent}… {len(facts) - number} more (--json shows all)")
            break
        lines += _render_item(_name(key), value, indent)
    return lines


def _render_item(name: str, value: Any, indent: str) -> list[str]:
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        value = {str(i): each for i, each in enumerate(value, start=1)}
    if not isinstance(value, Mapping) or not value:
        return [f"{indent}{name}: {_scalar(value)}"]
    short = _inline(value)
    if short is not None:
        return [f"{indent}{name}: {short}"]
    return [f"{indent}{name}:", *_render(value, indent + "  ")]


def _inline(value: Mapping[str, Any]) -> str | None:
    """Write a small flat mapping on one line."""
    words = []
    for key, each in value.items():
        nested = isinstance(each, list) and any(isinstance(item, Mapping | list) for item in each)
        if nested or (isinstance(each, Mapping) and each):
            return None
        listed = isinstance(each, list) and len(each) > 1
        words.append(f"{_name(key)} {f'[{_scalar(each)}]' if listed else _scalar(each)}")
    text = ", ".join(words)
    return text if len(text) <= _MAX_INLINE else None


def _name(key: str) -> str:
    """Write field names as words; names of sessions, files and transforms stay as they are."""
    return key.replace("_", " ") if key.islower() else key


def _scalar(value: Any) -> str:
    if value is None or value in ([], {}, ""):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value + 0.0:.6g}"  # no minus zero
    if isinstance(value, Sequence) and not isinstance(value, str):
        shown = ", ".join(_scalar(each) for each in value[:_SHOWN_ITEMS])
        return shown + (f", … ({len(value)} in all)" if len(value) > _SHOWN_ITEMS else "")
    text = str(value)
    return text if len(text) <= _MAX_INLINE else f"{text[:_MAX_INLINE]}…"
