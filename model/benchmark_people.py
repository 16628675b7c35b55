"""Whether the rows of a table would keep their order with other test people."""

from collections.abc import Mapping, Sequence

from .result_table import Breakdown
from .run_spec import RunScores
from .subject_bootstrap import ccc_difference_interval, ccc_interval
from .subject_moments import WHOLE, Moments

Runs = Mapping[str, Sequence[RunScores]]
"""By the label of the row, one run a seed."""
_ALL = "all"
_HOW = (
    "95 % intervals: the test people are drawn anew 1000 times, seeds are held and averaged. What "
    "other seeds would change is the ± of the other tables."
)


def people_breakdowns(found: Runs, output: str, baseline: str | None) -> tuple[Breakdown, ...]:
    """Make intervals of CCC, of its difference to the baseline's, and of what knock-outs change.

    Each over all frames and by group; empty with too few people.
    """

    def of(label: str, group: str, knock_out: str = "") -> list[Moments]:
        parts = [each.evaluations[knock_out]["subject_moments"][output] for each in found[label]]
        return [part[group] for part in parts if group in part]

    def groups(label: str) -> list[str]:
        return sorted(found[label][0].evaluations[""]["subject_moments"][output])

    whole = {
        label: {
            group or _ALL: interval
            for group in groups(label)
            if (interval := ccc_interval(of(label, group)))
        }
        for label in found
    }
    against = {
        label: {
            group or _ALL: interval
            for group in groups(label)
            if (interval := ccc_difference_interval(of(label, group), of(baseline, group)))
        }
        for label in found
        if baseline is not None and label != baseline
    }
    spoiled = {
        label: {
            knock_out: interval
            for knock_out in runs[0].evaluations
            if knock_out
            and (interval := ccc_difference_interval(of(label, WHOLE, knock_out), of(label, WHOLE)))
        }
        for label, runs in found.items()
    }
    parts = (
        Breakdown("people", "CCC with other test people", _HOW, whole),
        Breakdown(
            "people, difference",
            "ΔCCC with other test people",
            f"To “{baseline}”, the same people drawn for both. An interval that holds 0 shows no "
            "difference.",
            against,
            metric="ccc_difference",
        ),
        Breakdown(
            "people, knock-out",
            "Change by knock-outs with other test people",
            "CCC with something spoiled minus CCC as trained.",
            spoiled,
            metric="ccc_difference",
        ),
    )
    return tuple(part for part in parts if any(part.figures.values()))
