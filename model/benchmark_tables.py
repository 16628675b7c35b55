"""Tables made of finished runs: the paper's figures, ours, and what lies behind them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from .benchmark import BenchmarkPlan, PlannedRow
from .experiments import Experiment
from .face_regions import REGIONS
from .result_table import Breakdown, ResultRow, ResultTable, Spread, metric_name
from .run_spec import RunScores, read_scores

_METRICS: tuple[str, ...] = ("rmse", "cc", "ccc", "ccc_post")
_CATEGORY_METRICS: tuple[str, ...] = ("accuracy", "uar")
_KNOCK_OUTS = "knock-out"


@dataclass(frozen=True, slots=True)
class _Figure:
    """Which figure a table is about."""

    output: str
    metric: str

    def of(self, scores: Mapping[str, Any]) -> float | None:
        value = scores[self.output][self.metric]
        return None if value is None else float(value)


def make_table(
    experiment: Experiment,
    rows: Sequence[PlannedRow],
    plan: BenchmarkPlan,
    failures: Mapping[str, str],
) -> ResultTable:
    """Put the finished runs beside the paper's figures."""
    metrics = _CATEGORY_METRICS if experiment.categorical else _METRICS
    headline = _Figure("category", "accuracy")
    if not experiment.categorical:
        headline = _Figure(plan.output, "ccc")
    found: dict[int, list[RunScores]] = {}
    notes: dict[int, str] = {}
    for number, row in enumerate(rows):
        failed = [failures[spec.key] for spec in row.specs if spec.key in failures]
        notes[number] = f"failed: {failed[0]}" if failed else row.note
        if not row.specs or failed:
            continue
        runs = [read_scores(spec, plan.root, ("", *row.knock_outs)) for spec in row.specs]
        found[number] = runs
        if stuck := sum(each.constant_output for each in runs):
            told = f"{stuck} of {len(runs)} seeds ended with constant output: train longer"
            notes[number] = "; ".join(part for part in (notes[number], told) if part)
    scored = {
        number: {
            metric: Spread(
                tuple(_value(each.evaluations[""], headline.output, metric) for each in runs)
            )
            for metric in metrics
        }
        for number, runs in found.items()
    }
    baseline = next((n for n, row in enumerate(rows) if row.row.baseline and n in scored), None)
    results = []
    for number, row in enumerate(rows):
        scores = scored.get(number, {})
        difference = None
        if baseline is not None and scores and number != baseline:
            difference = scores[headline.metric].minus(scored[baseline][headline.metric])
        results.append(
            ResultRow(
                row.row.label,
                row.row.published,
                scores,
                difference,
                notes[number],
                row.row.control,
            )
        )
    against = rows[baseline].row.label if baseline is not None else None
    labelled = {rows[number].row.label: runs for number, runs in found.items()}
    return ResultTable(
        title=f"{experiment.name}: {experiment.title}",
        metrics=metrics,
        headline=headline.metric,
        rows=tuple(results),
        notes=_notes(experiment, plan, against),
        breakdowns=(*_breakdowns(labelled, headline), *_attention(labelled)),
    )


