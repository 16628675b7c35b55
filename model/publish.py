"""A page of an experiment's figures that says how they were made, ready for documentation."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

from capture.files import write_text_atomic
from mavfer.sim_pipeline import dataset_of
from mavfer.splits import SPLITS
from mavfer.store import ClipStore

from .benchmark import BenchmarkPlan, PlannedRow, file_stem
from .benchmark_outcome import Outcome
from .benchmark_tables import read_runs, title_of
from .errors import ModelError
from .leaderboard import gold_fingerprint
from .light_figure import BY_LIGHT
from .made_with import made_with
from .may_publish import publishable_videos
from .result_table import to_markdown

_PICTURES = (".svg", ".png")
_KEPT = (".csv", *_PICTURES)
"""Films and LaTeX stay in the benchmark's folder."""


def publish(outcome: Outcome, plan: BenchmarkPlan, folder: Path, *, command: str) -> Path:
    """Write ``<experiment>.md`` with its pictures and figures into `folder`; return the page.

    Of another dimension than the paper's it is ``<experiment>-<dimension>.md``.
    The page is written last: where it is, everything that it shows is there.

    Parameters
    ----------
    outcome : Outcome
    plan : BenchmarkPlan
    folder : Path
    command : str
        That makes the same figures.

    Raises
    ------
    ModelError
        A run failed, or pictures of people were not drawn to be published.
    """
    name = outcome.experiment.name
    if _shows_people(outcome) and not plan.to_publish:
        raise ModelError(
            f"{name} is not published: its pictures may show people who do not agree to that",
            remedy="draw them with a plan that has to_publish",
        )
    if outcome.failures:
        raise ModelError(
            f"{name} is not published: {len(outcome.failures)} runs failed, "
            f"{next(iter(outcome.failures.values()))}",
            remedy="mend what is at fault, or choose other rows",
        )
    stem = file_stem(outcome.experiment, plan)
    sources = [path for path in outcome.paths.values() if path.suffix in _KEPT]
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=f".{stem}-", suffix=".partial") as partial:
        for source in sources:
            copyfile(source, Path(partial) / source.name)
        page = Path(partial) / f"{stem}.md"
        write_text_atomic(page, _page(outcome, plan, [path.name for path in sources], command))
        for source in sources:
            (Path(partial) / source.name).replace(folder / source.name)
        return page.replace(folder / page.name)


def _page(outcome: Outcome, plan: BenchmarkPlan, files: Sequence[str], command: str) -> str:
    experiment = outcome.experiment
    if outcome.table is not None:
        text = to_markdown(outcome.table)
    elif "md" in outcome.paths:
        text = outcome.paths["md"].read_text(encoding="utf-8")
    else:
        text = f"# {title_of(experiment, plan)}\n"
    parts = [text.rstrip(), *_shown(files)]
    if figures := [name for name in files if name.endswith(".csv")]:
        parts.append(f"Every figure of every seed: {', '.join(f'[{n}]({n})' for n in figures)}.")
    parts += ["## How this was made", f"```sh\n{command}\n```"]
    pictured = _pictured(plan.store) if _shows_people(outcome) else {}
    facts = {**_data(plan.store), **pictured, **_runs(outcome.rows, plan), **_now()}
    parts.append("\n".join(["| | |", "|---|---|", *(f"| {k} | {v} |" for k, v in facts.items())]))
    return "\n\n".join(parts) + "\n"


def _shown(files: Sequence[str]) -> list[str]:
    """Embed each picture once, as SVG where there is one."""
    pictures = [name for name in files if name.endswith(_PICTURES)]
    vector = {Path(name).stem for name in pictures if name.endswith(".svg")}
    chosen = [name for name in pictures if name.endswith(".svg") or Path(name).stem not in vector]
    return [f"![{Path(name).stem.replace('-', ' ')}]({name})" for name in chosen]


def _data(store: ClipStore) -> dict[str, str]:
    videos = list(store.videos.values())
    people = ", ".join(
        f"{len({v.subject for v in videos if v.split == split})} {split}" for split in SPLITS
    )
    dataset = dataset_of(store.path)
    return {
        **({"dataset": dataset} if dataset else {}),
        "store": f"{store.path.name}, fingerprint `{store.fingerprint}`",
        "gold labels": f"`{gold_fingerprint(store)}`",
        "people": people,
        "videos": f"{len(videos)}, {sum(v.n_frames for v in videos)} frames",
    }


def _shows_people(outcome: Outcome) -> bool:
    return outcome.experiment.kind == "attention" or f"{BY_LIGHT}_png" in outcome.paths


def _pictured(store: ClipStore) -> dict[str, str]:
    """Tell whether people are missing from pictures, and why."""
    scored = {v.id: v.subject for v in store.videos.values() if v.split == "test"}
    agreed = {scored[name] for name in publishable_videos(store) & scored.keys()}
    everybody = set(scored.values())
    if agreed == everybody:
        return {}
    told = f"of {len(agreed)} of {len(everybody)} test people: the others do not agree"
    return {"pictures": told}


def _runs(rows: Sequence[PlannedRow], plan: BenchmarkPlan) -> dict[str, str]:
    found = [run for runs in read_runs(rows, plan, {}).values() for run in runs]
    if not found:
        return {}
    runs = list({run.spec.key: run for run in found}.values())
    n_seeds = max(len(row.specs) for row in rows)
    facts = {"scale": plan.scale, "seeds": ", ".join(map(str, range(n_seeds)))}
    trained = [run for run in runs if not run.spec.model.facts.closed_form]
    if trained:
        steps = sorted({int(run.facts["steps"]) for run in trained})
        told = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
        total_s = sum(float(run.facts["seconds_s"]) for run in trained)
        facts["steps"] = told
        facts["training"] = f"{len(trained)} runs, {_duration(total_s)} of wall time together"
    tools: Sequence[Mapping[str, Any]] = [run.facts.get("made_with", {}) for run in runs]
    for name in dict.fromkeys(name for each in tools for name in each):
        values = dict.fromkeys(str(each[name]) for each in tools if name in each)
        facts[f"trained with {name}" if name != "machine" else "trained on"] = ", ".join(values)
    return facts


def _now() -> dict[str, str]:
    tools = made_with()
    software = ", ".join(f"{name} {tools[name]}" for name in ("mavfer", "torch", "python"))
    return {"tables made with": software, "date": f"{datetime.now(UTC):%Y-%m-%d}"}


def _duration(seconds_s: float) -> str:
    if seconds_s < 90:
        return f"{seconds_s:.0f} s"
    minutes = round(seconds_s / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
