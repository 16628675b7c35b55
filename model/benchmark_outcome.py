"""What an experiment comes to once its runs are finished: its table, its pictures, its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .benchmark import BenchmarkPlan, PlannedRow, file_stem, write_table
from .benchmark_figures import (
    draw_run_attention,
    draw_run_traces,
    draw_statistics,
    write_agreement,
)
from .benchmark_tables import make_table, read_runs
from .clip_length_figure import ceilings_by_length, draw_clip_lengths, scores_by_length
from .errors import ModelError
from .experiments import Experiment
from .learning_curves import curve_of, draw_learning_curves
from .light_figure import draw_by_light
from .may_publish import publishable_videos
from .result_table import ResultTable


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Files of an experiment, and the table where it has one.

    Attributes
    ----------
    experiment : Experiment
    paths : mapping of kind to Path
    rows : tuple of PlannedRow
        Empty where nothing was trained.
    table : ResultTable or None
    failures : mapping of key to str
        Why runs failed.
    """

    experiment: Experiment
    paths: Mapping[str, Path]
    rows: tuple[PlannedRow, ...] = ()
    table: ResultTable | None = None
    failures: Mapping[str, str] = field(default_factory=dict)

    def to_object(self) -> dict[str, Any]:
        """Return paths and figures as JSON."""
        facts: dict[str, Any] = {kind: str(path) for kind, path in self.paths.items()}
        if self.table is not None:
            facts["rows"] = self.table.to_object()
            facts["failed"] = len(self.failures)
        return facts


def outcome_without_runs(experiment: Experiment, plan: BenchmarkPlan) -> Outcome | None:
    """Make what needs the store only; None where the experiment needs runs."""
    if experiment.kind == "agreement":
        return Outcome(experiment, write_agreement(plan))
    if experiment.kind == "statistics":
        return Outcome(experiment, draw_statistics(experiment, plan))
    return None


def outcome_of_runs(
    experiment: Experiment,
    rows: Sequence[PlannedRow],
    plan: BenchmarkPlan,
    failures: Mapping[str, str],
) -> Outcome:
    """Make tables and pictures of finished runs.

    Raises
    ------
    ModelError
        A run failed of which a picture was wanted; tables leave its row open.
    """
    if failures and experiment.kind in ("attention", "traces"):
        raise ModelError(f"{experiment.name}: {next(iter(failures.values()))}")
    if experiment.kind == "attention":
        return Outcome(experiment, draw_run_attention(experiment, rows, plan), tuple(rows))
    if experiment.kind == "traces":
        return Outcome(experiment, draw_run_traces(experiment, rows, plan), tuple(rows))
    stem = file_stem(experiment, plan)
    table = make_table(experiment, rows, plan, failures)
    paths = write_table(table, plan.root, stem)
    if not experiment.categorical:
        curves = {
            rows[number].row.label: [curve_of(each, plan.output) for each in runs]
            for number, runs in read_runs(rows, plan, failures).items()
            if not rows[number].specs[0].model.facts.closed_form
        }
        show = publishable_videos(plan.store) if plan.to_publish else None
        paths |= draw_by_light(table, plan.store, plan.root, stem, show=show)
        paths |= draw_learning_curves(curves, plan.root, stem, title=table.title)
    if experiment.kind == "curve":
        lengths = scores_by_length(table, rows)
        ceilings = ceilings_by_length(rows, plan.store)
        paths |= draw_clip_lengths(lengths, ceilings, plan.root, stem)
    return Outcome(experiment, paths, tuple(rows), table, failures)
