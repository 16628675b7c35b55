"""Tables of a benchmark as values, and as Markdown, CSV and LaTeX."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

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
    knock_outs : tuple of str
        Columns of the second table, empty without one.
    spoiled : mapping of row label to mapping of knock-out to Spread
    """

    title: str
    metrics: tuple[str, ...]
    headline: str
    rows: tuple[ResultRow, ...]
    notes: tuple[str, ...] = ()
    knock_outs: tuple[str, ...] = ()
    spoiled: Mapping[str, Mapping[str, Spread]] | None = None

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows as text."""
        printed = [m for m in self.metrics if m in ("rmse", "cc", "ccc", "accuracy")]
        header = ["", *(f"{_name(m)}, paper" for m in printed)]
        header += [_name(m) for m in self.metrics] + [f"Δ{_name(self.headline)}"]
        rows = []
        for row in self.rows:
            paper = [_printed(row.published, metric) for metric in printed]
            own = [row.scores[m].text() if m in row.scores else "–" for m in self.metrics]
            delta = row.difference.text(signed=True) if row.difference else ""
            rows.append([_label(row), *paper, *own, delta])
        return header, rows

    def spoiled_cells(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows of the table of knock-outs."""
        header = ["", "as trained", *self.knock_outs]
        rows = []
        for row in self.rows:
            found = (self.spoiled or {}).get(row.label)
            if not found:
                continue
            own = row.scores[self.headline].text()
            rows.append(
                [row.label, own, *(found[k].text() if k in found else "" for k in self.knock_outs)]
            )
        return header, rows


def to_markdown(table: ResultTable) -> str:
    """Return the table, its knock-outs and its notes as Markdown."""
    parts = [f"# {table.title}\n", _markdown(*table.cells())]
    if any(row.note for row in table.rows):
        parts += [f"- {_label(row)}: {row.note}" for row in table.rows if row.note] + [""]
    if table.knock_outs:
        name = _name(table.headline)
        parts += [
            f"## {name} with something spoiled\n",
            "The same weights. Where the figure stays, the network does not use it.\n",
            _markdown(*table.spoiled_cells()),
        ]
    return "\n".join([*parts, *(f"{note}\n" for note in table.notes)]).rstrip() + "\n"


def to_csv(table: ResultTable) -> str:
    """Return one row a network and metric: mean, sd, every seed, and the paper's figure."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    n_seeds = max((len(s.values) for r in table.rows for s in r.scores.values()), default=0)
    seeds = [f"seed_{number}" for number in range(n_seeds)]
    writer.writerow(["row", "knock_out", "metric", "paper", "mean", "sd", *seeds])

    def add(label: str, knock_out: str, metric: str, paper: str, spread: Spread | None) -> None:
        values = spread.values if spread else ()
        figures = [_figure(spread.mean), _figure(spread.sd)] if spread else ["", ""]
        each = [_figure(value) for value in values] + [""] * (n_seeds - len(values))
        writer.writerow([label, knock_out, metric, paper, *figures, *each])

    for row in table.rows:
        for metric in table.metrics:
            paper = _printed(row.published, metric)
            add(row.label, "", metric, "" if paper == "–" else paper, row.scores.get(metric))
        if row.difference is not None:
            add(row.label, "", f"{table.headline}_difference", "", row.difference)
        for knock_out, spread in (table.spoiled or {}).get(row.label, {}).items():
            add(row.label, knock_out, table.headline, "", spread)
    return out.getvalue()


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


def _name(metric: str) -> str:
    return {"ccc_post": "CCC post-processed", "accuracy": "accuracy", "uar": "mean recall"}.get(
        metric, metric.upper()
    )


def _printed(published: Published | None, metric: str) -> str:
    value = getattr(published, metric, None) if published is not None else None
    return "–" if value is None else f"{value:.3f}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
