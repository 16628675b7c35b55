"""Pictures of training and evaluation. No display is needed and none is opened."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from capture.files import atomic_output

from .evaluate import AttentionExample, Evaluation, VideoPrediction
from .scores import CONSTANT_SD

_DPI = 110
_MAX_PANELS = 6
_GAP_S = 0.5
_RELATIVE_MM = 40
_RELATIVE_COUNTS = 150
"""Half ranges of the depth and thermal pictures about the face: 40 mm and 6 K."""


def draw_curves(metrics: Sequence[Mapping[str, Any]], path: Path, *, title: str) -> None:
    """Write loss and validation metrics over steps; `metrics` are the lines of metrics.jsonl."""
    figure = Figure(figsize=(10, 3.4), dpi=_DPI, layout="constrained")
    losses, scores = figure.subplots(1, 2)
    steps = [line["step"] for line in metrics]
    losses.plot(steps, [_number(line["train_loss"]) for line in metrics], color="0.25")
    losses.set_xlabel("step")
    losses.set_ylabel("training loss")
    losses.set_title(title, fontsize=10, loc="left")
    outputs = metrics[-1]["validation"] if metrics else {}
    for output in outputs:
        for name, style in (("ccc", "-"), ("cc", "--"), ("rmse", ":")):
            values = [_number(line["validation"][output][name]) for line in metrics]
            scores.plot(steps, values, style, label=f"{output} {name.upper()}")
    constant = [line["step"] for line in metrics if line.get("constant_output")]
    if constant:
        scores.plot(
            constant,
            np.zeros(len(constant)),
            "x",
            color="tab:red",
            label=f"constant output (sd < {CONSTANT_SD})",
        )
    scores.set_xlabel("step")
    scores.set_ylabel("validation clips")
    scores.set_ylim(-0.25, 1)
    scores.axhline(0, color="0.7", linewidth=0.8)
    if outputs:
        scores.legend(fontsize=8)
    else:
        scores.text(0.5, 0.5, "no validation split", transform=scores.transAxes, ha="center")
    _save(figure, path)


def draw_traces(evaluation: Evaluation, path: Path, *, title: str, overwrite: bool) -> None:
    """Write gold and predicted traces: a panel a subject, its videos one after the other."""
    by_subject: dict[str, list[VideoPrediction]] = {}
    for video in evaluation.videos:
        by_subject.setdefault(video.subject, []).append(video)
    shown = sorted(by_subject)[:_MAX_PANELS]
    figure = Figure(figsize=(10, 1 + 1.7 * len(shown)), dpi=_DPI, layout="constrained")
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for subject, axes in zip(shown, panels, strict=True):
        _draw_subject(axes, by_subject[subject], evaluation.outputs)
        axes.set_title(subject, fontsize=9, loc="left")
        axes.set_ylim(-1, 1)
    panels[-1].set_xlabel("time, s (videos of a subject one after the other)")
    panels[0].legend(loc="upper right", fontsize=8, ncols=2 * len(evaluation.outputs))
    figure.suptitle(title, fontsize=10)
    _save(figure, path, overwrite=overwrite)


def _draw_subject(axes: Axes, videos: Sequence[VideoPrediction], outputs: Sequence[str]) -> None:
    start_s = 0.0
    for number, video in enumerate(videos):
        seconds = start_s + video.time_s - video.time_s[0]
        for k, output in enumerate(outputs):
            color = f"C{k}"
            label = output if number == 0 else None
            axes.plot(seconds, video.gold[:, k], color=color, alpha=0.45, linewidth=2.5)
            axes.plot(seconds, video.predicted[:, k], color=color, linewidth=1.2, label=label)
        if number:
            axes.axvline(start_s - _GAP_S / 2, color="0.85", linewidth=0.8)
        start_s = float(seconds[-1]) + _GAP_S
    axes.plot([], [], color="0.5", alpha=0.45, linewidth=2.5, label="gold")
    axes.axhline(0, color="0.85", linewidth=0.8)


def draw_attention(
    examples: Sequence[AttentionExample], path: Path, *, title: str, overwrite: bool
) -> None:
    """Write, for one frame of each example, the crops, the attention and both together."""
    modalities = list(examples[0].crops)
    names = [*modalities, "attention", f"on {modalities[0]}"]
    figure = Figure(
        figsize=(1 + 1.55 * len(names), 0.8 + 1.6 * len(examples)), dpi=_DPI, layout="constrained"
    )
    grid = figure.subplots(len(examples), len(names), squeeze=False)
    peak = max(2.0, max(float(example.attention.max()) for example in examples))
    for row, example in zip(grid, examples, strict=True):
        pictures = {name: picture(name, crop) for name, crop in example.crops.items()}
        size = next(iter(pictures.values())).shape[0]
        extent = (-0.5, size - 0.5, size - 0.5, -0.5)
        for axes, (name, image) in zip(row, pictures.items(), strict=False):
            axes.imshow(image, cmap=None if name == "color" else "gray", vmin=0, vmax=1)
        row[-2].imshow(example.attention, cmap="magma", vmin=0, vmax=peak, extent=extent)
        target = pictures[modalities[0]]
        row[-1].imshow(target, cmap="gray", vmin=0, vmax=1)
        row[-1].imshow(example.attention, cmap="magma", vmin=0, vmax=peak, extent=extent, alpha=0.5)
        row[0].set_ylabel(
            f"{example.subject}\ngold {example.gold:+.2f}\npredicted {example.predicted:+.2f}",
            fontsize=7,
        )
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(name, fontsize=8)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    bar = figure.colorbar(grid[0, -2].images[0], ax=grid[:, -1].tolist(), shrink=0.8)
    bar.set_label("attention (1 = uniform)", fontsize=7)
    figure.suptitle(title, fontsize=10)
    _save(figure, path, overwrite=overwrite)


def picture(modality: str, crop: NDArray[Any]) -> NDArray[np.float64]:
    """Return a crop as values in [0, 1]: color as it is, the others relative to the face.

    Parameters
    ----------
    crop : (H, W, 3) uint8 or (H, W) uint16, 0 = invalid

    Returns
    -------
    (H, W, 3) or (H, W) float64
        Nearer and warmer is brighter; invalid pixels are black.
    """
    if modality == "color":
        return crop / 255.0
    valid = crop > 0
    if not valid.any():
        return np.zeros(crop.shape)
    relative = crop.astype(np.float64) - float(np.median(crop[valid]))
    half = -_RELATIVE_MM if modality == "depth" else _RELATIVE_COUNTS
    brightness: NDArray[np.float64] = np.where(valid, np.clip(0.5 + relative / half / 2, 0, 1), 0.0)
    return brightness


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _save(figure: Figure, path: Path, *, overwrite: bool = True) -> None:
    with atomic_output(path, overwrite=overwrite) as partial:
        figure.savefig(partial, format="png")
