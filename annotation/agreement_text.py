"""Agreement as lines for people and as a JSON document that stands for itself."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from .agreement_report import DimensionAgreement
from .bootstrap import Interval
from .mark import DERIVED_MARK
from .sources import Ratings

_MAX_NOTES = 8
AGREEMENT_FORMAT = "mavfer-agreement"
AGREEMENT_SCHEMA_VERSION = 1
DEFINITIONS = {
    "percent_positive": "share of ratings above 0; 0 itself is not positive",
    "zero_mean": "after subtracting from every rater the mean of each session",
    "mean_*": "within sessions, over pairs of raters for which it is defined, weighted by moments",
    "pooled_*": "of each pair of raters over all they both rated, averaged with the same weights",
    "cc": "Pearson, population moments; null where one of the two never moved",
    "ccc": "2 cov / (var + var + squared difference of means), population moments (Lin 1989)",
    "sagr": "share of moments at which both have the same sign",
    "alpha": "Cronbach, of the sessions that the same raters judged, moments that all rated",
    "icc": "McGraw and Wong, of the ratings as given, moments that all rated",
    "krippendorff": "interval (or ordinal) level, over whoever rated a moment",
    "intervals": "percentiles over resampled subjects with all their sessions; null with one",
}


def agreement_document(
    ratings: Ratings, reports: Sequence[DimensionAgreement], *, rate_hz: float
) -> dict[str, Any]:
    """Describe agreement as JSON values; undefined numbers are null and said in words."""
    return {
        "format": AGREEMENT_FORMAT,
        "schema_version": AGREEMENT_SCHEMA_VERSION,
        "software_version": version("mavfer"),
        "mark": DERIVED_MARK,
        "definitions": DEFINITIONS,
        "rate_hz": rate_hz,
        "scale": ratings.scale,
        "raters": list(ratings.raters),
        "teams": ratings.teams,
        "sources": list(ratings.origins),
        "dimensions": {report.dimension: _json_value(asdict(report)) for report in reports},
    }


def as_json(document: Mapping[str, Any]) -> str:
    """Write a document as text."""
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def agreement_lines(reports: Sequence[DimensionAgreement]) -> list[str]:
    """Say the same to people."""
    lines: list[str] = []
    for report in reports:
        intervals = report.intervals
        lines += [
            f"{report.dimension}: {_number(report.percent_positive, 1)} % positive "
            f"({_number(report.percent_positive_zero_mean, 1)} % zero-mean), "
            f"{_number(report.percent_zero, 1)} % zero",
            f"  within sessions  RMSE {_number(report.mean_rmse, 2)}"
            f"{_range(intervals.get('mean_rmse'), 2)}  CC {_number(report.mean_cc, 3)}"
            f"{_range(intervals.get('mean_cc'), 3)}  CCC {_number(report.mean_ccc, 3)}"
            f"{_range(intervals.get('mean_ccc'), 3)}  ({report.n_pairs} pairs, "
            f"{report.n_undefined_cc} without a defined CC)",
            f"  across sessions  CC {_number(report.pooled_cc, 3)}  "
            f"CCC {_number(report.pooled_ccc, 3)}",
            f"  all raters       Krippendorff's alpha {_number(report.krippendorff, 3)}, "
            f"zero-mean {_number(report.krippendorff_zero_mean, 3)}"
            f"{_range(intervals.get('krippendorff_zero_mean'), 3)}, "
            f"ordinal {_number(report.krippendorff_ordinal, 3)}",
        ]
        for team in report.teams:
            lines.append(
                f"  team  {team.name}: alpha {_number(team.alpha, 3)}, zero-mean "
                f"{_number(team.alpha_zero_mean, 3)}"
                f"{_range(team.intervals.get('alpha_zero_mean'), 3)}, ICC(A,1) "
                f"{_number(team.icc['ICC(A,1)'], 3)} ({team.n_sessions} sessions, "
                f"{team.n_moments} moments)"
            )
        notes = report.undefined[:_MAX_NOTES]
        lines += [f"  undefined: {note}" for note in notes]
        if len(report.undefined) > len(notes):
            lines.append(f"  undefined: {len(report.undefined) - len(notes)} more (--json)")
    return lines


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "undefined"


def _range(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return ""
    return f" [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(each) for each in value]
    return value
