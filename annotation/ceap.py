"""Continuous annotations of the CEAP-360VR set: JSON, one file a rater, all videos in it.

Each file holds ``ContinuousAnnotation_RawData``: raters, their videos, and samples of a joystick
at some 10 Hz with irregular times, x for valence and y for arousal (Xue et al., "CEAP-360VR",
IEEE Transactions on Multimedia 2021).
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from .errors import AnnotationError
from .strict_csv import MAX_TIME_S, NS_PER_S
from .strict_json import expect_list, expect_name, expect_number, expect_object, read_json
from .trace import Trace

_ROOT = "ContinuousAnnotation_RawData"
_SAMPLES = "TimeStamp_Xvalue_Yvalue"


def load_ceap(path: Path) -> tuple[Trace, ...]:
    """Read one file of raw annotations completely or refuse it.

    Returns
    -------
    tuple of Trace
        Valence and arousal of every video, as the joystick gave them: about -1 to 1, its corners
        reach some 1.1.

    Raises
    ------
    AnnotationError
        Missing, no valid JSON, another layout, times that do not increase, values that are no
        numbers; names file, rater and video.
    """
    path = Path(path)
    document = expect_object(read_json(path), f"{path}: the file")
    if _ROOT not in document:
        raise AnnotationError(f"{path} has no {_ROOT!r}, expected CEAP-360VR's raw annotations")
    found: dict[tuple[str, str], tuple[Trace, Trace]] = {}
    for entry in expect_list(document[_ROOT], f"{path}: {_ROOT}"):
        rated = expect_object(entry, f"{path}: {_ROOT}")
        rater = expect_name(rated.get("ParticipantID"), f"{path}: ParticipantID")
        place = f"{path}: {rater}"
        for video in expect_list(rated.get("Video_Annotation_RawData"), place):
            described = expect_object(video, place)
            session = expect_name(described.get("VideoID"), f"{place}: VideoID")
            if (rater, session) in found:
                raise AnnotationError(f"{place} has video {session} twice")
            samples = expect_list(described.get(_SAMPLES), f"{place}: video {session}")
            found[rater, session] = _traces(session, rater, samples, f"{place}: video {session}")
    if not found:
        raise AnnotationError(f"{path} holds no ratings")
    return tuple(trace for pair in found.values() for trace in pair)


def _traces(session: str, rater: str, samples: list[Any], place: str) -> tuple[Trace, Trace]:
    if not samples:
        raise AnnotationError(f"{place} has no samples")
    table = [
        [
            expect_number(expect_object(sample, f"{place}: sample {i}").get(key), f"{place}: {key}")
            for key in ("TimeStamp", "X_Value", "Y_Value")
        ]
        for i, sample in enumerate(samples)
    ]
    for (earlier, *_), (later, *_) in pairwise(table):
        if later <= earlier:
            raise AnnotationError(f"{place}: the time {later:g} s follows {earlier:g} s")
    seconds, valence, arousal = np.array(table).T
    if seconds[0] < 0 or seconds[-1] > MAX_TIME_S:
        raise AnnotationError(
            f"{place}: times from {seconds[0]:g} to {seconds[-1]:g} s, expected 0 to "
            f"{MAX_TIME_S:.0f}"
        )
    time_ns = np.round(seconds * NS_PER_S).astype(np.int64)
    return (
        Trace(session, rater, "valence", time_ns, valence),
        Trace(session, rater, "arousal", time_ns, arousal),
    )
