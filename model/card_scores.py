"""The scores of a model card: of the validation that chose the weights, and of the test split."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .checkpoint import CheckpointInfo
from .evaluation import Evaluation
from .run_folder import RunFolder
from .scores import Scores


@dataclass(frozen=True, slots=True)
class ScoredSplit:
    """What a checkpoint scored on the test split of the store that it learned from.

    Attributes
    ----------
    n_subjects : int
    pooled : mapping of output to scores
        Over all frames together.
    subjects : mapping of output to mapping of subject to scores
    groups : mapping of output to mapping of group to mapping of name to scores
    where : str
        Who wants more looks there, in the run folder.
    """

    n_subjects: int
    pooled: Mapping[str, Scores]
    subjects: Mapping[str, Mapping[str, Scores]]
    groups: Mapping[str, Mapping[str, Mapping[str, Scores]]]
    where: str


def scored(evaluation: Evaluation, *, where: str) -> ScoredSplit:
    """Take from an evaluation what a card tells."""
    subjects, groups = evaluation.by_subject(), evaluation.by_group()
    return ScoredSplit(
        n_subjects=len(subjects),
        pooled=evaluation.pooled(),
        subjects={
            output: {who: scores[output] for who, scores in subjects.items()}
            for output in evaluation.outputs
        },
        groups={
            output: {
                group: {name: scores[output] for name, scores in table.items()}
                for group, table in groups.items()
            }
            for output in evaluation.outputs
        },
        where=where,
    )


def read_scored(run: Path, info: CheckpointInfo) -> ScoredSplit | None:
    """Read what ``mavfer-evaluate`` left in the run folder.

    Returns
    -------
    ScoredSplit or None
        None unless it is of these weights, as trained, on the test split of the store that they
        learned from.
    """
    try:
        found = json.loads((run / "evaluation/test/metrics.json").read_text(encoding="utf-8"))
        of_these = {
            "step": info.step,
            "trained_on": info.store_fingerprint,
            "evaluated_on": info.store_fingerprint,
            "split": "test",
            "knock_out": None,
        }
        if any(found[name] != value for name, value in of_these.items()):
            return None
        outputs = found["outputs"].items()
        return ScoredSplit(
            n_subjects=found["n_subjects"],
            pooled={output: entry["pooled"] for output, entry in outputs},
            subjects={output: entry["subjects"] for output, entry in outputs},
            groups={output: entry["groups"] for output, entry in outputs},
            where="evaluation/test",
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # none, or another file under its name


def score_lines(run: Path, info: CheckpointInfo, test: ScoredSplit | None) -> list[str]:
    """Return the paragraphs of the card's section on scores."""
    kept = [line for line in RunFolder(run).metrics() if line["step"] == info.step]
    parts = []
    if kept and kept[-1]["validation"]:
        parts += ["Validation clips, by which the weights were chosen:"]
        parts.append(_score_table(kept[-1]["validation"]))
    else:
        parts.append("There was no validation: these are the last weights.")
    if test is None:
        parts.append("Not evaluated on the test split yet: `mavfer-evaluate RUN --store STORE`.")
        return parts
    parts.append(
        f"Test split, {test.n_subjects} people, all frames pooled ({test.where} has more):"
    )
    parts.append(_score_table(test.pooled))
    for output, subjects in test.subjects.items():
        known = {who: ccc for who, s in subjects.items() if (ccc := s.get("ccc")) is not None}
        if known:
            worst = min(known, key=lambda who: known[who])
            best = max(known, key=lambda who: known[who])
            parts.append(
                f"{output}: worst subject {worst} (CCC {known[worst]:.3f}), best {best} "
                f"({known[best]:.3f})."
            )
        for group, names in test.groups[output].items():
            each = ", ".join(
                f"{name} {ccc:.3f}"
                for name, s in names.items()
                if (ccc := s.get("ccc")) is not None
            )
            if each:
                parts.append(f"{output}, CCC by {group}: {each}.")
    return parts


def _score_table(outputs: Mapping[str, Scores]) -> str:
    names = ("rmse", "cc", "ccc", "accuracy", "uar", "n")
    shown = [n for n in names if any(n in scores for scores in outputs.values())]
    rows = [
        (output, *(_number(scores.get(name)) for name in shown))
        for output, scores in outputs.items()
    ]
    return markdown_table(("", *(n.upper() if len(n) < 5 else n for n in shown)), rows)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay out a table in Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
