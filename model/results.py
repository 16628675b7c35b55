"""The files of an evaluation: predictions.csv, metrics.json, traces.png, attention.png."""

import csv
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from capture.files import OutputExistsError, all_or_none, write_text_atomic

from .checkpoint import CheckpointInfo
from .evaluate import Evaluation
from .figures import draw_attention, draw_traces
from .scores import Scores

METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
TRACES = "traces.png"
ATTENTION = "attention.png"


def check_output(folder: Path, *, overwrite: bool) -> None:
    """Refuse, before any work, a folder that holds results already."""
    for name in (METRICS, PREDICTIONS, TRACES, ATTENTION):
        if (folder / name).exists() and not overwrite:
            raise OutputExistsError(
                f"{folder / name} exists already",
                remedy="choose another output or pass --overwrite",
            )


def summarise(
    evaluation: Evaluation, info: CheckpointInfo, *, checkpoint: Path, split: str
) -> dict[str, Any]:
    """Return the JSON object of ``metrics.json``.

    ``pooled`` is that of the first output; ``outputs`` holds, for each, ``pooled``,
    ``video_mean`` (mean over videos longer than a clip, of what is defined: a video of one clip
    has one prediction, which agrees with no trace) and the tables ``videos`` and ``subjects``.
    """
    pooled, videos, subjects = evaluation.pooled(), evaluation.by_video(), evaluation.by_subject()
    longer = [v.video_id for v in evaluation.videos if len(v.predicted) > info.model.clip_length]
    outputs = {
        output: {
            "pooled": pooled[output],
            "video_mean": _mean(videos[name][output] for name in longer),
            "subjects": {name: scores[output] for name, scores in subjects.items()},
            "videos": {name: scores[output] for name, scores in videos.items()},
        }
        for output in evaluation.outputs
    }
    return {
        "checkpoint": str(checkpoint),
        "model": info.model.architecture,
        "modalities": list(info.model.modalities),
        "preset": info.preset,
        "seed": info.train.seed,
        "step": info.step,
        "trained_on": info.store_fingerprint,
        "software_version": info.software_version,
        "split": split,
        "n_clips": evaluation.n_clips,
        "n_clips_without_face": evaluation.n_without_face,
        "n_frames": sum(len(v.predicted) for v in evaluation.videos),
        "n_frames_interpolated": sum(v.n_interpolated for v in evaluation.videos),
        "n_videos": len(evaluation.videos),
        "n_subjects": len(subjects),
        "attention_contrast": round(evaluation.attention_contrast, 5),
        "attention_between_clips": round(evaluation.attention_between_clips, 5),
        "pooled": pooled[evaluation.outputs[0]],
        "outputs": outputs,
    }


def write_results(
    evaluation: Evaluation, summary: dict[str, Any], folder: Path, *, overwrite: bool
) -> dict[str, str]:
    """Write the four files into `folder`, or none of them; return their paths by kind."""
    paths = [folder / name for name in (METRICS, PREDICTIONS, TRACES, ATTENTION)]
    with all_or_none(paths):
        _write_files(evaluation, summary, folder, overwrite=overwrite)
    return {path.stem: str(path) for path in paths}


def _write_files(
    evaluation: Evaluation, summary: dict[str, Any], folder: Path, *, overwrite: bool
) -> None:
    write_text_atomic(folder / PREDICTIONS, predictions_csv(evaluation), overwrite=overwrite)
    title = f"{summary['model']} {'+'.join(summary['modalities'])}, {summary['split']} split"
    if summary.get("knock_out"):
        title += f", {summary['knock_out']}"
    draw_traces(evaluation, folder / TRACES, title=title, overwrite=overwrite)
    draw_attention(evaluation.examples, folder / ATTENTION, title=title, overwrite=overwrite)
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    write_text_atomic(folder / METRICS, text, overwrite=overwrite)


def predictions_csv(evaluation: Evaluation) -> str:
    """Return ``video,time_s,gold,predicted,dimension`` rows; a missing gold label is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["video", "time_s", "gold", "predicted", "dimension"])
    for video in evaluation.videos:
        for k, dimension in enumerate(evaluation.outputs):
            for time_s, gold, predicted in zip(
                video.time_s, video.gold[:, k], video.predicted[:, k], strict=True
            ):
                label = f"{gold:.5f}" if math.isfinite(gold) else ""
                writer.writerow(
                    [video.video_id, f"{time_s:.3f}", label, f"{predicted:.5f}", dimension]
                )
    return out.getvalue()


def _mean(scores: Iterable[Scores]) -> Scores:
    """Average each metric over the videos in which it is defined."""
    rows = list(scores)
    means: Scores = {"n": len(rows)}
    for name in ("rmse", "cc", "ccc", "sd"):
        values = [row[name] for row in rows]
        known = [value for value in values if value is not None]
        means[name] = sum(known) / len(known) if known else None
    return means
