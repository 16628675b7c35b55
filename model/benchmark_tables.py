"""Tables made of finished runs: the paper's figures, ours, and what lies behind them."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from .benchmark import BenchmarkPlan, PlannedRow, is_beside_paper, is_wanted
from .benchmark_breakdowns import Headline, breakdowns
from .clip_ceiling import clip_ceiling
from .experiments import Experiment
from .published import DIMENSION
from .result_table import ResultRow, ResultTable, Spread
from .run_spec import RunScores, read_scores

_METRICS: tuple[str, ...] = ("rmse", "cc", "ccc", "ccc_post")
_CATEGORY_METRICS: tuple[str, ...] = ("accuracy", "uar")


def read_runs(
    rows: Sequence[PlannedRow], plan: BenchmarkPlan, failures: Mapping[str, str]
) -> dict[int, list[RunScores]]:
    """Read the finished runs of every row, by its number; rows with a failed run are left out."""
    return {
        number: [read_scores(spec, plan.root, ("", *row.knock_outs)) for spec in row.specs]
        for number, row in enumerate(rows)
        if row.specs and not any(spec.key in failures for spec in row.specs)
    }


def make_table(
    experiment: Experiment,
    rows: Sequence[PlannedRow],
    plan: BenchmarkPlan,
    failures: Mapping[str, str],
) -> ResultTable:
    """Put the finished runs beside the paper's figures."""
    metrics = _CATEGORY_METRICS if experiment.categorical else _METRICS
    headline = Headline("category", "accuracy")
    if not experiment.categorical:
        headline = Headline(plan.output, "ccc")
    found = read_runs(rows, plan, failures)
    notes: dict[int, str] = {}
    for number, row in enumerate(rows):
        failed = [failures[spec.key] for spec in row.specs if spec.key in failures]
        notes[number] = f"failed: {failed[0]}" if failed else row.note
        runs = found.get(number, [])
        if left := max((len(_left_out(each)) for each in runs), default=0):
            told = f"{left} test videos are shorter than a clip or show no face: not scored"
            notes[number] = "; ".join(part for part in (notes[number], told) if part)
        if stuck := sum(bool(each.facts["constant_output"]) for each in runs):
            told = f"{stuck} of {len(runs)} seeds ended with constant output: train longer"
            notes[number] = "; ".join(part for part in (notes[number], told) if part)
        if experiment.kind == "curve" and runs:
            told = _told_of_ceiling(plan, row)
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
    beside_paper = is_beside_paper(experiment, plan)
    results = []
    for number, row in enumerate(rows):
        if row.row.architecture is None and not beside_paper:
            continue  # only a figure of the paper
        scores = scored.get(number, {})
        difference = None
        if baseline is not None and scores and number != baseline:
            difference = scores[headline.metric].minus(scored[baseline][headline.metric])
        results.append(
            ResultRow(
                row.row.label,
                row.row.published if beside_paper else None,
                scores,
                difference,
                notes[number],
                row.row.control,
            )
        )
    against = rows[baseline].row.label if baseline is not None else None
    labelled = {rows[number].row.label: runs for number, runs in found.items()}
    return ResultTable(
        title=title_of(experiment, plan),
        metrics=metrics,
        headline=headline.metric,
        rows=tuple(results),
        notes=_notes(experiment, plan, against),
        breakdowns=breakdowns(labelled, headline, against),
        beside_paper=beside_paper,
    )


def _told_of_ceiling(plan: BenchmarkPlan, row: PlannedRow) -> str:
    ceiling = clip_ceiling(plan.store, row.specs[0].model)
    if ceiling is None or ceiling["ccc"] is None:
        return ""
    return f"one score a clip, without any error, would have CCC {ceiling['ccc']:.3f}"


def title_of(experiment: Experiment, plan: BenchmarkPlan) -> str:
    """Return what a table or page is called."""
    dimension = "" if is_beside_paper(experiment, plan) else f", {plan.output}"
    return f"{experiment.name}: {experiment.title}{dimension}"


def _notes(experiment: Experiment, plan: BenchmarkPlan, against: str | None) -> tuple[str, ...]:
    seeds = f"seeds 0 to {plan.n_seeds - 1}" if plan.n_seeds > 1 else "one seed"
    store = plan.store
    paper, advice = f"Paper: Lee et al., IEEE TIP 2020, on {experiment.published_on}. Ours: ", ""
    if is_beside_paper(experiment, plan):
        advice = " Other data: compare rows with rows, not with the paper."
    else:
        paper = f"The paper's figures are of {DIMENSION} and are left out. Ours: "
    notes = [
        f"{paper}{store.path.name} (fingerprint {store.fingerprint[:16]}), scale {plan.scale}, "
        f"{seeds}, {'category' if experiment.categorical else plan.output}, all test frames "
        f"pooled, mean ± sample sd over seeds; mavfer {version('mavfer')}.{advice}",
    ]
    if against:
        notes.append(f"Differences are to “{against}”, seed by seed, so their sd is paired.")
    if left := [row.label for row in experiment.rows if not is_wanted(row, experiment, plan)]:
        notes.append(f"Left out by choice: {'; '.join(left)}.")
    if plan.n_seeds < 3:
        notes.append("Fewer than three seeds: an order of rows says nothing.")
    return tuple(notes)


def _left_out(run: RunScores) -> Sequence[str]:
    left: Sequence[str] = run.evaluations[""]["videos_left_out"]
    return left


def _value(evaluation: Mapping[str, Any], output: str, metric: str) -> float | None:
    if metric == "ccc_post":
        processed = evaluation["post_processed"]
        found = processed[output]["ccc"] if processed else None
    else:
        found = evaluation["pooled"][output][metric]
    return None if found is None else float(found)
