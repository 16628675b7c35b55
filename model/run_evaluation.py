"""What is kept of each evaluation of a benchmark's run: the numbers that tables are made of."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from capture.files import write_text_atomic

from .evaluation import Evaluation
from .subject_moments import subject_moments

_FOLDER = "evaluations-4"
"""The number goes up when more is kept: runs that lack it are evaluated, not trained, again."""


def evaluation_path(run: Path, split: str, knock_out: str) -> Path:
    """Return where the evaluation of a run is kept; `knock_out` is empty for it as trained."""
    return run / _FOLDER / f"{split}{'-' + knock_out if knock_out else ''}.json"


def write_evaluation(
    path: Path,
    evaluation: Evaluation,
    processed: Evaluation | None,
    *,
    split: str,
    knock_out: str,
) -> None:
    """Write the scores, whole and by subject and group, and what is told about attention."""
    value = {
        "knock_out": knock_out or None,
        "split": split,
        "pooled": evaluation.pooled(),
        "video_mean": {output: evaluation.over_videos(output)[0] for output in evaluation.outputs},
        "subjects": evaluation.by_subject(),
        "groups": evaluation.by_group(),
        "post_processed": processed.pooled() if processed is not None else None,
        "attention_contrast": evaluation.attention_contrast,
        "attention_between_clips": evaluation.attention_between_clips,
        "attention_regions": evaluation.attention_regions,
        "subject_moments": subject_moments(evaluation),
        "videos_left_out": evaluation.left_out,
        "n_frames_interpolated": sum(int(v.interpolated.sum()) for v in evaluation.videos),
    }
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    write_text_atomic(path, text, overwrite=True)


def read_evaluation(path: Path) -> Mapping[str, Any]:
    """Read what `write_evaluation` wrote."""
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
