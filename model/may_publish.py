"""Whose pictures may be shown to anyone."""

from datetime import date

from mavfer.consent import refusal
from mavfer.sim_pipeline import dataset_of
from mavfer.store import ClipStore
from mavfer.store_schema import VideoInfo


def may_publish(video: VideoInfo) -> bool:
    """Whether the subject agreed that pictures are shown to anyone."""
    today = date.today()  # noqa: DTZ011 - the subject's calendar day
    return refusal(video.consent, "publish", today=today) is None


def publishable_videos(store: ClipStore) -> frozenset[str]:
    """Return the videos of which pictures may be shown to anyone.

    The people of a simulated dataset are drawn: nobody has to agree.
    """
    drawn = dataset_of(store.path) is not None
    return frozenset(name for name, video in store.videos.items() if drawn or may_publish(video))
