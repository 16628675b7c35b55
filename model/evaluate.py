"""Evaluation as in section V.A: overlapping clips, their scores averaged frame by frame."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capture.terminal import OnProgress
from mavfer.splits import Split
from mavfer.store import ClipStore

from .checkpoint import CheckpointInfo
from .config import ModelConfig
from .data import ClipDataset, collate, frame_labels
from .errors import ModelError
from .knock_out import (
    KnockOut,
    check_knock_out,
    guide_partners,
    uniform_attention,
    zero_guides,
)
from .prediction import AttentionNetwork, Network, Prediction
from .preprocess import prepare
from .scores import Scores, score_outputs

_MAX_EXAMPLES = 6


@dataclass(frozen=True, slots=True, eq=False)
class VideoPrediction:
    """Frame-wise predictions of one video.

    Attributes
    ----------
    video_id, subject : str
    time_s : (N,) float64
    gold, predicted : (N, K) float32
        A column for each output; gold is NaN where there is no label, predicted where the video
        has no clip that shows a face.
    n_interpolated : int
        Frames that no clip predicted, filled from their neighbours in time.
    """

    video_id: str
    subject: str
    time_s: NDArray[np.float64]
    gold: NDArray[np.float32]
    predicted: NDArray[np.float32]
    n_interpolated: int


@dataclass(frozen=True, slots=True, eq=False)
class AttentionExample:
    """One frame with the attention it got.

    Attributes
    ----------
    video_id, subject : str
    frame : int
        Row of the video.
    crops : dict of modality to (H, W[, 3]) arrays, as stored
    attention : (h, w) float32
        1 = as much as with uniform attention.
    gold, predicted : float
        First output, of the clip the frame is the middle of.
    """

    video_id: str
    subject: str
    frame: int
    crops: dict[str, NDArray[Any]]
    attention: NDArray[np.float32]
    gold: float
    predicted: float


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What an evaluation found.

    Attributes
    ----------
    outputs : tuple of str
    videos : tuple of VideoPrediction
    examples : tuple of AttentionExample
        At most six, of different subjects as far as they go.
    n_clips, n_without_face : int
        Clips predicted, and left out because too few frames show a face.
    attention_contrast : float
        Mean over clips of the sd of the attention over pixels (uniform = 1).
    attention_between_clips : float
        Mean over pixels of the sd between clips: near 0, every clip gets the same mask.
    """

    outputs: tuple[str, ...]
    videos: tuple[VideoPrediction, ...]
    examples: tuple[AttentionExample, ...]
    n_clips: int
    n_without_face: int
    attention_contrast: float
    attention_between_clips: float

    def pooled(self) -> dict[str, Scores]:
        """Score all frames of all videos together, by output: the headline."""
        return score_outputs(
            np.concatenate([v.predicted for v in self.videos]),
            np.concatenate([v.gold for v in self.videos]),
            self.outputs,
        )

    def by_video(self) -> dict[str, dict[str, Scores]]:
        """Score each video on its own."""
        return {v.video_id: score_outputs(v.predicted, v.gold, self.outputs) for v in self.videos}

    def by_subject(self) -> dict[str, dict[str, Scores]]:
        """Score the frames of each subject together."""
        rows: dict[str, list[VideoPrediction]] = {}
        for video in self.videos:
            rows.setdefault(video.subject, []).append(video)
        return {
            subject: score_outputs(
                np.concatenate([v.predicted for v in videos]),
                np.concatenate([v.gold for v in videos]),
                self.outputs,
            )
            for subject, videos in sorted(rows.items())
        }


