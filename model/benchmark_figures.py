"""The figures of the paper from finished runs, and its Table III from the raters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from capture.files import atomic_output, write_text_atomic
from mavfer.statistics.figures import draw_all
from mavfer.statistics.measure import measure

from .attention_film import write_attention_film
from .benchmark import BenchmarkPlan, PlannedRow, file_stem
from .errors import ModelError
from .experiments import Experiment
from .figures import draw_attention, draw_traces
from .may_publish import publishable_videos
from .published import TABLE_3
from .run_spec import evaluate_again

_STATISTICS = {
    "fig7": "frames-per-video",
    "fig8": "label-distribution",
    "fig9": "label-histograms",
}
_AGREEMENT = ("percent_positive", "correlation", "alpha")


def draw_statistics(experiment: Experiment, plan: BenchmarkPlan) -> dict[str, Path]:
    """Draw what the store consists of: Figs. 7 to 9."""
    facts = measure(plan.store)
    folder = plan.root / "statistics"
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw_all(facts, folder)
    wanted = _STATISTICS[experiment.name]
    if wanted not in drawn:
        raise ModelError(f"{experiment.name}: {plan.store.path.name} has nothing to draw it from")
    source = drawn[wanted]
    target = plan.root / f"{experiment.name}{source.suffix}"
    with atomic_output(target, overwrite=True) as partial:
        partial.write_bytes(source.read_bytes())
    return {"figure": target}


def write_agreement(plan: BenchmarkPlan) -> dict[str, Path]:
    """Write Table III: agreement of the raters that the store keeps."""
    found = {each["dimension"]: each for each in measure(plan.store)["agreement"]}
    if not found:
        raise ModelError(
            f"table3: {plan.store.path.name} keeps no raters",
            remedy="build it with --raters",
        )
    header = ["dimension", "% pos., paper", "corr., paper", "α, paper", "% pos.", "corr.", "α"]
    lines = ["# table3: Agreement of the raters\n", "| " + " | ".join(header) + " |"]
    lines.append("|---|" + "---:|" * (len(header) - 1))
    rows = [",".join(["dimension", *_AGREEMENT, *(f"{name}_paper" for name in _AGREEMENT)])]
    for dimension, (positive, correlation, alpha) in TABLE_3.items():
        own = [_agreed(found.get(dimension, {}), name) for name in _AGREEMENT]
        paper = [f"{positive:.1f}", f"{correlation:.3f}", f"{alpha:.2f}"]
        lines.append("| " + " | ".join([dimension, *paper, *own]) + " |")
        rows.append(",".join([dimension, *own, *paper]))
    lines.append("\nAfter zero-mean normalisation, as in the paper, whose figures are of MAVFER.")
    paths = {"md": plan.root / "table3.md", "csv": plan.root / "table3.csv"}
    write_text_atomic(paths["md"], "\n".join(lines) + "\n", overwrite=True)
    write_text_atomic(paths["csv"], "\n".join(rows) + "\n", overwrite=True)
    return paths


def _agreed(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    return f"{value:.3f}" if isinstance(value, int | float) else "–"


def check_somebody_agrees(experiment: Experiment, plan: BenchmarkPlan) -> None:
    """Refuse, before any training, pictures for anyone to see of people who all do not agree.

    Raises
    ------
    ModelError
        Attention is to be published, and no test subject agrees to pictures being published.
    """
    if experiment.kind != "attention" or not plan.to_publish:
        return
    scored = [video for video in plan.store.videos.values() if video.split == "test"]
    if not publishable_videos(plan.store) & {video.id for video in scored}:
        raise ModelError(
            f"{experiment.name} is not published: none of the "
            f"{len({video.subject for video in scored})} test subjects of {plan.store.path.name} "
            "agrees to pictures being published, expected at least one",
            remedy="leave --publish out, or record people who agree (--publish-pictures)",
        )


def draw_run_attention(
    experiment: Experiment, rows: Sequence[PlannedRow], plan: BenchmarkPlan
) -> dict[str, Path]:
    """Draw faces with the attention of the first seed, as a picture and a film."""
    (row,) = rows
    check_somebody_agrees(experiment, plan)
    show = publishable_videos(plan.store) if plan.to_publish else None
    found = evaluate_again(row.specs[0], plan.root, show=show)
    stem = file_stem(experiment, plan)
    paths = {kind: plan.root / f"{stem}.{kind}" for kind in ("png", "mp4")}
    title = f"{row.row.label}, seed {row.specs[0].train.seed}"
    draw_attention(found, paths["png"], title=title, overwrite=True)
    write_attention_film(found, paths["mp4"], overwrite=True)
    return paths


def draw_run_traces(
    experiment: Experiment, rows: Sequence[PlannedRow], plan: BenchmarkPlan
) -> dict[str, Path]:
    """Draw the traces of the first seed of every row."""
    paths: dict[str, Path] = {}
    for row in rows:
        if not row.specs:
            continue
        name = row.specs[0].model.architecture
        path = plan.root / f"{file_stem(experiment, plan)}-{name}.png"
        found = evaluate_again(row.specs[0], plan.root)
        draw_traces(found, None, path, title=row.row.label, overwrite=True)
        paths[name] = path
    return paths
