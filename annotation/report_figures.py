"""Pictures of ratings for the report: distributions as in Figures 7 to 9, and trace fans."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from .labels import Labels, SessionLabels
from .strict_csv import NS_PER_S
from .trace import DIMENSIONS, Dimension, Trace

_DPI = 120
_INK, _SOFT, _LINE = "#1c2530", "#5b6875", "#d9dee3"
COLORS: dict[Dimension, str] = {"valence": "#a8442a", "arousal": "#2f6690"}
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _SOFT,
    "axes.titlecolor": _INK,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "text.color": _INK,
    "grid.color": "#eceff1",
    "text.parse_math": False,  # names of sessions and raters are names
}
_RATER_COLORS = ("#7aa6c2", "#d39b6a", "#7fae8a", "#b58bb5", "#c9b458", "#8d9aa6", "#cf8d8d")
_BINS = np.arange(-10.5, 11.5, 1.0)
FANS_A_FIGURE = 4


def distribution_figure(labels: Labels, path: Path) -> None:
    """Write a PNG as Figure 8: how often which arousal goes with which valence, over frames."""
    valence, arousal = _joined(labels, "valence"), _joined(labels, "arousal")
    both = np.isfinite(valence) & np.isfinite(arousal)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.6, 4.6), dpi=_DPI, layout="constrained")
        axes = figure.subplots()
        if np.any(both):
            _, _, _, image = axes.hist2d(
                10 * valence[both],
                10 * arousal[both],
                bins=(_BINS, _BINS),
                norm=LogNorm(vmin=1),
                cmap="YlGnBu",
            )
            plain = FuncFormatter(lambda value, _: f"{value:g}")
            bar = figure.colorbar(image, ax=axes, shrink=0.8, label="frames", format=plain)
            bar.outline.set_visible(False)
        axes.axhline(0, color=_SOFT, linewidth=0.7)
        axes.axvline(0, color=_SOFT, linewidth=0.7)
        for x, y, text in (
            (9.8, 9.8, "excited"),
            (-9.8, 9.8, "upset"),
            (-9.8, -9.8, "bored"),
            (9.8, -9.8, "calm"),
        ):
            axes.text(
                x,
                y,
                text,
                color=_SOFT,
                ha="right" if x > 0 else "left",
                va="top" if y > 0 else "bottom",
                fontsize=8,
                style="italic",
            )
        axes.set(
            xlim=(-10.5, 10.5),
            ylim=(-10.5, 10.5),
            xlabel="valence: negative to positive",
            ylabel="arousal: calm to excited",
            xticks=range(-10, 11, 5),
            yticks=range(-10, 11, 5),
        )
        axes.set_box_aspect(1)
        _save(figure, path)


def histogram_figure(labels: Labels, traces: Sequence[Trace], path: Path, *, scale: float) -> None:
    """Write a PNG as Figure 9: gold labels and single ratings, share of frames by value."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 3.1), dpi=_DPI, layout="constrained")
        for axes, dimension in zip(figure.subplots(1, 2, sharey=True), DIMENSIONS, strict=True):
            gold = 10 * _joined(labels, dimension)
            said = [10 / scale * t.value for t in traces if t.dimension == dimension]
            _share(axes, gold[np.isfinite(gold)], "gold label", color=COLORS[dimension], alpha=0.85)
            if said:
                _share(
                    axes,
                    np.concatenate(said),
                    "single ratings",
                    histtype="step",
                    color=_INK,
                    linewidth=1.0,
                )
            axes.axvline(0, color=_SOFT, linewidth=0.7)
            axes.set(title=dimension, xlabel="rating", xlim=(-10.5, 10.5), xticks=range(-10, 11, 5))
            axes.grid(axis="y")
            axes.set_axisbelow(True)
            if said:
                axes.legend(frameon=False, fontsize=8)
        figure.axes[0].set_ylabel("share, %")
        _save(figure, path)