@torch.inference_mode()
def evaluate(
    network: Network,
    info: CheckpointInfo,
    store: ClipStore,
    *,
    split: Split = "test",
    stride_frames: int | None = None,
    knock_out: KnockOut | None = None,
    batch_size: int = 8,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Predict every frame of a split.

    Parameters
    ----------
    network : Network
        On the device to use.
    info : CheckpointInfo
    store : ClipStore
    split : {"train", "validation", "test"}
    stride_frames : int, optional
        Between clips; half a clip by default, the paper's overlap of 8.
    knock_out : str, optional
        See `model.knock_out`.

    Raises
    ------
    ModelError
        The split has no clip that shows a face, or the store lacks a modality.
    """
    config = info.model
    check_knock_out(knock_out, config)
    dataset = ClipDataset(
        store,
        config,
        split=split,
        stride_frames=stride_frames or max(1, config.clip_length // 2),
        min_valid_share=info.train.min_valid_share,
        labelled=False,
    )
    if not len(dataset):
        raise ModelError(
            f"{store.path.name} has no clip of {config.clip_length} frames with a face in its "
            f"{split} split ({dataset.n_without_face} left out)",
            remedy="choose another --split",
        )
    network.eval()
    runner = _Runner(network, info, dataset, knock_out, batch_size)
    if knock_out == "mean-attention":
        runner.replacement = runner.mean_attention()
    predicted = np.empty((len(dataset), len(config.outputs)), np.float32)
    maps = np.empty((len(dataset), config.input_px, config.input_px), np.float32)
    wanted = _example_clips(dataset, store)
    middle = config.clip_length // 2
    shown: dict[int, NDArray[np.float32]] = {}
    for rows, prediction in runner.batches():
        predicted[rows] = prediction.score.cpu().numpy()
        density = _density(prediction, config)
        maps[rows] = density.mean(0)[:, 0].cpu().numpy()
        for position, row in enumerate(rows):
            if row in wanted:
                shown[row] = density[middle, position, 0].cpu().numpy()
        if on_progress is not None:
            on_progress(rows[-1] + 1, len(dataset))
    return Evaluation(
        outputs=config.outputs,
        videos=tuple(_videos(store, dataset, predicted, config)),
        examples=tuple(
            _example(store, dataset, row, attention, predicted, middle, config)
            for row, attention in shown.items()
        ),
        n_clips=len(dataset),
        n_without_face=dataset.n_without_face,
        attention_contrast=float(maps.std((1, 2)).mean()),
        attention_between_clips=float(maps.std(0).mean()),
    )


class _Runner:
    """Runs the network over all clips, with one thing knocked out where that is asked for."""

    def __init__(
        self,
        network: Network,
        info: CheckpointInfo,
        dataset: ClipDataset,
        knock_out: KnockOut | None,
        batch_size: int,
    ) -> None:
        self._network, self._info, self._dataset = network, info, dataset
        self._knock_out, self._batch_size = knock_out, batch_size
        self._device = next(network.parameters()).device
        self._partners: list[int] | None = None
        if knock_out == "shuffle-guides":
            self._partners = guide_partners(len(dataset))
        self.replacement: Tensor | None = None

    def batches(self) -> Iterator[tuple[list[int], Prediction]]:
        for start in range(0, len(self._dataset), self._batch_size):
            rows = list(range(start, min(start + self._batch_size, len(self._dataset))))
            yield rows, self._predict(self._clips(rows))

    def mean_attention(self) -> Tensor:
        """Average the attention over all clips and steps, (1, 1, 1, h, w)."""
        total: Tensor | None = None
        for rows, prediction in self.batches():
            if prediction.attention is None:
                raise ModelError(f"a {self._info.model.architecture} has no attention")
            part = prediction.attention.mean(0).sum(0) / len(self._dataset)
            total = part if total is None else total + part
            del rows
        if total is None:
            raise ModelError("no clip to average the attention of")
        return total[None, None]

    def _clips(self, rows: list[int]) -> dict[str, Tensor]:
        config = self._info.model
        samples = [self._dataset[row] for row in rows]
        if self._partners is not None:
            for row, sample in zip(rows, samples, strict=True):
                partner = self._dataset[self._partners[row]]
                sample.crops.update({name: partner.crops[name] for name in config.guides})
        crops = {name: x.to(self._device) for name, x in collate(samples).crops.items()}
        clips = prepare(crops, config, self._info.stats)
        return zero_guides(clips, config) if self._knock_out == "zero-guides" else clips

    def _predict(self, clips: dict[str, Tensor]) -> Prediction:
        prediction: Prediction = self._network(clips)
        target = clips[self._info.model.target]
        if not isinstance(self._network, AttentionNetwork):
            # Without attention no pixel is preferred.
            return Prediction(prediction.score, torch.ones_like(target[:, :, :1]))
        if self._knock_out == "uniform-attention":
            attention = uniform_attention(target[:, :, :1], self._info.model)
        elif self.replacement is not None:
            attention = self.replacement.expand_as(target[:, :, :1])
        else:
            return prediction
        return Prediction(self._network.recognise(target, attention), attention)


def _density(prediction: Prediction, config: ModelConfig) -> Tensor:
    """Scale attention so that 1 is uniform."""
    attention = prediction.attention
    if attention is None:
        raise ModelError(f"a {config.architecture} has no attention")
    pixels = attention.shape[-1] * attention.shape[-2]
    return attention * pixels if config.attention == "literal" else attention


def _videos(
    store: ClipStore, dataset: ClipDataset, predicted: NDArray[np.float32], config: ModelConfig
) -> Iterator[VideoPrediction]:
    by_video: dict[str, list[int]] = {}
    for row, ref in enumerate(dataset.clips):
        by_video.setdefault(ref.video_id, []).append(row)
    for video_id, rows in by_video.items():
        n_frames = store.videos[video_id].n_frames
        starts = [dataset.clips[row].start for row in rows]
        frames, n_interpolated = average_clips(
            predicted[rows], starts, n_frames=n_frames, clip_length=config.clip_length
        )
        yield VideoPrediction(
            video_id=video_id,
            subject=store.videos[video_id].subject,
            time_s=store.time_ns(video_id) / 1e9,
            gold=frame_labels(store, video_id, config.outputs),
            predicted=frames,
            n_interpolated=n_interpolated,
        )


def average_clips(
    scores: NDArray[np.float32], starts: list[int], *, n_frames: int, clip_length: int
) -> tuple[NDArray[np.float32], int]:
    """Spread clip scores over their frames and average where clips overlap.

    Frames that no clip covers take the value interpolated between their neighbours, or the
    nearest one at either end.

    Parameters
    ----------
    scores : (M, K) float32, M >= 1
    starts : list of int

    Returns
    -------
    (n_frames, K) float32, and the number of frames that no clip covers
    """
    total = np.zeros((n_frames, scores.shape[1]), np.float64)
    count = np.zeros(n_frames, np.int64)
    for value, start in zip(scores, starts, strict=True):
        total[start : start + clip_length] += value
        count[start : start + clip_length] += 1
    covered = np.flatnonzero(count)
    known = total[covered] / count[covered, None]
    rows = np.arange(n_frames)
    filled = np.stack([np.interp(rows, covered, column) for column in known.T], 1)
    return filled.astype(np.float32), n_frames - len(covered)


def _example_clips(dataset: ClipDataset, store: ClipStore) -> set[int]:
    """Choose clips of different subjects, then more, in a fixed order."""
    subjects = [store.videos[ref.video_id].subject for ref in dataset.clips]
    seen: dict[str, int] = {}
    ranks = []
    for row, subject in enumerate(subjects):
        seen[subject] = seen.get(subject, -1) + 1
        ranks.append((seen[subject], row))
    return {row for _, row in sorted(ranks)[:_MAX_EXAMPLES]}


def _example(
    store: ClipStore,
    dataset: ClipDataset,
    row: int,
    attention: NDArray[np.float32],
    predicted: NDArray[np.float32],
    middle: int,
    config: ModelConfig,
) -> AttentionExample:
    ref = dataset.clips[row]
    crops = dataset[row].crops
    return AttentionExample(
        video_id=ref.video_id,
        subject=store.videos[ref.video_id].subject,
        frame=ref.start + middle,
        crops={name: crops[name][middle].numpy() for name in config.modalities},
        attention=attention,
        gold=float(dataset.labels[row, 0]),
        predicted=float(predicted[row, 0]),
    )
