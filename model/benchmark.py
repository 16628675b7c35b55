"""Experiments carried out: which runs they need, what is made of them, where it is written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from capture.files import write_text_atomic
from mavfer.store import ClipStore

from .catalogue import FACTS
from .data import categories_of
from .errors import ModelError
from .experiments import Experiment, Row
from .knock_out import knock_outs_of
from .presets import preset
from .published import DIMENSION
from .result_table import ResultTable, to_csv, to_latex, to_markdown
from .row_settings import Scale, check_settings, refined
from .run_pool import fulfil_all
from .run_spec import RunSpec, is_finished, steps_of, with_seed

OnSteps = Callable[[int, int, str], None]
"""Receives steps taken and to take, and how many runs are finished."""


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkPlan:
    """How an experiment is to be carried out.

    Attributes
    ----------
    store : ClipStore
    root : Path
        Folder of runs and tables.
    scale : {"small", "recommended", "paper"}
    n_seeds : int
        Seeds 0 to n_seeds - 1, the same for every row; pictures are of seed 0 alone.
    output : str
        Dimension, of experiments that are not about categories.
    workers : int
    scheduler : str or None
    steps : int or None
        Instead of the scale's.
    pretrained : mapping of architecture to Path
        Published weights.
    settings : mapping
        Further fields of the configurations, for every row.
    rows : tuple of str
        Patterns of labels or architectures, as ``uran*``; empty: all rows.
    without_pretrained : bool
        Leave out the rows that start from published weights.
    to_publish : bool
        Pictures are for anyone to see: people who do not agree to that are not drawn.
    """

    store: ClipStore
    root: Path
    scale: Scale = "small"
    n_seeds: int = 3
    output: str = "valence"
    workers: int = 1
    scheduler: str | None = None
    steps: int | None = None
    pretrained: Mapping[str, Path] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    without_pretrained: bool = False
    to_publish: bool = False

    def __post_init__(self) -> None:
        if self.n_seeds < 1 or self.workers < 1:
            raise ModelError(
                f"{self.n_seeds} seeds, {self.workers} workers: expected at least 1 of each"
            )
        if "seed" in self.settings:
            raise ModelError(
                f"seed {self.settings['seed']} for every run: a benchmark has a run a seed, from 0",
                remedy="say how many with --seeds, or train one run with mavfer-train",
            )
        if self.pretrained and self.scale == "small":
            raise ModelError(
                f"weights for {', '.join(self.pretrained)} at scale small, whose networks have a "
                "part of the published width",
                remedy="use --scale recommended or paper, or leave --pretrained out",
            )


def is_beside_paper(experiment: Experiment, plan: BenchmarkPlan) -> bool:
    """Whether the plan is about what the paper prints, so that its figures can stand beside."""
    return experiment.categorical or not experiment.rows or plan.output == DIMENSION


def file_stem(experiment: Experiment, plan: BenchmarkPlan) -> str:
    """Name an experiment's files: another dimension than the paper's has files of its own."""
    if is_beside_paper(experiment, plan):
        return experiment.name
    return f"{experiment.name}-{plan.output}"


@dataclass(frozen=True, slots=True, eq=False)
class PlannedRow:
    """A row and its runs, one a seed; none where it cannot be run.

    Attributes
    ----------
    row : Row
    specs : tuple of RunSpec
    knock_outs : tuple of str
        Beside the network as trained.
    note : str
    """

    row: Row
    specs: tuple[RunSpec, ...]
    knock_outs: tuple[str, ...] = ()
    note: str = ""


def plan_rows(experiment: Experiment, plan: BenchmarkPlan) -> tuple[PlannedRow, ...]:
    """Work out the runs of every row.

    Raises
    ------
    ModelError
        The store lacks categories, or every row's modalities; no row is called as the plan asks,
        no row can be what its settings ask, or they set what the rows differ in.
    """
    categories = categories_of(plan.store) if experiment.categorical else ()
    if experiment.categorical and len(categories) < 2:
        raise ModelError(
            f"{experiment.name} needs videos with categories, {plan.store.path.name} has "
            f"{len(categories)}",
            remedy="build or import a store with categories",
        )
    wanted = [row for row in experiment.rows if is_wanted(row, experiment, plan)]
    if not wanted:
        raise ModelError(
            f"{experiment.name}: no row is left of {'; '.join(r.label for r in experiment.rows)}",
            remedy="choose others with --rows, by label or architecture",
        )
    check_settings(experiment.name, wanted, plan.settings)
    rows: list[PlannedRow] = []
    refusals: list[ModelError] = []
    for row in wanted:
        try:
            rows.append(_plan_row(row, experiment, plan, categories))
        except ModelError as error:  # a field that this network cannot have, others may
            refusals.append(error)
            rows.append(PlannedRow(row, (), note=f"not run: {error}"))
    if not any(row.specs for row in rows):
        if refusals:
            raise refusals[0]
        reasons = "; ".join(dict.fromkeys(row.note for row in rows if row.note))
        raise ModelError(
            f"{experiment.name}: no row can be run on {plan.store.path.name}: {reasons}"
        )
    return tuple(rows)


def is_wanted(row: Row, experiment: Experiment, plan: BenchmarkPlan) -> bool:
    """Whether the plan asks for a row of `experiment`; a whole label asks for that row alone."""
    if plan.without_pretrained and row.architecture and FACTS[row.architecture].pretrained:
        return False
    label = row.label.lower()
    labels = {other.label.lower() for other in experiment.rows}
    return not plan.rows or any(
        fnmatchcase(label, pattern)
        or (pattern not in labels and fnmatchcase(row.architecture or "", pattern))
        for pattern in (each.lower() for each in plan.rows)
    )


def _plan_row(
    row: Row, experiment: Experiment, plan: BenchmarkPlan, categories: tuple[str, ...]
) -> PlannedRow:
    if row.architecture is None:
        return PlannedRow(row, ())
    if missing := [m for m in row.modalities if m not in plan.store.modalities]:
        return PlannedRow(row, (), note=f"not run: the store has no {', '.join(missing)}")
    outputs = ("category",) if experiment.categorical else (plan.output,)
    model, train = preset(
        plan.scale,
        architecture=row.architecture,
        modalities=row.modalities,
        outputs=outputs,
        categories=categories,
    )
    note = ""
    if model.facts.pretrained:
        weights = plan.pretrained.get(row.architecture)
        if weights is not None and model.width == 1:
            train = replace(train, initialisation="pretrained", pretrained=str(weights))
        elif plan.scale != "small":
            return PlannedRow(
                row,
                (),
                note=f"not run: no {model.facts.pretrained} weights "
                f"(--pretrained {row.architecture}=FILE)",
            )
        else:
            note = "from random weights, not from published ones"
    model, train = refined(
        model, train, row, scale=plan.scale, steps=plan.steps, settings=plan.settings
    )
    first = RunSpec(
        store_path=plan.store.path,
        store_fingerprint=plan.store.fingerprint,
        model=model,
        train=train,
        preset=plan.scale,
    )
    # Pictures are of one network: further seeds would be trained and not drawn.
    n_seeds = 1 if experiment.kind in ("attention", "traces") else plan.n_seeds
    specs = tuple(with_seed(first, seed) for seed in range(n_seeds))
    if model.facts.closed_form:  # nothing in it is drawn: one run stands for all seeds
        specs = specs[:1] * n_seeds
    knock_outs = tuple(str(k) for k in knock_outs_of(model)) if experiment.knock_outs else ()
    return PlannedRow(row, specs, knock_outs, note)


def carry_out(
    rows: Sequence[PlannedRow], plan: BenchmarkPlan, *, on_steps: OnSteps | None = None
) -> dict[str, str]:
    """Train and score what is missing; return why runs failed, by key."""
    wanted: dict[str, tuple[RunSpec, tuple[str, ...]]] = {}
    for row in rows:
        for spec in row.specs:
            before = wanted.get(spec.key, (spec, ()))[1]
            wanted[spec.key] = (spec, tuple(dict.fromkeys(("", *before, *row.knock_outs))))
    todo = [spec for spec, names in wanted.values() if not is_finished(spec, plan.root, names)]
    # Seed by seed: after an interruption the first seeds are there for every row.
    todo.sort(key=lambda spec: spec.train.seed)

    def poll() -> None:
        if on_steps is not None:
            taken, total = np.sum([steps_of(spec, plan.root) for spec in todo], axis=0).tolist()
            done = sum(is_finished(s, plan.root, wanted[s.key][1]) for s in todo)
            on_steps(taken, total, f"{done} of {len(todo)} runs")

    return fulfil_all(
        todo,
        plan.root,
        lambda spec: wanted[spec.key][1],
        workers=max(1, min(plan.workers, len(todo))),
        scheduler=plan.scheduler,
        on_poll=poll,
    )


def write_table(table: ResultTable, root: Path, name: str) -> dict[str, Path]:
    """Write Markdown, CSV and LaTeX; return their paths."""
    texts = {"md": to_markdown(table), "csv": to_csv(table), "tex": to_latex(table)}
    paths = {kind: root / f"{name}.{kind}" for kind in texts}
    for kind, text in texts.items():
        write_text_atomic(paths[kind], text, overwrite=True)
    return paths
