"""A table's figures by light as a picture: what the cameras see above, what networks say below."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mavfer.derived import mark_of
from mavfer.preview import moment_picture
from mavfer.store import ClipStore

from .groups import frame_groups
from .result_table import Breakdown, ResultTable, Spread, metric_name
from .vector_figure import write_figure

LIGHT = "light"
BY_LIGHT = "by_light"
"""Key of the pictures, before their kind."""
_BRIGHT_FIRST = ("bright", "normal", "side", "dim", "near-dark", "dark")
_DPI = 120
_OWN, _CONTROL = "#2b5fa8", "#9a9a9a"


def draw_by_light(
    table: ResultTable,
    store: ClipStore,
    folder: Path,
    name: str,
    *,
    show: Collection[str] | None = None,
) -> dict[str, Path]:
    """Draw a column a light and a bar a row, mean and sd over seeds; controls are grey.

    Above each column stand the crops of a test subject in that light, the same in all where one
    was seen in all.

    Parameters
    ----------
    table : ResultTable
    store : ClipStore
        That was scored.
    folder : Path
    name : str
        Of the files, without their ending.
    show : collection of str, optional
        Videos of which pictures may be shown; None: any.

    Returns
    -------
    dict of kind to Path
        PNG and SVG; empty where the table knows of no light.
    """
    part = next((part for part in table.breakdowns if part.name == LIGHT), None)
    if part is None:
        return {}
    lights = sorted(part.columns, key=_order)
    rows = [row for row in table.rows if row.label in part.figures]
    faces = _faces(store, lights, show)
    above_in = 1.3 if faces else 0.2
    height = above_in + 0.6 + 0.24 * len(rows)
    figure = Figure(figsize=(2.5 + 1.9 * len(lights), height), dpi=_DPI, layout="constrained")
    grid = figure.subplots(
        2, len(lights), height_ratios=[above_in, height - above_in], sharey="row", squeeze=False
    )
    for column, light in enumerate(lights):
        above, below = grid[:, column]
        above.set_axis_off()
        if light in faces:
            above.imshow(faces[light])
        above.set_title(light, fontsize=9)
        _bars(below, [_spread(part, row.label, light) for row in rows], [r.control for r in rows])
    grid[1, 0].set_yticks(range(len(rows)), [row.label for row in rows], fontsize=8)
    grid[1, 0].invert_yaxis()
    figure.supxlabel(f"{metric_name(table.headline)}, unseen people", fontsize=9)
    about = mark_of([store.fingerprint]) if faces else None
    return write_figure(figure, folder, f"{name}-by-light", key=BY_LIGHT, about=about)


def _bars(axes: Axes, figures: Sequence[Spread], controls: Sequence[bool]) -> None:
    for place, (spread, control) in enumerate(zip(figures, controls, strict=True)):
        if spread.mean is None:
            continue
        colour = _CONTROL if control else _OWN
        axes.barh(place, spread.mean, xerr=spread.sd, color=colour, height=0.7, ecolor="0.2")
        axes.text(
            0.98,
            place,
            f"{spread.mean:.2f}",
            ha="right",
            va="center",
            fontsize=7,
            transform=axes.get_yaxis_transform(),
        )
    # to 1.3, so that the number stands right of any bar
    axes.set_xlim(min(0.0, *(s.mean or 0.0 for s in figures)), 1.3)
    axes.set_xticks([0, 0.5, 1.0])
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _spread(part: Breakdown, label: str, light: str) -> Spread:
    figure = part.figures[label].get(light)
    return figure if isinstance(figure, Spread) else Spread(())


def _faces(
    store: ClipStore, lights: Sequence[str], show: Collection[str] | None
) -> Mapping[str, NDArray[np.uint8]]:
    """Draw a moment in each light, of the test subject that was seen in most of them."""
    found: dict[str, dict[str, tuple[str, int]]] = {}
    for video_id, names in frame_groups(store).get(LIGHT, {}).items():
        video = store.videos[video_id]
        if video.split != "test" or (show is not None and video_id not in show):
            continue
        for light in set(names.tolist()) & set(lights):
            rows = np.flatnonzero(names == light)
            found.setdefault(video.subject, {}).setdefault(light, (video_id, rows[len(rows) // 2]))
    if not found:
        return {}
    best = max(found.values(), key=len)
    return {light: moment_picture(store, video_id, row) for light, (video_id, row) in best.items()}


def _order(light: str) -> tuple[int, str]:
    known = light in _BRIGHT_FIRST
    return (_BRIGHT_FIRST.index(light) if known else len(_BRIGHT_FIRST), light)