def frames_figure(labels: Labels, path: Path) -> None:
    """Write a PNG as Figure 7: how many labelled moments each session has."""
    names = sorted(labels.sessions)
    with mpl.rc_context(_STYLE):
        width = min(0.34 * len(names) + 1.6, 14.0)
        figure = Figure(figsize=(max(width, 4.0), 2.6), dpi=_DPI, layout="constrained")
        axes = figure.subplots()
        place = np.arange(len(names))
        for shift, dimension in ((-0.2, "valence"), (0.2, "arousal")):
            counts = [int(np.sum(np.isfinite(labels.sessions[n].values(dimension)))) for n in names]
            color = COLORS["valence" if dimension == "valence" else "arousal"]
            axes.bar(place + shift, counts, 0.38, color=color, label=dimension)
        shown = [_short(name) for name in names]
        axes.set_xticks(place, shown, rotation=60 if max(map(len, shown)) > 4 else 0, ha="center")
        axes.set_ylabel("labelled moments")
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.legend(frameon=False, fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
        _save(figure, path)


def fan_figure(
    sessions: Sequence[str], traces: Sequence[Trace], labels: Labels, path: Path, *, scale: float
) -> None:
    """Write a PNG: a row a session, raters thin, the gold label thick in its ± 1 sd."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10.4, 1.95 * len(sessions)), dpi=_DPI, layout="constrained")
        grid = figure.subplots(len(sessions), 2, squeeze=False, sharey=True)
        everyone = sorted({trace.rater for trace in traces})
        color_of = {n: _RATER_COLORS[k % len(_RATER_COLORS)] for k, n in enumerate(everyone)}
        raters = sorted({trace.rater for trace in traces if trace.session in sessions})
        for row, session in zip(grid, sessions, strict=True):
            for axes, dimension in zip(row, DIMENSIONS, strict=True):
                mine = [t for t in traces if (t.session, t.dimension) == (session, dimension)]
                for trace in mine:
                    axes.plot(
                        trace.time_ns / NS_PER_S,
                        10 / scale * trace.value,
                        color=color_of[trace.rater],
                        linewidth=0.8,
                        drawstyle="steps-post",
                    )
                _gold(axes, labels.sessions.get(session), dimension)
                axes.axhline(0, color=_LINE, linewidth=0.8, zorder=0)
                axes.set(title=f"{_short(session)}: {dimension}", ylim=(-10.8, 10.8))
                axes.set_yticks((-10, 0, 10))
                axes.margins(x=0.01)
        for axes in grid[-1]:
            axes.set_xlabel("seconds")
        handles = [
            Line2D([], [], color=color_of[name], label=name)
            for name in raters[: len(_RATER_COLORS)]
        ]
        handles.append(Line2D([], [], color=_INK, linewidth=2, label="gold ± sd"))
        figure.legend(
            handles=handles,
            loc="outside upper right",
            ncols=len(handles),
            frameon=False,
            fontsize=8,
        )
        _save(figure, path)


def pairs_figure(
    tables: Sequence[tuple[str, Sequence[str], NDArray[np.float64]]], path: Path
) -> None:
    """Write a PNG: for each title and raters a square of their CCC; white where undefined."""
    size = max(len(raters) for _, raters, _ in tables)
    with mpl.rc_context(_STYLE):
        side = min(0.5 * size + 1.6, 7.0)
        figure = Figure(figsize=(side * len(tables) + 0.8, side), dpi=_DPI, layout="constrained")
        image = None
        for axes, (title, raters, table) in zip(
            figure.subplots(1, len(tables), squeeze=False)[0], tables, strict=True
        ):
            image = axes.imshow(table, vmin=-1, vmax=1, cmap="RdBu")
            ticks = range(len(raters))
            axes.set_xticks(ticks, raters, rotation=60, ha="right", rotation_mode="anchor")
            axes.set_yticks(ticks, raters)
            axes.set_title(title)
            axes.spines[:].set_visible(False)
            if size <= 12:
                _write_values(axes, table)
        if image is not None:
            bar = figure.colorbar(image, ax=figure.axes, shrink=0.7, label="CCC")
            bar.outline.set_visible(False)
        _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # of a name, in a script without font
        figure.savefig(path)


def _write_values(axes: Axes, table: NDArray[np.float64]) -> None:
    for (i, j), value in np.ndenumerate(table):
        if i != j and np.isfinite(value):
            color = "white" if abs(value) > 0.6 else _INK
            text = f"{value:.2f}".replace("0.", ".", 1)
            axes.text(j, i, text, ha="center", va="center", color=color, fontsize=7.5)


def _gold(axes: Axes, gold: SessionLabels | None, dimension: Dimension) -> None:
    if gold is None or not np.any(np.isfinite(gold.values(dimension))):
        return
    seconds = gold.time_ns / NS_PER_S
    value, spread = 10 * gold.values(dimension), 10 * gold.spread(dimension)
    axes.fill_between(
        seconds, value - spread, value + spread, color=COLORS[dimension], alpha=0.18, linewidth=0
    )
    axes.plot(seconds, value, color=_INK, linewidth=1.7)


def _share(axes: Axes, values: NDArray[np.float64], label: str, **style: object) -> None:
    if len(values):
        weights = np.full(len(values), 100.0 / len(values))
        axes.hist(values, bins=_BINS, weights=weights, label=label, **style)  # type: ignore[arg-type]


def _joined(labels: Labels, dimension: str) -> NDArray[np.float64]:
    return np.concatenate([each.values(dimension) for each in labels.sessions.values()])


def _short(session: str) -> str:
    """Leave the date of a session's name out: ``20260301-101500_S01`` is S01."""
    head, _, tail = session.partition("_")
    dated = len(head) == 15 and head[:8].isdigit() and head[8] == "-" and head[9:].isdigit()
    return tail if dated and tail else session
