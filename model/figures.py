"""Pictures of training and evaluation. No display is needed and none is opened."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from capture.files import atomic_output
from mavfer.derived import mark_of, png_with_text

from .evaluation import AttentionExample, Evaluation, VideoPrediction
from .scores import CONSTANT_SD

_DPI = 110
_MAX_PANELS = 6
_GAP_S = 0.5
_FRAMES_SHOWN = 8
_GOLD, _PREDICTED = "#c8402c", "#2b5fa8"
"""Red and blue, as the paper draws them."""
_CURVE_STYLES = {"ccc": "-", "cc": "--", "rmse": ":", "accuracy": "-", "uar": "--"}
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
        named = [name for name in _CURVE_STYLES if name in outputs[output]]
        for name in named:
            values = [_number(line["validation"][output][name]) for line in metrics]
            scores.plot(steps, values, _CURVE_STYLES[name], label=f"{output} {name.upper()}")
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


def draw_traces(
    evaluation: Evaluation,
    processed: Evaluation | None,
    path: Path,
    *,
    title: str,
    overwrite: bool,
) -> None:
    """Write gold and predicted traces: a panel a subject and output, its videos in a row.

    Frames without a prediction of their own are left out, as in the paper's Figs. 12, 14 and 15.
    """
    shown = sorted({video.subject for video in evaluation.videos})[:_MAX_PANELS]
    rows = [(subject, k) for subject in shown for k in range(len(evaluation.outputs))]
    figure = Figure(figsize=(11, 1 + 1.6 * len(rows)), dpi=_DPI, layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    final = processed or evaluation
    for (subject, k), axes in zip(rows, panels, strict=True):
        output = evaluation.outputs[k]
        own = [v for v in evaluation.videos if v.subject == subject]
        after = [v for v in final.videos if v.subject == subject]
        _draw_subject(axes, own, after, k, processed=processed is not None)
        score = evaluation.by_subject()[subject][output]["ccc"]
        agreed = "" if score is None else f"   CCC {score:.2f}"
        axes.set_title(f"{subject}, {output}{agreed}", fontsize=9, loc="left")
        axes.set_ylim(-1.05, 1.05)
    panels[-1].set_xlabel("time, s (videos of a subject one after the other)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", fontsize=8, ncols=3)
    figure.suptitle(title, fontsize=10)
    drawn = (video.video_id for video in evaluation.videos if video.subject in shown)
    _save(figure, path, overwrite=overwrite, videos=drawn)


def _draw_subject(
    axes: Axes,
    raw: Sequence[VideoPrediction],
    final: Sequence[VideoPrediction],
    k: int,
    *,
    processed: bool,
) -> None:
    start_s = 0.0
    for number, (video, after) in enumerate(zip(raw, final, strict=True)):
        seconds = start_s + video.time_s - video.time_s[0]
        first = number == 0
        own = np.where(video.interpolated, np.nan, video.predicted[:, k])
        axes.plot(
            seconds, video.gold[:, k], color=_GOLD, linewidth=1.8, label="gold" if first else None
        )
        if processed:
            name = "as predicted" if first else None
            axes.plot(seconds, own, color=_PREDICTED, linewidth=0.9, alpha=0.4, label=name)
            own = np.where(video.interpolated, np.nan, after.predicted[:, k])
        name = ("post-processed" if processed else "predicted") if first else None
        axes.plot(seconds, own, color=_PREDICTED, linewidth=1.6, label=name)
        if number:
            axes.axvline(start_s - _GAP_S / 2, color="0.85", linewidth=0.8)
        start_s = float(seconds[-1]) + _GAP_S
    axes.axhline(0, color="0.85", linewidth=0.8)
    axes.margins(x=0.01)


def draw_attention(evaluation: Evaluation, path: Path, *, title: str, overwrite: bool) -> None:
    """Write faces and their attention over time: two rows a subject, as in Figs. 10 and 13."""
    examples = evaluation.examples
    figure = Figure(
        figsize=(1.2 + 1.25 * _FRAMES_SHOWN, 0.7 + 2.75 * len(examples)),
        dpi=_DPI,
        layout="constrained",
    )
    grid = figure.subplots(2 * len(examples), _FRAMES_SHOWN, squeeze=False)
    peak = attention_peak(examples)
    videos = {video.video_id: video for video in evaluation.videos}
    for number, example in enumerate(examples):
        video = videos[example.video_id]
        chosen = np.linspace(0, len(example.rows) - 1, _FRAMES_SHOWN).round().astype(int)
        for column, at in enumerate(chosen):
            face, mixed = grid[2 * number : 2 * number + 2, column]
            image = picture(example.modality, example.crops[at])
            shade = None if example.modality == "color" else "gray"
            face.imshow(image, cmap=shade, vmin=0, vmax=1)
            size = image.shape[0]
            extent = (-0.5, size - 0.5, size - 0.5, -0.5)
            mixed.imshow(image, cmap=shade, vmin=0, vmax=1)
            mixed.imshow(
                example.attention[at],
                cmap="turbo",
                vmin=0,
                vmax=peak,
                extent=extent,
                alpha=0.55,
                interpolation="bilinear",
            )
            row = example.rows[at]
            says = "" if evaluation.categorical else f"\n{video.predicted[row, 0]:+.2f}"
            gold = video.gold[row, 0]
            if not evaluation.categorical and np.isfinite(gold):
                says += f" ({gold:+.2f})"
            face.set_title(f"{video.time_s[row]:.1f} s{says}", fontsize=7)
        grid[2 * number, 0].set_ylabel(example.subject, fontsize=8)
        grid[2 * number + 1, 0].set_ylabel("attention", fontsize=8)
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    bar = figure.colorbar(grid[1, 0].images[1], ax=grid[:, -1].tolist(), shrink=0.6)
    bar.set_label("attention (1 = uniform)", fontsize=8)
    figure.suptitle(f"{title}: predicted (gold)", fontsize=10)
    drawn = (example.video_id for example in evaluation.examples)
    _save(figure, path, overwrite=overwrite, videos=drawn)


def attention_peak(examples: Sequence[AttentionExample]) -> float:
    """Attention that is drawn brightest: the 99.8th percentile, at least twice the uniform."""
    return max(2.0, max(float(np.percentile(e.attention, 99.8)) for e in examples))


def draw_confusion(
    table: NDArray[np.int64], names: Sequence[str], path: Path, *, title: str, overwrite: bool
) -> None:
    """Write counts (K, K), gold by predicted, coloured by the share of the row."""
    size = 1.6 + 0.55 * len(names)
    figure = Figure(figsize=(size + 1, size), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(table.shape):
        dark = share[row, column] > 0.6
        axes.text(
            column,
            row,
            str(table[row, column]),
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else "0.2",
        )
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    axes.set_title(title, fontsize=9)
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


def _save(
    figure: Figure, path: Path, *, overwrite: bool = True, videos: Iterable[str] = ()
) -> None:
    """Write a figure; one that shows `videos` is marked with their names."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    png = drawn.getvalue()
    if names := sorted(set(videos)):
        png = png_with_text(png, "Comment", mark_of(names))
    with atomic_output(path, overwrite=overwrite) as partial:
        partial.write_bytes(png)
