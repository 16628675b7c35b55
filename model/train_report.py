"""What ``mavfer-train`` says at the end of a run."""

from collections.abc import Iterable, Mapping
from typing import Any

from .config import TrainConfig
from .plateau import PLATEAU_CCC
from .scores import Scores

_STOPPED = {
    "steps": "all steps done",
    "time": "time budget used up",
    "patience": "no better validation for long enough",
    "fitted": "solved in closed form",
}
_LONGER = 1000
"""Steps to offer a run that is on the plateau: most that ever leave it do so within them."""


def report_lines(report: Mapping[str, Any], train: TrainConfig) -> list[str]:
    """Put into words how a run ended.

    Parameters
    ----------
    report : mapping
        The fields of `model.train.TrainResult` with ``run``, ``checkpoint``, ``model``,
        ``modalities``, ``preset`` and ``device``.
    train : TrainConfig
    """
    most = max(train.max_steps, report["steps"])
    lines = [
        f"{report['model']} {'+'.join(report['modalities'])}, preset {report['preset']}, "
        f"{report['n_parameters']:,} parameters, on {report['device']}",
        f"{report['steps']} of {most} steps in {report['seconds_s']:.0f} s "
        f"({report['step_s']:.3f} s a step, {report['clips_per_s']:.3g} clips/s, data wait "
        f"{report['data_wait']:.0%}): {_STOPPED[report['stopped']]}",
        f"{report['n_train_clips']} training clips, {report['n_validation_clips']} validation "
        f"clips; left out {report['n_without_face']} without a face, "
        f"{report['n_without_label']} without a label",
    ]
    for output, scores in report["validation"].items():
        values = ", ".join(
            f"{name.upper()} {scores[name]:.3f}" if scores[name] is not None else f"{name} -"
            for name in (("accuracy", "uar") if "accuracy" in scores else ("ccc", "cc", "rmse"))
        )
        lines.append(f"best validation, step {report['best_step']}: {output} {values}")
    if not report["validation"]:
        why = "no validation split"
        if report["n_validation_left_out"]:
            why = "the validation split has no clip with a face and a label"
        lines.append(f"{why}: the checkpoint holds the last weights")
    if report["plateau_end"]:
        lines.append(f"predictions differ between clips since step {report['plateau_end']}")
    if report["constant_output"]:
        lines.append("constant output: every clip gets the same prediction; train longer")
    lines += _plateau_lines(report, train)
    return [*lines, f"checkpoint: {report['checkpoint']}"]


def _plateau_lines(report: Mapping[str, Any], train: TrainConfig) -> list[str]:
    """Tell of a run that says next to nothing about what it is shown, and what to do about it."""
    best = _best_ccc(report["validation"].values())
    if best is None or best > PLATEAU_CCC or report["stopped"] == "fitted":
        return []
    if report["stopped"] == "patience":
        advice = "train it anew with --set patience=null, or with more patience"
    else:
        steps = max(train.max_steps, report["steps"] + _LONGER)
        advice = f"go on: mavfer-train STORE -o {report['run']} --resume --steps {steps}"
    return [
        f"the best validation CCC is {best:.3f}, not above {PLATEAU_CCC:g}: the run has not left "
        f"the plateau near constant output ({advice})"
    ]


def _best_ccc(validation: Iterable[Scores]) -> float | None:
    """Return the mean CCC over outputs; None for categories and without validation."""
    values = [scores["ccc"] or 0.0 for scores in validation if "ccc" in scores]
    return sum(values) / len(values) if values else None
