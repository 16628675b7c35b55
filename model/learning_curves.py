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
_MEAN, _SEED, _OTHERS = "#2b5fa8", "#8fb0dd", "0.85"


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
    """Draw a panel a row: every seed, their mean, and the other rows' means behind.

    The mean ends with the first seed: of those trained longer it would say nothing of the rest.

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
    drawn = {label: [c for c in curves if c] for label, curves in rows.items() if any(curves)}
    means = {label: _mean_of(curves) for label, curves in drawn.items()}
    if not means:
        return {}
    n_columns = min(_COLUMNS, len(means))
    n_rows = -(-len(means) // n_columns)
    width_in = 2.9 * n_columns
    figure = Figure(figsize=(width_in, 0.5 + 2.1 * n_rows), dpi=_DPI, layout="constrained")
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes, (label, curves) in zip(grid.flat, drawn.items(), strict=False):
        for other, mean in means.items():
            if other != label:
                _draw(axes, mean, color=_OTHERS, linewidth=0.7, zorder=1)
        for curve in curves:
            _draw(axes, curve, color=_SEED, linewidth=0.8, zorder=2)
        _draw(axes, means[label], color=_MEAN, linewidth=1.6, zorder=3)
        _dress(axes, label)
    for axes in grid.flat[len(means) :]:
        axes.set_visible(False)
    for axes in grid.flat[max(0, len(means) - n_columns) : len(means)]:
        axes.tick_params(labelbottom=True)  # shared axes name their steps in the last row alone
    figure.supxlabel("step", fontsize=9)
    figure.supylabel("validation CCC", fontsize=9)
    lines = fill(f"{title}: every seed, and their mean", int(width_in * _LETTERS_AN_INCH))
    figure.suptitle(lines, fontsize=10)
    return write_figure(figure, folder, f"{name}-curves", key="curves")


def _mean_of(curves: Sequence[Curve]) -> Curve:
    """Return the mean at the steps at which every seed was validated."""
    by_step = [dict(curve) for curve in curves]
    shared = set.intersection(*(set(values) for values in by_step))
    return [(step, float(np.mean([values[step] for values in by_step]))) for step in sorted(shared)]


def _draw(axes: Axes, curve: Curve, *, color: str, linewidth: float, zorder: int) -> None:
    steps, values = [step for step, _ in curve], [value for _, value in curve]
    axes.plot(steps, values, color=color, linewidth=linewidth, zorder=zorder)


def _dress(axes: Axes, label: str) -> None:
    axes.axhline(PLATEAU_CCC, color="0.6", linewidth=0.7, linestyle=":")
    axes.set_title(label, fontsize=8)
    axes.set_ylim(-0.2, 1)
    axes.tick_params(labelsize=7)
