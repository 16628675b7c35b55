"""Attention over time as a film: the face, what is attended to, and the traces as they grow."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from capture.files import atomic_output
from mavfer.derived import mark_of

from .evaluation import AttentionExample, Evaluation, VideoPrediction
from .figures import attention_peak, picture

_FACE_PX = 288
_STRIP_PX = 96
_MARGIN_PX = 14
_ALPHA = 0.5
_TIME_BASE_HZ = 1000
_GOLD_RGB, _PREDICTED_RGB, _INK_RGB = (200, 64, 44), (43, 95, 168), (60, 60, 60)
_LEAST_MS = 1

Picture = NDArray[np.uint8]


def write_attention_film(evaluation: Evaluation, path: Path, *, overwrite: bool) -> None:
    """Write an H.264 MP4 of the examples, one after the other, at the speed they were recorded.

    Parameters
    ----------
    evaluation : Evaluation
        With at least one example.
    """
    with (
        atomic_output(path, overwrite=overwrite) as partial,
        av.open(str(partial), "w", format="mp4") as film,
    ):
        shown = (example.video_id for example in evaluation.examples)
        film.metadata["comment"] = mark_of(shown)
        stream = film.add_stream("libx264", rate=Fraction(_TIME_BASE_HZ))
        stream.width, stream.height = 2 * _FACE_PX, _FACE_PX + _STRIP_PX
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TIME_BASE_HZ)
        stream.options = {"crf": "23", "preset": "veryfast"}
        for at_ms, image in _frames(evaluation):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = at_ms, Fraction(1, _TIME_BASE_HZ)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())


def _frames(evaluation: Evaluation) -> Iterator[tuple[int, Picture]]:
    peak = attention_peak(evaluation.examples)
    videos = {video.video_id: video for video in evaluation.videos}
    start_ms = 0
    for example in evaluation.examples:
        video = videos[example.video_id]
        times_ms = (video.time_ns[example.rows] - video.time_ns[example.rows[0]]) // 1_000_000
        step_ms = int(np.median(np.diff(times_ms))) if len(times_ms) > 1 else 250
        strip = _strip(video, evaluation)
        for index, time_ms in enumerate(times_ms):
            yield start_ms + int(time_ms), _drawn(example, index, peak, video, strip, evaluation)
        # The last picture stays for a frame, then the next subject comes.
        start_ms += int(times_ms[-1]) + max(_LEAST_MS, step_ms)
        yield start_ms, _drawn(example, len(times_ms) - 1, peak, video, strip, evaluation)
        start_ms += _LEAST_MS


def _drawn(
    example: AttentionExample,
    index: int,
    peak: float,
    video: VideoPrediction,
    strip: Picture,
    evaluation: Evaluation,
) -> Picture:
    image = picture(example.modality, example.crops[index])
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, 2)
    face = _enlarged((image * 255).astype(np.uint8))
    heat = cv2.resize(
        example.attention[index] / peak, (_FACE_PX, _FACE_PX), interpolation=cv2.INTER_LINEAR
    )
    colors = colormaps["turbo"](np.clip(heat, 0, 1))[..., :3] * 255
    mixed = ((1 - _ALPHA) * face + _ALPHA * colors).astype(np.uint8)
    row = int(example.rows[index])
    _write(face, f"{example.subject}  {video.time_s[row]:.1f} s", (8, 20))
    if not evaluation.categorical:
        gold = float(video.gold[row, 0])
        known = f"  gold {gold:+.2f}" if np.isfinite(gold) else ""
        says = f"{evaluation.outputs[0]} {video.predicted[row, 0]:+.2f}{known}"
        _write(face, says, (8, _FACE_PX - 10))
    below = strip.copy()
    x = _column(row, len(video.time_ns))
    cv2.line(below, (x, 4), (x, _STRIP_PX - 4), _INK_RGB, 1, cv2.LINE_AA)
    return np.concatenate([np.concatenate([face, mixed], 1), below])


def _strip(video: VideoPrediction, evaluation: Evaluation) -> Picture:
    strip = np.full((_STRIP_PX, 2 * _FACE_PX, 3), 250, np.uint8)
    middle = _STRIP_PX // 2
    cv2.line(strip, (_MARGIN_PX, middle), (2 * _FACE_PX - _MARGIN_PX, middle), (215,) * 3, 1)
    if evaluation.categorical:
        return strip
    for values, color in ((video.gold, _GOLD_RGB), (video.predicted, _PREDICTED_RGB)):
        points = [
            (_column(row, len(values)), round(middle - float(value) * (middle - 6)))
            for row, value in enumerate(values[:, 0])
            if np.isfinite(value)
        ]
        if len(points) > 1:
            line = np.array(points, np.int32)
            cv2.polylines(strip, [line], False, color, 2, cv2.LINE_AA)
    _write(strip, "gold", (_MARGIN_PX, 16), _GOLD_RGB)
    _write(strip, "predicted", (_MARGIN_PX + 44, 16), _PREDICTED_RGB)
    return strip


def _column(row: int, n_rows: int) -> int:
    width = 2 * _FACE_PX - 2 * _MARGIN_PX
    return round(_MARGIN_PX + width * row / max(1, n_rows - 1))


def _enlarged(image: Picture) -> Picture:
    large = cv2.resize(image, (_FACE_PX, _FACE_PX), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(large)


def _write(
    image: Picture, text: str, corner: tuple[int, int], color: tuple[int, int, int] | None = None
) -> None:
    font = cv2.FONT_HERSHEY_SIMPLEX
    shown = text.encode("ascii", "replace").decode()
    if color is None:
        cv2.putText(image, shown, corner, font, 0.5, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(image, shown, corner, font, 0.5, color or (255, 255, 255), 1, cv2.LINE_AA)
