"""Gold labels of ratings, with everything that says how they came about."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from .fusion import FusionReport, fuse_with_report
from .fusion_options import FusionOptions
from .labels import Labels
from .lag import RaterLags, estimate_lags
from .sources import Ratings

_METHODS = {
    "mean": "mean over raters",
    "ewe": "weighted mean, weights: CC with the mean of all raters",
    "ewe-leave-one-out": "weighted mean, weights: CC with the mean of the others",
    "ewe-pairwise-cc": "weighted mean, weights: mean CC with each other rater",
    "ewe-pairwise-ccc": "weighted mean, weights: mean CCC with each other rater",
    "ges": "mean over raters, re-centred by mean CCC with each other rater (AVEC 2018)",
}


@dataclass(frozen=True, slots=True)
class Gold:
    """Labels and their story.

    Attributes
    ----------
    labels : Labels
    options : FusionOptions
        As used: with the raters' lags, if they were looked for.
    reports : tuple of FusionReport
        One a session and dimension.
    lags : RaterLags or None
    """

    labels: Labels
    options: FusionOptions
    reports: tuple[FusionReport, ...]
    lags: RaterLags | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the labels should know, in words."""
        fallen = [
            f"{each.session}, {each.dimension}: no rater agrees with another, all count the same"
            for each in self.reports
            if each.fell_back
        ]
        alone = self.lags.undetermined if self.lags else ()
        return (*fallen, *(f"{name}: no lag could be told, taken as 0" for name in alone))


def make_gold(
    ratings: Ratings, options: FusionOptions, *, align_max_s: float | None = None
) -> Gold:
    """Fuse ratings.

    Parameters
    ----------
    ratings : Ratings
    options : FusionOptions
    align_max_s : float, optional
        Look for each rater's lag behind the others, up to this, and take it out.
    """
    lags = None
    if align_max_s is not None:
        lags = estimate_lags(ratings.traces, max_lag_s=align_max_s)
        options = replace(options, rater_lag_s=lags.lag_s)
    fused = fuse_with_report(ratings.traces, options)
    provenance = {
        "software_version": version("mavfer"),
        "method": f"{_METHODS[options.method]}; linear interpolation in time",
        "options": asdict(options),
        "raters": list(ratings.raters),
        "sources": list(ratings.origins),
        "fusion": _by_session(fused.reports),
    }
    return Gold(Labels(fused.sessions, provenance), options, fused.reports, lags)


def _by_session(reports: tuple[FusionReport, ...]) -> dict[str, dict[str, Any]]:
    """Sort by session and dimension: who takes a session away takes all that is said of it."""
    found: dict[str, dict[str, Any]] = {}
    for report in reports:
        found.setdefault(report.session, {})[report.dimension] = _facts(report)
    return found


def _facts(report: FusionReport) -> dict[str, Any]:
    facts = {k: v for k, v in asdict(report).items() if k not in ("session", "dimension")}
    facts["longest_bridged_s"] = round(report.longest_bridged_s, 6)
    facts["weights"] = [round(weight, 9) for weight in report.weights]
    facts["agreement"] = [round(a, 9) if math.isfinite(a) else None for a in report.agreement]
    return facts


def count_values(reports: tuple[FusionReport, ...]) -> Mapping[str, int]:
    """Add up how many values were rated, interpolated, held and missing."""
    names = ("n_rated", "n_interpolated", "n_held", "n_missing")
    return {name: sum(getattr(report, name) for report in reports) for name in names}
