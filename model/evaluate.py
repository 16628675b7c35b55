"""Evaluation as in section V.A: overlapping clips, their scores averaged frame by frame."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from capture.terminal import OnProgress
from mavfer.splits import Split
from mavfer.store import ClipStore

from .attention_watch import AttentionWatch
from .checkpoint import CheckpointInfo
from .config import ModelConfig
from .data import ClipDataset, collate, frame_labels
from .errors import ModelError, NoClipsError
from .evaluation import Evaluation, VideoPrediction
from .groups import frame_groups
from .knock_out import KnockOut, blank, partners, uniform_attention
from .prediction import AttentionNetwork, Network, Prediction
from .preprocess import prepare


@torch.inference_mode()
def evaluate(
    network: Network,
    info: CheckpointInfo,
    store: ClipStore,
    *,
    split: Split | None = "test",
    subjects: Collection[str] | None = None,
    stride_frames: int | None = None,
    knock_out: KnockOut | None = None,
    batch_size: int = 8,
    groups: Mapping[str, Mapping[str, str]] | None = None,
    show: Collection[str] | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Predict every frame of a split.

    Parameters
    ----------
    network : Network
        On the device to use.
    info : CheckpointInfo
    store : ClipStore
    split : {"train", "validation", "test"}, optional
        None: all videos.
    subjects : collection of str, optional
        Only these of the split.
    stride_frames : int, optional
        Between clips; half a clip by default, the paper's overlap of 8.
    knock_out : KnockOut, optional
    groups : mapping of str to mapping of video id to str, optional
        Further tables, beside the one by light (`model.groups`).
    show : collection of str, optional
        Videos of which pictures may be kept as examples; None: any.

    Raises
    ------
    NoClipsError
        The split has no clip that shows a face.
    ModelError
        The store lacks a modality.
    """
    config = info.model
    knock_out = knock_out or KnockOut()
    knock_out.check(config)
    dataset = ClipDataset(
        store,
        config,
        split=split,
        subjects=subjects,
        stride_frames=max(1, config.clip_length // 2) if stride_frames is None else stride_frames,
        min_valid_share=info.train.min_valid_share,
        labelled=False,
    )
    if not len(dataset):
        raise NoClipsError(
            f"{store.path.name} has no clip of {config.clip_length} frames with a face in its "
            f"{split or 'videos'} split ({dataset.n_without_face} without, "
            f"{len(dataset.videos)} videos)",
            remedy="choose another --split, or a network of shorter clips",
        )
    network.eval()
    runner = _Runner(network, info, dataset, knock_out, batch_size)
    if knock_out.attention == "mean":
        runner.replacement = runner.mean_attention()
    shape = (config.clip_length,) if config.label == "frames" else ()
    predicted = np.empty((len(dataset), *shape, config.n_scores), np.float32)
    watch = AttentionWatch(dataset, store, config, show) if config.facts.attention else None
    for rows, prediction in runner.batches():
        predicted[rows] = prediction.score.cpu().numpy()
        if watch is not None and prediction.attention is not None:
            watch.see(rows, prediction.attention)
        if on_progress is not None:
            on_progress(rows[-1] + 1, len(dataset))
    videos = tuple(predictions_of_videos(store, dataset, predicted, config))
    return Evaluation(
        outputs=config.outputs,
        categories=config.categories,
        videos=videos,
        clip_length=config.clip_length,
        examples=watch.examples() if watch else (),
        n_clips=len(dataset),
        n_without_face=dataset.n_without_face,
        left_out=tuple(sorted(set(dataset.videos) - {video.video_id for video in videos})),
        attention_contrast=watch.contrast if watch else None,
        attention_between_clips=watch.between_clips if watch else None,
        attention_regions=watch.regions if watch else None,
        groups=frame_groups(store, groups),
    )


class _Runner:
    """Runs the network over all clips, with something knocked out where that is asked for."""

    def __init__(
        self,
        network: Network,
        info: CheckpointInfo,
        dataset: ClipDataset,
        knock_out: KnockOut,
        batch_size: int,
    ) -> None:
        self._network, self._info, self._dataset = network, info, dataset
        self._knock_out, self._batch_size = knock_out, batch_size
        parameter = next(network.parameters(), None)
        self._device = torch.device("cpu") if parameter is None else parameter.device
        self._shuffled = knock_out.shuffled(info.model)
        self._partners = partners(len(dataset)) if self._shuffled else []
        self.replacement: Tensor | None = None

    def batches(self) -> Iterator[tuple[list[int], Prediction]]:
        for start in range(0, len(self._dataset), self._batch_size):
            rows = list(range(start, min(start + self._batch_size, len(self._dataset))))
            yield rows, self._predict(self._clips(rows))

    def mean_attention(self) -> Tensor:
        """Average the attention over all clips and steps, (1, 1, 1, h, w)."""
        total: Tensor | None = None
        for _, prediction in self.batches():
            if prediction.attention is None:
                raise ModelError(f"a {self._info.model.architecture} has no attention")
            part = prediction.attention.mean(0).sum(0) / len(self._dataset)
            total = part if total is None else total + part
        if total is None:
            raise ModelError("no clip to average the attention of")
        return total[None, None]

    def _clips(self, rows: list[int]) -> dict[str, Tensor]:
        config = self._info.model
        samples = [self._dataset[row] for row in rows]
        for row, sample in zip(rows, samples, strict=True) if self._shuffled else ():
            partner = self._dataset[self._partners[row]]
            sample.crops.update({name: partner.crops[name] for name in self._shuffled})
        crops = {name: x.to(self._device) for name, x in collate(samples).crops.items()}
        clips = prepare(crops, config, self._info.stats)
        return blank(clips, self._knock_out.blanked(config))

    def _predict(self, clips: dict[str, Tensor]) -> Prediction:
        config = self._info.model
        if not isinstance(self._network, AttentionNetwork):
            prediction: Prediction = self._network(clips)
            return prediction
        target = clips[config.target]
        if self._knock_out.attention == "uniform":
            attention = uniform_attention(target[:, :, :1], config)
        elif self.replacement is not None:
            attention = self.replacement.expand_as(target[:, :, :1])
        else:
            attention = self._network.attend(clips)
        return Prediction(self._network.recognise(clips, attention), attention)


def predictions_of_videos(
    store: ClipStore, dataset: ClipDataset, predicted: NDArray[np.float32], config: ModelConfig
) -> Iterator[VideoPrediction]:
    """Bring the scores of clips, in the dataset's order, to the frames of its videos."""
    by_video: dict[str, list[int]] = {}
    for row, ref in enumerate(dataset.clips):
        by_video.setdefault(ref.video_id, []).append(row)
    for video_id, clips in by_video.items():
        table = dataset.videos[video_id]
        starts = [dataset.clips[row].start for row in clips]
        values, known = average_clips(
            spread(predicted[clips], config), starts, usable=table.usable["face"]
        )
        time_ns = store.time_ns(video_id)
        frames, filled = onto_frames(values, known, table.rows, time_ns)
        without_face = ~store.valid(video_id)["face"]
        yield VideoPrediction(
            video_id=video_id,
            subject=store.videos[video_id].subject,
            time_ns=time_ns,
            gold=frame_labels(store, video_id, config),
            predicted=frames,
            interpolated=filled | without_face,
            n_without_face=int(without_face.sum()),
        )


def spread(scores: NDArray[np.float32], config: ModelConfig) -> NDArray[np.float32]:
    """Give clip scores (M, K) or (M, T, K) to the frames they stand for: (M, T, K), NaN elsewhere.

    A score for the last or the middle frame says nothing about the others.
    """
    if config.label == "frames":
        return scores
    length = config.clip_length
    repeated = np.repeat(scores[:, None], length, 1)
    if config.label in ("last", "center"):
        stands_for = length - 1 if config.label == "last" else length // 2
        others = np.arange(length) != stands_for
        repeated[:, others] = np.nan
    return repeated


def average_clips(
    scores: NDArray[np.float32], starts: list[int], *, usable: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Average the scores of clips where they overlap.

    Parameters
    ----------
    scores : (M, T, K) float32
        NaN where a clip says nothing about a frame.
    starts : list of int
        First row of every clip.
    usable : (N,) bool
        Rows that show a face; others keep no prediction.

    Returns
    -------
    (N, K) float64, NaN where there is no prediction, and (N,) bool, where there is one
    """
    length, n_columns = scores.shape[1:]
    total = np.zeros((len(usable), n_columns), np.float64)
    count = np.zeros(len(usable), np.int64)
    for clip, start in zip(scores, starts, strict=True):
        said = np.isfinite(clip).all(-1)
        total[start : start + length] += np.where(said[:, None], clip, 0)
        count[start : start + length] += said
    known = (count > 0) & usable
    if not known.any():  # labels of one frame a clip, and a face in none of those
        known = count > 0
    values = np.full_like(total, np.nan)
    values[known] = total[known] / count[known, None]
    return values, known


def onto_frames(
    values: NDArray[np.float64],
    known: NDArray[np.bool_],
    rows: NDArray[np.int64],
    time_ns: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Interpolate predictions of some rows, linearly in time, to all frames of a video.

    Before the first and after the last prediction the nearest one is held.

    Parameters
    ----------
    values : (M, K) float64
    known : (M,) bool
    rows : (M,) int64
        Frames that `values` belong to.
    time_ns : (N,) int64

    Returns
    -------
    (N, K) float32, and (N,) bool: frames whose nearest row had no prediction
    """
    own_ns = time_ns[rows]
    at, targets = own_ns[known].astype(np.float64), time_ns.astype(np.float64)
    frames = np.stack([np.interp(targets, at, column) for column in values[known].T], 1)
    after = np.searchsorted(own_ns, time_ns).clip(0, len(own_ns) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(time_ns - own_ns[before] < own_ns[after] - time_ns, before, after)
    return frames.astype(np.float32), ~known[nearest]
