"""Tables of a benchmark as values, and as Markdown, CSV and LaTeX."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.bootstrap import Interval

from .published import Published

_SPECIAL = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "ε": r"$\epsilon$"}
_LATEX_SIGNS = {"±": r"$\pm$", "–": "--", "Δ": r"$\Delta$"}


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over seeds.

    Attributes
    ----------
    values : tuple of float or None
        One a seed, in the seeds' order; None where it is undefined.
    """

    values: tuple[float | None, ...]

    @property
    def known(self) -> list[float]:
        """The values that there are."""
        return [value for value in self.values if value is not None and math.isfinite(value)]

    @property
    def mean(self) -> float | None:
        """Mean over the seeds; None without any."""
        return float(np.mean(self.known)) if self.known else None

    @property
    def sd(self) -> float | None:
        """Sample sd over the seeds; None with fewer than two."""
        return float(np.std(self.known, ddof=1)) if len(self.known) > 1 else None

    def minus(self, other: "Spread") -> "Spread":
        """Return the difference seed by seed."""
        pairs = zip(self.values, other.values, strict=True)
        return Spread(tuple(None if a is None or b is None else a - b for a, b in pairs))

    def to_object(self) -> dict[str, Any]:
        """Return mean, sd and the value of every seed as JSON."""
        return {"mean": self.mean, "sd": self.sd, "seeds": list(self.values)}

    def text(self, *, signed: bool = False) -> str:
        """Return ``mean ± sd``."""
        if self.mean is None:
            return "–"
        mean = f"{self.mean:+.3f}" if signed else f"{self.mean:.3f}"
        return mean if self.sd is None else f"{mean} ± {self.sd:.3f}"


@dataclass(frozen=True, slots=True)
class ResultRow:
    """A row of a table.

    Attributes
    ----------
    label : str
    published : Published or None
    scores : mapping of metric to Spread
        Empty where nothing was run.
    difference : Spread or None
        Of the headline to the baseline's, seed by seed.
    note : str
        Why there are no scores, or what is to be known about them.
    control : bool
    """

    label: str
    published: Published | None
    scores: Mapping[str, Spread]
    difference: Spread | None = None
    note: str = ""
    control: bool = False


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A further table: a figure of the same rows, a column each under what circumstances.

    Attributes
    ----------
    name : str
        In the CSV file.
    title : str
    text : str
        What is to be known about it.
    figures : mapping of row label to mapping of column to Spread or Interval
        Rows without a figure are left out.
    metric : str or None
        What the figures are, in the CSV file; None: the headline.
    first : str or None
        Heading of a first column with the headline over all; None without one.
    printed : bool
        Whether it stands in Markdown, too, and not only in the CSV file.
    each : bool
        Counts, told of every seed, and not by their mean: there may be none.
    """

    name: str
    title: str
    text: str
    figures: Mapping[str, Mapping[str, Spread | Interval]]
    metric: str | None = None
    first: str | None = None
    printed: bool = True
    each: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that any row has, in the order in which they come."""
        return tuple(dict.fromkeys(name for row in self.figures.values() for name in row))

    def cell(self, figure: Spread | Interval) -> str:
        """Return a figure as it is printed."""
        if isinstance(figure, Interval):
            return f"{figure.low:.3f} to {figure.high:.3f}"
        if not self.each:
            return figure.text()
        told = ["never" if value is None else f"{value:.0f}" for value in figure.values]
        return told[0] if len(set(told)) == 1 else ", ".join(told)


