"""What a label file or a file of ratings holds, as JSON values."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from .labels import LABELS_SCHEMA_VERSION, load_labels
from .raters_csv import load_traces
from .strict_csv import NS_PER_S
from .strict_json import expect_object, read_json
from .trace import DIMENSIONS

RATERS_SCHEMA_VERSION = 1


def describe_labels(path: Path) -> dict[str, Any]:
    """Summarise a gold label file.

    Returns
    -------
    dict
        Sessions, rows, labelled seconds, and per dimension the share of rows that have a label,
        the mean and the extremes (None where there is no label).
    """
    labels = load_labels(path)
    every = list(labels.sessions.values())
    dimensions = {}
    for dimension in DIMENSIONS:
        values = np.concatenate([each.values(dimension) for each in every])
        known = values[~np.isnan(values)]
        dimensions[dimension] = {
            "labelled_percent": 100.0 * len(known) / len(values),
            "mean": float(np.mean(known)) if len(known) else None,
            "min": float(np.min(known)) if len(known) else None,
            "max": float(np.max(known)) if len(known) else None,
        }
    counts = np.concatenate([each.n_raters for each in every])
    duration_ns = sum(int(each.time_ns[-1] - each.time_ns[0]) for each in every)
    return {
        "schema_version": LABELS_SCHEMA_VERSION,
        "sessions": sorted(labels.sessions),
        "n_rows": len(counts),
        "duration_s": duration_ns / NS_PER_S,
        "n_raters_min": int(np.min(counts)),
        "n_raters_max": int(np.max(counts)),
        "dimensions": dimensions,
        "provenance": dict(labels.provenance),
    }


def describe_raters(path: Path) -> dict[str, Any]:
    """Summarise a file of ratings: who rated what, how often, over which range (any scale)."""
    traces = load_traces([path], scale=math.inf)
    return {
        "schema_version": RATERS_SCHEMA_VERSION,
        "sessions": sorted({trace.session for trace in traces}),
        "raters": sorted({trace.rater for trace in traces}),
        "dimensions": sorted({trace.dimension for trace in traces}),
        "n_traces": len(traces),
        "n_ratings": sum(len(trace) for trace in traces),
        "min": min(float(np.min(trace.value)) for trace in traces),
        "max": max(float(np.max(trace.value)) for trace in traces),
    }


def describe_parquet(path: Path) -> dict[str, Any]:
    """Summarise a Parquet table: columns and rows, and what this toolkit wrote into it."""
    from .parquet_columns import read_header

    columns, n_rows, header = read_header(path)
    own = {key: value for key, value in header.items() if key != "mark"}
    return {"n_rows": n_rows, "columns": columns, **own}


def describe_agreement_file(path: Path) -> dict[str, Any]:
    """Summarise an agreement document: who was compared, and the means of every dimension."""
    document = expect_object(read_json(path), f"{path}: the file")
    dimensions = expect_object(document.get("dimensions"), f"{path}: dimensions")
    plain = (int, float, type(None))
    return {
        **{key: document.get(key) for key in ("schema_version", "software_version", "rate_hz")},
        "raters": document.get("raters"),
        "dimensions": {
            name: {k: v for k, v in expect_object(each, name).items() if isinstance(v, plain)}
            for name, each in dimensions.items()
        },
    }


def describe_project(path: Path) -> dict[str, Any]:
    """Summarise an annotation project: its videos, its raters by team, how far they are."""
    from .project.folder import open_project
    from .project.people import raters
    from .project.video import videos

    project = open_project(path)
    with project.database.read() as db:
        people = [each for each in raters(db) if not each.removed]
        every = videos(db)
        states = dict(
            db.execute(
                "SELECT task.state, count(*) FROM task JOIN video ON video.id = task.video "
                "WHERE video.role = 'rating' GROUP BY task.state"
            ).fetchall()
        )
        n_events = db.execute("SELECT count(*) FROM event").fetchone()[0]
    return {
        "schema_version": project.settings.schema_version,
        "title": project.settings.title,
        "dimensions": "together" if project.settings.together else "one after the other",
        "raters_per_video": project.settings.raters_per_video,
        "videos": [video.name for video in every if video.role == "rating"],
        "practice": [video.name for video in every if video.role == "practice"],
        "duration_s": sum(video.duration_s for video in every if video.role == "rating"),
        "teams": {
            team: [each.name for each in people if each.team == team]
            for team in sorted({each.team for each in people})
        },
        "n_tasks": sum(states.values()),
        "n_submitted": states.get("submitted", 0),
        "n_events": n_events,
    }
