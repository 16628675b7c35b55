"""Fig. 11: what the length of the clips is worth."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from mavfer.store import ClipStore

from .benchmark import PlannedRow
from .clip_ceiling import clip_ceiling
from .result_table import ResultTable, Spread
from .scores import Scores
from .vector_figure import write_figure

_METRICS = {"rmse": "RMSE", "cc": "CC", "ccc": "CCC"}
_PUBLISHED_BEST = 16
"""Frames of a clip with which the paper's MRAN does best in all three; its text has no figures."""
_DPI = 120
_LINE, _SEEDS, _PAPER = "#2b5fa8", "#a9c1e4", "0.6"


def scores_by_length(
    table: ResultTable, rows: Sequence[PlannedRow]
) -> dict[int, Mapping[str, Spread]]:
    """Return the scores of every row that has any, by frames of its clips, in order."""
    by_label = {row.label: row.scores for row in table.rows}
    found = {
        row.specs[0].model.clip_length: by_label[row.row.label]
        for row in rows
        if row.specs and by_label[row.row.label]
    }
    return dict(sorted(found.items()))


def ceilings_by_length(rows: Sequence[PlannedRow], store: ClipStore) -> dict[int, Scores]:
    """Return what one score a clip can reach (`clip_ceiling`), by frames of the clips, in order."""
    models = [row.specs[0].model for row in rows if row.specs]
    found = {model.clip_length: clip_ceiling(store, model) for model in models}
    return {frames: scores for frames, scores in sorted(found.items()) if scores is not None}


def draw_clip_lengths(
    lengths: Mapping[int, Mapping[str, Spread]],
    ceilings: Mapping[int, Scores],
    folder: Path,
    name: str,
) -> dict[str, Path]:
    """Draw RMSE, CC and CCC over the length of the clips: mean ± sd, and every seed.

    Parameters
    ----------
    lengths : mapping of int to mapping of str to Spread
        By frames of a clip and metric.
    ceilings : mapping of int to Scores
        What one score a clip can reach, by frames of a clip.
    folder : Path
    name : str
        Of the files, without their ending.

    Returns
    -------
    dict of kind to Path
        PNG and SVG.
    """
    figure = Figure(figsize=(9, 3), dpi=_DPI, layout="constrained")
    panels = figure.subplots(1, len(_METRICS))
    for axes, (metric, title) in zip(panels, _METRICS.items(), strict=True):
        _draw_panel(axes, {frames: each[metric] for frames, each in lengths.items()})
        known = {t: each[metric] for t, each in ceilings.items() if each[metric] is not None}
        axes.plot(
            list(known), list(known.values()), "--", color=_PAPER, label="labels of the clips"
        )
        axes.set_title(title, fontsize=10)
    panels[-1].legend(fontsize=7, frameon=False, loc="lower left")
    return write_figure(figure, folder, name, key="figure")


def _draw_panel(axes: Axes, spreads: Mapping[int, Spread]) -> None:
    for frames, spread in spreads.items():
        axes.plot(
            [frames] * len(spread.known), spread.known, "o", color=_SEEDS, markersize=4, zorder=3
        )
    means = {frames: spread.mean for frames, spread in spreads.items() if spread.mean is not None}
    axes.errorbar(
        list(means),
        list(means.values()),
        [spreads[frames].sd or 0.0 for frames in means],
        marker="o",
        color=_LINE,
        capsize=3,
    )
    axes.axvline(_PUBLISHED_BEST, color=_PAPER, linestyle=":", zorder=0)
    axes.annotate(
        "paper: best",
        (_PUBLISHED_BEST, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-3, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=7,
        color=_PAPER,
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(spreads), [str(frames) for frames in spreads])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("frames of a clip")