@dataclass(frozen=True, slots=True)
class ResultTable:
    """A table beside the paper's.

    Attributes
    ----------
    title : str
    metrics : tuple of str
        Of ``rmse``, ``cc``, ``ccc``, ``ccc_post``, ``accuracy``, ``uar``; the headline among them
        is `headline`.
    headline : str
    rows : tuple of ResultRow
    notes : tuple of str
    breakdowns : tuple of Breakdown
    beside_paper : bool
        Whether columns are kept for the paper's figures.
    """

    title: str
    metrics: tuple[str, ...]
    headline: str
    rows: tuple[ResultRow, ...]
    notes: tuple[str, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    beside_paper: bool = True

    def to_object(self) -> list[dict[str, Any]]:
        """Return every row with its figures as JSON."""
        return [
            {
                "label": row.label,
                "control": row.control,
                "note": row.note or None,
                "scores": {metric: spread.to_object() for metric, spread in row.scores.items()},
                "breakdowns": {
                    part.name: {
                        column: _object(figure)
                        for column, figure in part.figures[row.label].items()
                    }
                    for part in self.breakdowns
                    if row.label in part.figures
                },
            }
            for row in self.rows
        ]

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows as text."""
        printed = [m for m in self.metrics if m in ("rmse", "cc", "ccc", "accuracy")]
        if not self.beside_paper:
            printed = []
        header = ["", *(f"{metric_name(m)}, paper" for m in printed)]
        header += [metric_name(m) for m in self.metrics] + [f"Δ{metric_name(self.headline)}"]
        rows = []
        for row in self.rows:
            paper = [_printed(row.published, metric) for metric in printed]
            own = [row.scores[m].text() if m in row.scores else "–" for m in self.metrics]
            delta = row.difference.text(signed=True) if row.difference else ""
            rows.append([_label(row), *paper, *own, delta])
        return header, rows

    def breakdown_cells(self, part: Breakdown) -> tuple[list[str], list[list[str]]]:
        """Return header and rows of a further table as text."""
        first = [] if part.first is None else [part.first]
        rows = []
        for row in self.rows:
            if found := part.figures.get(row.label):
                whole = [row.scores[self.headline].text()] if first else []
                own = [part.cell(found[name]) if name in found else "" for name in part.columns]
                rows.append([_label(row), *whole, *own])
        return ["", *first, *part.columns], rows


def to_markdown(table: ResultTable) -> str:
    """Return the table, its breakdowns and its notes as Markdown."""
    parts = [f"# {table.title}\n", _markdown(*table.cells())]
    if any(row.note for row in table.rows):
        parts += [f"- {_label(row)}: {row.note}" for row in table.rows if row.note] + [""]
    for part in table.breakdowns:
        if part.printed:
            parts.append(f"## {part.title}\n")
            parts += [f"{part.text}\n"] if part.text else []
            parts.append(_markdown(*table.breakdown_cells(part)))
    return "\n".join([*parts, *(f"{note}\n" for note in table.notes)]).rstrip() + "\n"


def to_csv(table: ResultTable) -> str:
    """Return one row a network and figure: mean, sd, interval, every seed, the paper's figure.

    ``breakdown`` and ``column`` are empty in the main table.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    n_seeds = max((len(s.values) for r in table.rows for s in r.scores.values()), default=0)
    seeds = [f"seed_{number}" for number in range(n_seeds)]
    writer.writerow(
        ["row", "breakdown", "column", "metric", "paper", "mean", "sd", "low", "high", *seeds]
    )

    def add(place: Sequence[str], figure: Spread | Interval | None, paper: str = "") -> None:
        values: tuple[float | None, ...] = ()
        figures = [""] * 4
        if isinstance(figure, Interval):
            figures[2:] = [_figure(figure.low), _figure(figure.high)]
        elif figure is not None:
            values = figure.values
            figures[:2] = [_figure(figure.mean), _figure(figure.sd)]
        each = [_figure(value) for value in values] + [""] * (n_seeds - len(values))
        writer.writerow([*place, paper, *figures, *each])

    for row in table.rows:
        for metric in table.metrics:
            paper = _printed(row.published, metric)
            place = (row.label, "", "", metric)
            add(place, row.scores.get(metric), "" if paper == "–" else paper)
        if row.difference is not None:
            add((row.label, "", "", f"{table.headline}_difference"), row.difference)
        for part in table.breakdowns:
            for column, figure in part.figures.get(row.label, {}).items():
                add((row.label, part.name, column, part.metric or table.headline), figure)
    return out.getvalue()


def _object(figure: Spread | Interval) -> dict[str, Any]:
    if isinstance(figure, Interval):
        return {"low": figure.low, "high": figure.high, "level": figure.level}
    return figure.to_object()


def to_latex(table: ResultTable) -> str:
    """Return a ``tabular`` with booktabs rules."""
    header, rows = table.cells()
    lines = [
        f"% {table.title}; needs booktabs",
        rf"\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        r"\toprule",
        " & ".join(_latex(cell) for cell in header) + r" \\",
        r"\midrule",
    ]
    lines += [" & ".join(_latex(cell) for cell in row) + r" \\" for row in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    lines += ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _latex(text: str) -> str:
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    return "".join(_LATEX_SIGNS.get(character, character) for character in escaped)


def _label(row: ResultRow) -> str:
    return f"control: {row.label}" if row.control else row.label


def metric_name(metric: str) -> str:
    """Return a metric as tables print it."""
    return {"ccc_post": "CCC post-processed", "accuracy": "accuracy", "uar": "mean recall"}.get(
        metric, metric.upper()
    )


def _printed(published: Published | None, metric: str) -> str:
    value = getattr(published, metric, None) if published is not None else None
    return "–" if value is None else f"{value:.3f}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
