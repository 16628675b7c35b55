"""What can be reached with one score a clip, by a network that errs about none of them."""

from mavfer.splits import Split
from mavfer.store import ClipStore

from .config import ModelConfig
from .data import ClipDataset
from .evaluate import predictions_of_videos
from .evaluation import Evaluation
from .scores import Scores


def clip_ceiling(store: ClipStore, config: ModelConfig, *, split: Split = "test") -> Scores | None:
    """Score the labels of the clips themselves as predictions of their frames.

    Longer clips tell less about a frame, whatever network reads them: a comparison of lengths is
    to be read against this.

    Parameters
    ----------
    store : ClipStore
    config : ModelConfig
        Its first output is scored.
    split : {"train", "validation", "test"}

    Returns
    -------
    Scores or None
        All frames pooled; None where no clip of the split has a label.
    """
    dataset = ClipDataset(
        store,
        config,
        split=split,
        stride_frames=max(1, config.clip_length // 2),
        min_valid_share=0.0,
    )
    if not len(dataset):
        return None
    videos = tuple(predictions_of_videos(store, dataset, dataset.labels, config))
    found = Evaluation(outputs=config.outputs, videos=videos, clip_length=config.clip_length)
    return found.pooled()[config.outputs[0]]
