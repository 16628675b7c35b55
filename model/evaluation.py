"""What an evaluation found, frame by frame, and how it is scored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .config import CATEGORY
from .groups import FrameGroups
from .post_processing import PostProcessing
from .scores import Scores, confusion, score, score_categories

Table = dict[str, dict[str, Scores]]
"""Scores by group and output."""


@dataclass(frozen=True, slots=True, eq=False)
class VideoPrediction:
    """Frame-wise predictions of one video.

    Attributes
    ----------
    video_id, subject : str
    time_ns : (N,) int64
        Since the video's start.
    gold : (N, K) float32
        A column for each output, NaN where there is no label; of categories their number.
    predicted : (N, K) float32
        A column for each output, or the logits of the categories.
    interpolated : (N,) bool
        Frames without a prediction of their own, filled from their neighbours in time.
    n_without_face : int
        Frames among them that the face detector missed.
    """

    video_id: str
    subject: str
    time_ns: NDArray[np.int64]
    gold: NDArray[np.float32]
    predicted: NDArray[np.float32]
    interpolated: NDArray[np.bool_]
    n_without_face: int = 0

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Time since the video's start, s."""
        return self.time_ns / 1e9

    def frames(self, chosen: NDArray[np.bool_]) -> "VideoPrediction":
        """Return the video with some of its frames, `chosen` (N,), only."""
        return replace(
            self,
            time_ns=self.time_ns[chosen],
            gold=self.gold[chosen],
            predicted=self.predicted[chosen],
            interpolated=self.interpolated[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class AttentionExample:
    """A video with the attention that its frames got.

    Attributes
    ----------
    video_id, subject : str
    rows : (M,) int64
        Rows of the video.
    crops : (M, H, W[, 3]) array, as stored
        Of the modality that carries the features.
    modality : str
    attention : (M, h, w) float32
        1 = as much as with uniform attention.
    """

    video_id: str
    subject: str
    rows: NDArray[np.int64]
    crops: NDArray[Any]
    modality: str
    attention: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What an evaluation found.

    Attributes
    ----------
    outputs : tuple of str
        Dimensions, or ``category``.
    categories : tuple of str
    videos : tuple of VideoPrediction
    examples : tuple of AttentionExample
        At most four, of different subjects as far as they go; empty without attention.
    clip_length : int
    n_clips, n_without_face : int
        Clips predicted, and left out because too few frames show a face.
    left_out : tuple of str
        Videos of the split that are not scored: shorter than a clip, or no clip shows a face.
    attention_contrast : float or None
        Mean over clips of the sd of the attention over pixels (uniform = 1).
    attention_between_clips : float or None
        Mean over pixels of the sd between clips: near 0, every clip gets the same mask.
    attention_regions : mapping of str to float or None
        Mean attention in mouth, eyes, nose and rim (`model.face_regions`), uniform = 1; None
        where there is no attention or the landmarks do not tell.
    groups : mapping of str to mapping of video id to (N,) str
        Other ways to put frames together, as ``light``: the group of each, empty for none.
    """

    outputs: tuple[str, ...]
    videos: tuple[VideoPrediction, ...]
    clip_length: int
    categories: tuple[str, ...] = ()
    examples: tuple[AttentionExample, ...] = ()
    n_clips: int = 0
    n_without_face: int = 0
    left_out: tuple[str, ...] = ()
    attention_contrast: float | None = None
    attention_between_clips: float | None = None
    attention_regions: Mapping[str, float | None] | None = None
    groups: FrameGroups = field(default_factory=dict)

    @property
    def categorical(self) -> bool:
        """Whether predictions are logits of categories."""
        return self.outputs == (CATEGORY,)

    def post_processed(self, chain: Mapping[str, PostProcessing]) -> "Evaluation":
        """Return the same evaluation with predictions after smoothing, centring and scaling."""
        videos = []
        for video in self.videos:
            columns = [
                chain[name].apply(video.predicted[:, k], video.time_ns)
                if name in chain
                else video.predicted[:, k]
                for k, name in enumerate(self.outputs)
            ]
            videos.append(replace(video, predicted=np.stack(columns, 1).astype(np.float32)))
        return replace(self, videos=tuple(videos))

    def pooled(self) -> dict[str, Scores]:
        """Score all frames of all videos together, by output: the headline.

        A video has one category: the largest of its averaged logits.
        """
        return self._score(self.videos)

    def by_video(self) -> Table:
        """Score each video on its own."""
        return {v.video_id: self._score([v]) for v in self.videos}

    def by_subject(self) -> Table:
        """Score the frames of each subject together."""
        everywhere = {v.video_id: np.full(len(v.predicted), v.subject) for v in self.videos}
        return self._grouped(everywhere)

    def by_group(self) -> dict[str, Table]:
        """Score the frames of each light, and of whatever else frames are grouped by."""
        return {name: self._grouped(members) for name, members in self.groups.items()}

    def over_videos(self, output: str) -> tuple[Scores, Scores]:
        """Return mean and sd of each metric over the videos in which it is defined.

        Videos of a single clip have one prediction, which agrees with no trace: left out.
        """
        longer = [v for v in self.videos if len(v.predicted) > self.clip_length]
        rows = [self._score([v])[output] for v in longer]
        means: Scores = {"n": len(rows)}
        spreads: Scores = {"n": len(rows)}
        for name in ("rmse", "cc", "ccc", "sd") if not self.categorical else ("accuracy",):
            known = [value for row in rows if (value := row[name]) is not None]
            means[name] = float(np.mean(known)) if known else None
            spreads[name] = float(np.std(known)) if known else None
        return means, spreads

    def confusion(self) -> NDArray[np.int64]:
        """Count videos by gold and predicted category, (K, K)."""
        logits, gold = _of_videos(self.videos)
        return confusion(logits, gold)

    def _grouped(self, members: Mapping[str, NDArray[np.str_]]) -> Table:
        groups: dict[str, list[VideoPrediction]] = {}
        for video in self.videos:
            names = members.get(video.video_id, np.empty(0, np.str_))
            for name in sorted(set(names.tolist()) - {""}):
                groups.setdefault(name, []).append(video.frames(names == name))
        return {name: self._score(videos) for name, videos in sorted(groups.items())}

    def _score(self, videos: Iterable[VideoPrediction]) -> dict[str, Scores]:
        videos = list(videos)
        if self.categorical:
            return {CATEGORY: score_categories(*_of_videos(videos))}
        predicted = np.concatenate([v.predicted for v in videos])
        gold = np.concatenate([v.gold for v in videos])
        return {name: score(predicted[:, k], gold[:, k]) for k, name in enumerate(self.outputs)}


def _of_videos(
    videos: Iterable[VideoPrediction],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average the logits of each video, (V, K), and take its category, (V,)."""
    videos = list(videos)
    logits = np.array([v.predicted.mean(0, dtype=np.float64) for v in videos])
    return logits, np.array([float(v.gold[0, 0]) for v in videos])