def _breakdowns(found: Mapping[str, Sequence[RunScores]], headline: _Figure) -> Iterable[Breakdown]:
    """Yield the headline by group, with each knock-out, and both where it is hardest."""
    by_group = {
        group: {
            label: {
                name: Spread(
                    tuple(headline.of(each.evaluations[""]["groups"][group][name]) for each in runs)
                )
                for name in runs[0].evaluations[""]["groups"][group]
            }
            for label, runs in found.items()
        }
        for runs in list(found.values())[:1]
        for group in runs[0].evaluations[""]["groups"]
    }
    name = metric_name(headline.metric)
    for group, figures in by_group.items():
        yield Breakdown(group, f"{name} by {group}", "", figures, first="all")
    spoiled = {
        label: {
            name: Spread(tuple(headline.of(each.evaluations[name]["pooled"]) for each in runs))
            for name in runs[0].evaluations
            if name
        }
        for label, runs in found.items()
    }
    if not any(spoiled.values()):
        return
    yield Breakdown(
        _KNOCK_OUTS,
        f"{name} with something spoiled",
        "The same weights. Where the figure stays, the network does not use it.",
        spoiled,
        first="as trained",
    )
    for group, figures in by_group.items():
        hardest = _hardest(figures)
        for member in sorted({member for each in figures.values() for member in each}):
            yield Breakdown(
                f"{_KNOCK_OUTS}, {group} {member}",
                f"{name} with something spoiled, {group} {member}",
                "",
                {
                    label: {
                        knock_out or "as trained": Spread(
                            tuple(
                                headline.of(each.evaluations[knock_out]["groups"][group][member])
                                for each in runs
                            )
                        )
                        for knock_out in runs[0].evaluations
                    }
                    for label, runs in found.items()
                    if spoiled[label]
                },
                printed=member == hardest,
            )


def _attention(found: Mapping[str, Sequence[RunScores]]) -> Iterable[Breakdown]:
    """Yield what the attention of each row is like, where any has one."""
    figures = {
        label: {
            column: Spread(tuple(read(each.evaluations[""]) for each in runs))
            for column, read in _ATTENTION.items()
        }
        for label, runs in found.items()
        if runs[0].evaluations[""]["attention_contrast"] is not None
    }
    if figures:
        yield Breakdown(
            "attention",
            "Attention",
            "Density in regions of the face, by the landmarks of each frame; 1 is as much as with "
            "uniform attention, and the rim is all that lies outside jaw and brows. Contrast: its "
            "sd over pixels. Between clips: the sd of a pixel from clip to clip; near 0, every "
            "clip gets the same mask.",
            figures,
            metric="attention",
        )


def _of_region(region: str) -> Callable[[Mapping[str, Any]], float | None]:
    def read(evaluation: Mapping[str, Any]) -> float | None:
        regions = evaluation["attention_regions"]
        return None if regions is None else regions[region]

    return read


_ATTENTION: Mapping[str, Callable[[Mapping[str, Any]], float | None]] = {
    **{region: _of_region(region) for region in REGIONS},
    "contrast": lambda evaluation: evaluation["attention_contrast"],
    "between clips": lambda evaluation: evaluation["attention_between_clips"],
}


def _hardest(figures: Mapping[str, Mapping[str, Spread]]) -> str | None:
    """Name the group in which the rows score worst."""
    means: dict[str, list[float]] = {}
    for row in figures.values():
        for name, spread in row.items():
            if spread.mean is not None:
                means.setdefault(name, []).append(spread.mean)
    return min(means, key=lambda name: float(np.mean(means[name])), default=None)


def _notes(experiment: Experiment, plan: BenchmarkPlan, against: str | None) -> tuple[str, ...]:
    seeds = f"seeds 0 to {plan.n_seeds - 1}" if plan.n_seeds > 1 else "one seed"
    store = plan.store
    notes = [
        f"Paper: Lee et al., IEEE TIP 2020, on {experiment.published_on}. Ours: "
        f"{store.path.name} (fingerprint {store.fingerprint[:16]}), scale {plan.scale}, {seeds}, "
        f"{'category' if experiment.categorical else plan.output}, all test frames pooled, "
        f"mean ± sample sd over seeds; mavfer {version('mavfer')}. Other data: compare rows with "
        "rows, not with the paper.",
    ]
    if against:
        notes.append(f"Differences are to “{against}”, seed by seed, so their sd is paired.")
    if plan.n_seeds < 3:
        notes.append("Fewer than three seeds: an order of rows says nothing.")
    return tuple(notes)


def _value(evaluation: Mapping[str, Any], output: str, metric: str) -> float | None:
    if metric == "ccc_post":
        processed = evaluation["post_processed"]
        found = processed[output]["ccc"] if processed else None
    else:
        found = evaluation["pooled"][output][metric]
    return None if found is None else float(found)
