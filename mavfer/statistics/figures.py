"""Figures of a data set, as PNG and SVG: the paper's Figs. 7 to 9, and what is missing."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ..derived import DERIVED_MARK
from ..splits import SPLITS

_DPI = 120
_SPLIT_COLORS = {"train": "#2f6f9f", "validation": "#d98c2b", "test": "#7a9a3a"}
_MISSING_COLORS = {
    "no face": "#c9553d",
    "no frame": "#6b7683",
    "unreadable": "#3d4650",
    "implausible": "#e0a458",
    "another person": "#8b6bb1",
}
_MOST_BARS = 400
_LONGEST_LABEL = 48
_FACE = "#9fb8c8"

Facts = Mapping[str, Any]


def draw_all(facts: Facts, folder: Path) -> dict[str, Path]:
    """Write every figure that has something to show; return the PNG files by name."""
    drawings: dict[str, Callable[[Facts], Figure | None]] = {
        "frames-per-video": _frames_per_video,
        "label-distribution": _label_distribution,
        "label-histograms": _label_histograms,
        "class-balance": _class_balance,
        "missing-frames": _missing_frames,
    }
    drawn = {}
    # Names of videos are text, not formulas, and glyphs stay text, so that they can be found.
    with mpl.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "mavfer", "text.parse_math": False}
    ):
        for name, draw in drawings.items():
            figure = draw(facts)
            if figure is None:
                continue
            about = f"{DERIVED_MARK} {facts['store']['fingerprint']}"
            drawn[name] = folder / f"{name}.png"
            with warnings.catch_warnings():
                # Of scripts that the font lacks and of cramped labels: the figure is good enough.
                warnings.simplefilter("ignore", UserWarning)
                figure.savefig(drawn[name], metadata={"Description": about})
                figure.savefig(
                    folder / f"{name}.svg",
                    metadata={"Date": None, "Description": about, "Title": name},
                )
    return drawn


def _label(name: str) -> str:
    """Name of a video on one line, no longer than leaves room for what is drawn."""
    shown = "".join(each if each.isprintable() else " " for each in name)
    return shown if len(shown) <= _LONGEST_LABEL else f"{shown[: _LONGEST_LABEL - 1]}…"


def _frames_per_video(facts: Facts) -> Figure | None:
    """Fig. 7: a bar a video, colored by split."""
    videos = list(facts["videos"].items())
    if not videos:
        return None
    figure = Figure(figsize=(10, 3.6), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    shown = videos[:_MOST_BARS]
    for split in SPLITS:
        at = [i for i, (_, v) in enumerate(shown) if v["split"] == split]
        if at:
            frames = [shown[i][1]["frames"] for i in at]
            axes.bar(at, frames, width=0.85, color=_SPLIT_COLORS[split], label=split)
    if len(shown) <= 40:
        names = [_label(name) for name, _ in shown]
        axes.set_xticks(range(len(shown)), names, rotation=60, ha="right", fontsize=7)
    else:
        axes.set_xlabel(f"video ({len(shown)} of {len(videos)})")
    axes.set_ylabel("frames")
    axes.margins(x=0.01)
    axes.legend(ncols=3, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.14), frameon=False)
    return figure


def _label_distribution(facts: Facts) -> Figure | None:
    """Fig. 8: how often which pair of valence and arousal occurs."""
    plane = facts["labels"]["valence_arousal"]
    if not plane["frames"]:
        return None
    figure = Figure(figsize=(5.6, 4.8), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    counts = np.array(plane["histogram"], float).T
    counts[counts == 0] = np.nan
    edges = plane["bin_edges"]
    image = axes.pcolormesh(
        edges, edges, counts, cmap="viridis", norm="log" if _wide(counts) else None
    )
    figure.colorbar(image, ax=axes, label="frames")
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.axvline(0, color="0.6", linewidth=0.8)
    axes.set(xlabel="valence", ylabel="arousal", xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    return figure


def _wide(counts: "np.ndarray[Any, np.dtype[np.float64]]") -> bool:
    return bool(np.nanmax(counts) > 50 * np.nanmin(counts))


def _label_histograms(facts: Facts) -> Figure | None:
    """Fig. 9: histograms of valence and arousal, stacked by split."""
    labels = facts["labels"]
    if not labels["valence"]["frames"] and not labels["arousal"]["frames"]:
        return None
    figure = Figure(figsize=(10, 3.4), dpi=_DPI, layout="constrained")
    edges = np.array(labels["bin_edges"])
    for axes, dimension in zip(
        figure.subplots(1, 2, sharey=True), ("arousal", "valence"), strict=True
    ):
        floor = np.zeros(len(edges) - 1)
        for split in SPLITS:
            counts = np.array(labels[dimension]["by_split"][split], float)
            if counts.any():
                axes.bar(
                    edges[:-1], counts, width=np.diff(edges) * 0.92, bottom=floor, align="edge",
                    color=_SPLIT_COLORS[split], label=split,
                )  # fmt: skip
            floor += counts
        axes.axvline(0, color="0.6", linewidth=0.8)
        axes.set(xlabel=dimension, xlim=(-1, 1))
    figure.axes[0].set_ylabel("frames")
    handles = {
        label: h
        for a in figure.axes
        for h, label in zip(*a.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(handles.values()),
        list(handles),
        fontsize=8,
        frameon=False,
        ncols=3,
        loc="outside upper center",
    )
    return figure


def _class_balance(facts: Facts) -> Figure | None:
    """Shares of the quadrants, or of the categories, in every split."""
    balance = facts["balance"]
    counts = balance["categories"] if any(balance["categories"].values()) else balance["quadrants"]
    names = list(dict.fromkeys(name for split in SPLITS for name in counts[split]))
    splits = [split for split in SPLITS if sum(counts[split].values())]
    if not splits:
        return None
    figure = Figure(figsize=(10, 2.9), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(splits)
    for number, split in enumerate(splits):
        total = sum(counts[split].values())
        shares = [100 * counts[split].get(name, 0) / total for name in names]
        at = np.arange(len(names)) + (number - (len(splits) - 1) / 2) * width
        axes.bar(at, shares, width * 0.95, color=_SPLIT_COLORS[split], label=split)
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("% of the split")
    axes.legend(fontsize=8, frameon=False)
    return figure


def _missing_frames(facts: Facts) -> Figure | None:
    """Draw the share of every video's rows with a face, and why the others have none."""
    videos = [(name, v) for name, v in facts["videos"].items() if v["frames"]]
    if not videos:
        return None
    shown = sorted(videos, key=lambda item: item[1]["valid_frames"]["face"] / item[1]["frames"])[
        :40
    ]
    height = 1.2 + 0.2 * len(shown)
    figure = Figure(figsize=(10, height), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    at = np.arange(len(shown))
    left = np.array([100 * v["valid_frames"]["face"] / v["frames"] for _, v in shown])
    axes.barh(at, left, color=_FACE, label="face")
    for reason, color in _MISSING_COLORS.items():
        share = np.array([100 * v["missing_faces"].get(reason, 0) / v["frames"] for _, v in shown])
        if share.any():
            axes.barh(at, share, left=left, color=color, label=reason)
        left = left + share
    axes.set_yticks(at, [_label(name) for name, _ in shown], fontsize=7)
    axes.invert_yaxis()
    what = "worst first" + (f", {len(shown)} of {len(videos)}" if len(shown) < len(videos) else "")
    axes.set(xlabel=f"% of the rows ({what})", xlim=(0, 100))
    axes.legend(ncols=6, fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1))
    return figure
