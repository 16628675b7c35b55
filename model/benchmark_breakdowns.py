"""What lies behind a table: light, knock-outs, attention and training, row by row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .benchmark_people import Runs, people_breakdowns
from .cost import multiplications
from .face_regions import REGIONS
from .learning_curves import curve_of
from .plateau import PLATEAU_CCC, plateau_left
from .result_table import Breakdown, Spread, metric_name
from .run_spec import RunScores

_KNOCK_OUTS = "knock-out"


@dataclass(frozen=True, slots=True)
class Headline:
    """Which figure a table is about.

    Attributes
    ----------
    output : str
    metric : str
    """

    output: str
    metric: str

    def of(self, scores: Mapping[str, Any]) -> float | None:
        """Take the figure from scores by output and metric."""
        value = scores[self.output][self.metric]
        return None if value is None else float(value)


def breakdowns(
    found: Runs, headline: Headline, baseline: str | None = None
) -> tuple[Breakdown, ...]:
    """Make every further table that the runs have something for.

    Parameters
    ----------
    found : Runs
    headline : Headline
    baseline : str, optional
        Label of the row that the others are compared with.
    """
    if not found:
        return ()
    people: tuple[Breakdown, ...] = ()
    if headline.metric == "ccc":
        people = people_breakdowns(found, headline.output, baseline)
    return (*_scores(found, headline), *people, *_attention(found), _training(found, headline))


def _scores(found: Runs, headline: Headline) -> Iterable[Breakdown]:
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


def _attention(found: Runs) -> Iterable[Breakdown]:
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


def _training(found: Runs, headline: Headline) -> Breakdown:
    """Tell what training each row took, and when it began to say something."""
    figures: dict[str, dict[str, Spread]] = {}
    for label, runs in found.items():
        counted = multiplications(runs[0].spec.model) / 1e6
        own = {
            "parameters": _facts(runs, "n_parameters"),
            "multiplications, M": Spread((counted,) * len(runs)),
        }
        if not runs[0].spec.model.facts.closed_form:
            curves = (
                [] if headline.metric != "ccc" else [curve_of(r, headline.output) for r in runs]
            )
            if any(curves):
                own["left the plateau at"] = Spread(tuple(plateau_left(c) for c in curves))
            own |= {"best step": _facts(runs, "best_step"), "steps": _facts(runs, "steps")}
        figures[label] = own
    return Breakdown(
        "training",
        "Training",
        "Multiplications are of one clip, in millions. Steps are told seed by seed. The plateau "
        "of constant output is left with the first validation "
        f"CCC above {PLATEAU_CCC}; the best step is the one that is scored.",
        figures,
        metric="training",
        each=True,
    )


def _facts(runs: Sequence[RunScores], name: str) -> Spread:
    return Spread(tuple(each.facts[name] for each in runs))


def _hardest(figures: Mapping[str, Mapping[str, Spread]]) -> str | None:
    """Name the group in which the rows score worst."""
    means: dict[str, list[float]] = {}
    for row in figures.values():
        for name, spread in row.items():
            if spread.mean is not None:
                means.setdefault(name, []).append(spread.mean)
    return min(means, key=lambda name: float(np.mean(means[name])), default=None)
