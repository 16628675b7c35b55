"""Whether labels can be about their videos at all: a wrong unit of time mislabels every frame."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from annotation.labels import Labels, SessionLabels

from ..durations import film_s
from ..errors import DatasetError
from .corpus import CorpusVideo

_LEAST_SHARE = 0.1
_MOST_TIMES, _SLACK_S = 3.0, 2.0
"""Frame numbers or milliseconds taken for seconds are 10 to 1000 times too long."""


def check_spans(gold: Labels, videos: Iterable[CorpusVideo], *, whole: bool) -> list[str]:
    """Compare how long labels go on with how long their video is, as its header says.

    Parameters
    ----------
    whole : bool
        Labels are known to cover their videos: a tenth of one is an error, not a remark.

    Returns
    -------
    list of str
        Remarks. Videos that cannot be opened are left to whoever builds from them.

    Raises
    ------
    DatasetError
        Labels go on far longer than their video, or cover next to nothing of it.
    """
    remarks = []
    for video in videos:
        duration_s = film_s(video.path) if video.id in gold else None
        if duration_s is None:
            continue  # images have the times of their numbers, and so have their labels
        known_s = _known_s(gold.sessions[video.id])
        if not len(known_s):
            continue
        if known_s[-1] > _MOST_TIMES * duration_s + _SLACK_S:
            raise DatasetError(
                f"the labels of {video.id} go on to {known_s[-1]:g} s, the video {video.path.name} "
                f"ends at {duration_s:.1f} s",
                remedy="label times are seconds, not milliseconds or frames; or the labels are "
                "another video's",
            )
        covered_s = min(known_s[-1], duration_s) - known_s[0]
        if covered_s < _LEAST_SHARE * duration_s:
            told = (
                f"the labels of {video.id} cover {max(covered_s, 0.0):.1f} s of "
                f"{duration_s:.1f} s of video"
            )
            if whole:
                raise DatasetError(
                    told, remedy="check the unit of their times, or copy the file again"
                )
            remarks.append(told)
    return remarks


def _known_s(labels: SessionLabels) -> NDArray[np.float64]:
    known = np.isfinite(labels.valence) | np.isfinite(labels.arousal)
    return np.asarray(labels.time_ns[known] / 1e9, np.float64)
