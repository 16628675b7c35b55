"""Scoring predictions that somebody else's software made, on the same terms as our own."""

import warnings
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mavfer.splits import Split
from mavfer.store import ClipStore
from mavfer.store_schema import Dimension

from .config import DIMENSIONS
from .errors import ModelError, ModelWarning
from .evaluation import Evaluation, VideoPrediction
from .groups import frame_groups
from .predictions_file import ForeignTrace

_FARTHEST_FRAMES = 1.0
"""A prediction farther from a frame than the frames are from each other is none of that frame."""


def evaluate_foreign(
    predictions: Mapping[str, Mapping[str, ForeignTrace]],
    store: ClipStore,
    *,
    split: Split = "test",
    groups: Mapping[str, Mapping[str, str]] | None = None,
) -> Evaluation:
    """Bring predictions to the frames of the store's videos and compare them with gold.

    Frames get the value interpolated in time; those farther than one frame from any prediction
    count as interpolated.

    Parameters
    ----------
    predictions : mapping of dimension to mapping of video id to ForeignTrace
        `model.predictions_file.read_predictions`.

    Raises
    ------
    ModelError
        No dimension of the store, a video of the split without predictions, or with predictions
        of which most lie before its first or after its last frame.

    Warns
    -----
    ModelWarning
        Values beyond -1 to 1. They are scored as they are.
    """
    outputs = tuple(name for name in DIMENSIONS if name in predictions)
    if not outputs:
        raise ModelError(
            f"predictions of {', '.join(sorted(predictions)) or 'nothing'}, expected "
            f"{' or '.join(DIMENSIONS)}",
            remedy="name the dimension in the column dimension",
        )
    members = [video for video in store.videos.values() if video.split == split]
    if not members:
        raise ModelError(f"{store.path.name} has no {split} split", remedy="choose another --split")
    videos = []
    for video in members:
        missing = [name for name in outputs if video.id not in predictions[name]]
        if missing:
            known = sorted(predictions[missing[0]])
            raise ModelError(
                f"no {missing[0]} predictions of video {video.id} of the {split} split; there are "
                f"{len(known)} videos, {', '.join(known[:3])} …",
                remedy="predict every video of the split, or choose another --split",
            )
        time_ns = store.time_ns(video.id)
        step_ns = float(np.median(np.diff(time_ns))) if len(time_ns) > 1 else 1e9
        columns, far = [], np.zeros(len(time_ns), np.bool_)
        for name in outputs:
            trace = predictions[name][video.id]
            own = trace.time_ns.astype(np.float64)
            _check_times(own, time_ns, step_ns, video.id)
            columns.append(np.interp(time_ns.astype(np.float64), own, trace.value))
            after = np.searchsorted(trace.time_ns, time_ns).clip(0, len(own) - 1)
            gap = np.minimum(
                np.abs(time_ns - trace.time_ns[after]),
                np.abs(time_ns - trace.time_ns[np.maximum(after - 1, 0)]),
            )
            far |= gap > _FARTHEST_FRAMES * step_ns
        videos.append(
            VideoPrediction(
                video_id=video.id,
                subject=video.subject,
                time_ns=time_ns,
                gold=np.stack(
                    [store.labels(video.id, cast(Dimension, name)) for name in outputs], 1
                ),
                predicted=np.stack(columns, 1).astype(np.float32),
                interpolated=far,
                n_without_face=int((~store.valid(video.id)["face"]).sum()),
            )
        )
    _warn_of_range(videos)
    return Evaluation(
        outputs=outputs,
        videos=tuple(videos),
        clip_length=1,
        groups=frame_groups(store, groups),
    )


def _check_times(
    own_ns: NDArray[np.float64], time_ns: NDArray[np.int64], step_ns: float, video_id: str
) -> None:
    """Refuse times that cannot be those of the video: milliseconds, a clock of its own."""
    inside = (own_ns >= time_ns[0] - step_ns) & (own_ns <= time_ns[-1] + step_ns)
    if 2 * inside.sum() < len(own_ns):
        raise ModelError(
            f"{video_id}: predictions from {own_ns[0] / 1e9:.10g} to {own_ns[-1] / 1e9:.10g} s, "
            f"frames from {time_ns[0] / 1e9:.10g} to {time_ns[-1] / 1e9:.10g} s",
            remedy="give time_s in seconds since the video's start, or time_ns in nanoseconds",
        )


def _warn_of_range(videos: Sequence[VideoPrediction]) -> None:
    predicted = np.concatenate([video.predicted.ravel() for video in videos])
    beyond = int((np.abs(predicted) > 1).sum())
    if beyond:
        warnings.warn(
            f"{beyond} of {predicted.size} predictions lie beyond -1 to 1, as far as "
            f"{predicted[np.abs(predicted).argmax()]:.3g}: scored as they are",
            ModelWarning,
            stacklevel=3,
        )
