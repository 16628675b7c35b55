"""How the rows of a table learned: validation CCC over steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .plateau import PLATEAU_CCC, Curve
from .run_spec import RunScores
from .vector_figure import write_figure

_COLUMNS = 4
_DPI = 120
_LETTERS_AN_INCH = 12  # of a title
_LINE, _RANGE, _OTHERS = "#2b5fa8", "#a9c1e4", "0.85"


def curve_of(run: RunScores, output: str) -> Curve:
    """Return the validations of a run; empty where no subjects were held out."""
    return [
        (int(line["step"]), float(line["validation"][output]["ccc"] or 0.0))
        for line in run.metrics
        if output in line["validation"]
    ]


def draw_learning_curves(
    rows: Mapping[str, Sequence[Curve]], folder: Path, name: str, *, title: str
) -> dict[str, Path]:
    """Draw a panel a row: mean over seeds, their range, and the other rows' means behind.

    Parameters
    ----------
    rows : mapping of label to sequence of Curve
        One curve a seed.
    folder : Path
    name : str
        Of the files, without their ending.
    title : str

    Returns
    -------
    dict of kind to Path
        PNG and SVG, with the same content for the same curves; empty without any curve.
    """
    means = {label: _over_seeds(curves) for label, curves in rows.items() if any(curves)}
    if not means:
        return {}
    n_columns = min(_COLUMNS, len(means))
    n_rows = -(-len(means) // n_columns)
    width_in = 2.9 * n_columns
    figure = Figure(figsize=(width_in, 0.5 + 2.1 * n_rows), dpi=_DPI, layout="constrained")
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes, (label, (steps, mean, low, high)) in zip(grid.flat, means.items(), strict=False):
        for other, (their_steps, their_mean, _, _) in means.items():
            if other != label:
                axes.plot(their_steps, their_mean, color=_OTHERS, linewidth=0.7, zorder=1)
        axes.fill_between(steps, low, high, color=_RANGE, linewidth=0, zorder=2)
        axes.plot(steps, mean, color=_LINE, linewidth=1.6, zorder=3)
        _dress(axes, label)
    for axes in grid.flat[len(means) :]:
        axes.set_visible(False)
    for axes in grid.flat[max(0, len(means) - n_columns) : len(means)]:
        axes.tick_params(labelbottom=True)  # shared axes name their steps in the last row alone
    figure.supxlabel("step", fontsize=9)
    figure.supylabel("validation CCC", fontsize=9)
    lines = fill(f"{title}: mean and range over seeds", int(width_in * _LETTERS_AN_INCH))
    figure.suptitle(lines, fontsize=10)
    return write_figure(figure, folder, f"{name}-curves", key="curves")


def _over_seeds(curves: Sequence[Curve]) -> tuple[list[int], list[float], list[float], list[float]]:
    """Mean, lowest and highest of the seeds that were validated at each step."""
    values: dict[int, list[float]] = {}
    for curve in curves:
        for step, value in curve:
            values.setdefault(step, []).append(value)
    steps = sorted(values)
    mean = [float(np.mean(values[step])) for step in steps]
    return steps, mean, [min(values[s]) for s in steps], [max(values[s]) for s in steps]


def _dress(axes: Axes, label: str) -> None:
    axes.axhline(PLATEAU_CCC, color="0.6", linewidth=0.7, linestyle=":")
    axes.set_title(label, fontsize=8)
    axes.set_ylim(-0.2, 1)
    axes.tick_params(labelsize=7)
