"""The files of an evaluation: numbers, predictions, pictures, a film and a page."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from capture.files import OutputExistsError, write_text_atomic

from .attention_film import write_attention_film
from .checkpoint import CheckpointInfo
from .evaluation import Evaluation
from .evaluation_page import evaluation_page
from .figures import draw_attention, draw_confusion, draw_traces
from .post_processing import FittedChain
from .predictions_file import predictions_csv, predictions_table, write_parquet
from .subject_bootstrap import ccc_intervals

METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
PARQUET = "predictions.parquet"
TRACES = "traces.png"
ATTENTION = "attention.png"
FILM = "attention.mp4"
CONFUSION = "confusion.png"
REPORT = "report.html"
_ALL = (METRICS, PREDICTIONS, PARQUET, TRACES, ATTENTION, FILM, CONFUSION, REPORT)


def check_output(folder: Path, *, overwrite: bool) -> None:
    """Refuse, before any work, a folder that holds results already."""
    for name in _ALL:
        if (folder / name).exists() and not overwrite:
            raise OutputExistsError(
                f"{folder / name} exists already",
                remedy="choose another output or pass --overwrite",
            )


def describe_run(info: CheckpointInfo, checkpoint: Path) -> dict[str, Any]:
    """Return what the summary says about the network."""
    return {
        "checkpoint": str(checkpoint),
        "model": info.model.architecture,
        "modalities": list(info.model.modalities),
        "preset": info.preset,
        "seed": info.train.seed,
        "step": info.step,
        "trained_on": info.store_fingerprint,
        "software_version": info.software_version,
    }


def summarise(
    evaluation: Evaluation,
    facts: Mapping[str, Any],
    *,
    split: str,
    chain: FittedChain | None = None,
) -> dict[str, Any]:
    """Return the JSON object of ``metrics.json``.

    ``pooled`` is that of the first output; ``outputs`` holds, for each, ``pooled``,
    ``video_mean`` and ``video_sd`` (over videos longer than a clip, of what is defined),
    ``ccc_interval`` (over subjects, of all frames and each group) and the tables ``videos``,
    ``subjects`` and ``groups``; under ``post_processed`` the first three once more, after the
    chain.

    Parameters
    ----------
    facts : mapping
        About the network or whoever predicted.
    chain : FittedChain, optional
    """
    pooled, videos, subjects = evaluation.pooled(), evaluation.by_video(), evaluation.by_subject()
    groups = evaluation.by_group()
    processed = evaluation.post_processed(chain.chains) if chain else None
    intervals = ccc_intervals(evaluation)
    outputs: dict[str, Any] = {}
    for output in evaluation.outputs:
        mean, spread = evaluation.over_videos(output)
        entry: dict[str, Any] = {
            "pooled": pooled[output],
            "video_mean": mean,
            "video_sd": spread,
            "ccc_interval": {
                name: {"low": each.low, "high": each.high}
                for name, each in intervals.get(output, {}).items()
            },
            "subjects": {name: scores[output] for name, scores in subjects.items()},
            "videos": {name: scores[output] for name, scores in videos.items()},
            "groups": {
                group: {name: scores[output] for name, scores in table.items()}
                for group, table in groups.items()
            },
        }
        if processed is not None:
            mean, spread = processed.over_videos(output)
            entry["post_processed"] = {
                "pooled": processed.pooled()[output],
                "video_mean": mean,
                "video_sd": spread,
            }
        outputs[output] = entry
    return {
        **facts,
        "split": split,
        "n_clips": evaluation.n_clips,
        "n_clips_without_face": evaluation.n_without_face,
        "n_frames": sum(len(v.predicted) for v in evaluation.videos),
        "n_frames_interpolated": sum(int(v.interpolated.sum()) for v in evaluation.videos),
        "n_frames_without_face": sum(v.n_without_face for v in evaluation.videos),
        "n_videos": len(evaluation.videos),
        "videos_left_out": list(evaluation.left_out),
        "n_subjects": len(subjects),
        "attention_contrast": _rounded(evaluation.attention_contrast),
        "attention_between_clips": _rounded(evaluation.attention_between_clips),
        "attention_regions": None
        if evaluation.attention_regions is None
        else {name: _rounded(value) for name, value in evaluation.attention_regions.items()},
        "post_processing": None
        if chain is None
        else {
            **chain.to_object(),
            "fitted_on_scored_subjects": sorted(set(chain.subjects) & set(subjects)),
        },
        "categories": list(evaluation.categories),
        "confusion": evaluation.confusion().tolist() if evaluation.categorical else None,
        "pooled": pooled[evaluation.outputs[0]],
        "outputs": outputs,
    }


def write_results(
    evaluation: Evaluation,
    summary: dict[str, Any],
    folder: Path,
    *,
    chain: FittedChain | None = None,
    overwrite: bool,
) -> dict[str, str]:
    """Write all files into `folder`, or none of them; return their paths by kind.

    Without attention there is no picture and no film of it; with categories there are no traces.
    """
    check_output(folder, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
        written = _write_files(evaluation, summary, Path(partial), chain)
        for name in _ALL:
            (folder / name).unlink(missing_ok=True)
        # The numbers come last: where they are, everything is.
        for path in sorted(written, key=lambda p: p.name == METRICS):
            path.rename(folder / path.name)
    return {_kind(path): str(folder / path.name) for path in written}


def _write_files(
    evaluation: Evaluation, summary: dict[str, Any], folder: Path, chain: FittedChain | None
) -> list[Path]:
    processed = evaluation.post_processed(chain.chains) if chain else None
    facts = {
        key: summary.get(key) for key in ("checkpoint", "trained_on", "store", "split", "knock_out")
    }
    written = [folder / name for name in (METRICS, PREDICTIONS, PARQUET)]
    write_text_atomic(folder / PREDICTIONS, predictions_csv(evaluation))
    table = predictions_table(evaluation, processed)
    write_parquet(table, folder / PARQUET, facts, overwrite=False)
    title = headline(summary)
    if evaluation.categorical:
        draw_confusion(
            evaluation.confusion(),
            evaluation.categories,
            folder / CONFUSION,
            title=title,
            overwrite=False,
        )
        written.append(folder / CONFUSION)
    else:
        draw_traces(evaluation, processed, folder / TRACES, title=title, overwrite=False)
        written.append(folder / TRACES)
    if evaluation.examples:
        draw_attention(evaluation, folder / ATTENTION, title=title, overwrite=False)
        write_attention_film(evaluation, folder / FILM, overwrite=False)
        written += [folder / ATTENTION, folder / FILM]
    page = evaluation_page(summary, title, {_kind(path): path for path in written})
    write_text_atomic(folder / REPORT, page)
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    write_text_atomic(folder / METRICS, text)
    return [*written, folder / REPORT]


def headline(summary: Mapping[str, Any]) -> str:
    """Name what was evaluated on one line."""
    title = f"{summary['model']} {'+'.join(summary['modalities'])}".strip()
    title += f", {summary['split']} split"
    return title + (f", {summary['knock_out']}" if summary.get("knock_out") else "")


def _kind(path: Path) -> str:
    return {PARQUET: "parquet", FILM: "film", REPORT: "report"}.get(path.name, path.stem)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
