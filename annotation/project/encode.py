"""Encodes frames for browsers: constant rate, first frame at 0, no frame is another's neighbour.

A page can tell which frame is on the screen only if every frame lies where its number says. So
the result is read back and counted before it is used.
"""

import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from capture.terminal import OnProgress

from ..errors import AnnotationError
from .sound import SoundTrack

Codec = Literal["h264", "vp9", "av1"]
CODECS: tuple[Codec, ...] = ("h264", "vp9", "av1")
MAX_RATE_HZ = 60
_BT709 = 1
_KEYFRAME_EVERY_S = Fraction(1, 2)
"""A jump has to decode half a second at most."""


@dataclass(frozen=True, slots=True)
class _Recipe:
    encoder: str
    sound_encoder: str
    suffix: str
    options: dict[str, str]


_RECIPES: dict[Codec, _Recipe] = {
    "h264": _Recipe("libx264", "aac", ".mp4", {"crf": "18", "preset": "veryfast", "bf": "0"}),
    "vp9": _Recipe(
        "libvpx-vp9",
        "libopus",
        ".webm",
        {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"},
    ),
    "av1": _Recipe("libsvtav1", "aac", ".mp4", {"crf": "28", "preset": "9"}),
}


def suffix_of(codec: Codec) -> str:
    """Return the ending of files of this codec."""
    return _RECIPES[codec].suffix


def fit_height(width_px: int, height_px: int, max_height_px: int) -> tuple[int, int]:
    """Return even width and height, at most `max_height_px` high, of nearly the same shape."""
    scale = min(1.0, max_height_px / height_px)
    return max(2, 2 * round(width_px * scale / 2)), max(2, 2 * round(height_px * scale / 2))


def encode_video(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    *,
    n_frames: int,
    rate_hz: Fraction,
    size_px: tuple[int, int],
    codec: Codec,
    sound: tuple[Path, Fraction] | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Write `images` to `path`, frame k at k / `rate_hz`, and read back that it is so.

    Parameters
    ----------
    path : Path
    images : iterable of (H, W, 3) uint8 BGR
        `n_frames` of them, of any one size; scaled to `size_px`.
    n_frames : int
    rate_hz : Fraction
    size_px : (int, int)
        Width and height, even.
    codec : {"h264", "vp9", "av1"}
    sound : (Path, Fraction), optional
        File with sound, and which of its times in seconds is 0 here.
    on_progress : callable, optional

    Raises
    ------
    AnnotationError
        The encoder failed, or what it wrote is not what was asked for.
    """
    recipe = _RECIPES[codec]
    # Containers are recognised by name; a file in progress has another ending.
    container_format = recipe.suffix.removeprefix(".")
    options = {"movflags": "+faststart"} if container_format == "mp4" else {}
    try:
        with (
            av.open(str(path), "w", format=container_format, options=options) as container,
            ExitStack() as ending,
        ):
            ending.callback(_end_realtime)
            stream = _add_stream(container, recipe, rate_hz, size_px)
            track = None
            if sound is not None:
                track = SoundTrack(*sound, container, recipe.sound_encoder)
                ending.callback(track.close)
            for k, image in enumerate(images):
                if track is not None:
                    track.write_until(k / rate_hz)
                container.mux(stream.encode(_frame(image, k, rate_hz, size_px)))
                if k == 0:
                    _end_realtime()
                if on_progress:
                    on_progress(k + 1, n_frames)
            if track is not None:
                track.write_until(n_frames / rate_hz)
            container.mux(stream.encode(None))
    except FFmpegError as error:
        raise AnnotationError(f"encoding with {recipe.encoder} failed: {error}") from error
    _check(path, n_frames, rate_hz)


def _end_realtime() -> None:
    """Take realtime priority from the threads of this process.

    SVT-AV1, run as root, gives itself and whoever called it the highest there is, and keeps it:
    on a machine that records, cameras would starve.
    """
    for thread in Path("/proc/self/task").glob("*"):
        with suppress(OSError):  # it has ended meanwhile
            number = int(thread.name)
            if os.sched_getscheduler(number) in (os.SCHED_FIFO, os.SCHED_RR):
                os.sched_setscheduler(number, os.SCHED_OTHER, os.sched_param(0))


def _add_stream(
    container: Any, recipe: _Recipe, rate_hz: Fraction, size_px: tuple[int, int]
) -> Any:
    stream = container.add_stream(recipe.encoder, rate=rate_hz)
    stream.width, stream.height = size_px
    stream.pix_fmt = "yuv420p"
    stream.options = {**recipe.options, "g": str(max(1, round(rate_hz * _KEYFRAME_EVERY_S)))}
    context = stream.codec_context
    context.color_range = ColorRange.MPEG.value
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    return stream


def _frame(
    image: NDArray[np.uint8], k: int, rate_hz: Fraction, size_px: tuple[int, int]
) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24").reformat(
        width=size_px[0],
        height=size_px[1],
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation="AREA",
    )
    frame.pts, frame.time_base = k, 1 / rate_hz
    return frame


def _check(path: Path, n_frames: int, rate_hz: Fraction) -> None:
    """Read the file back: as many frames as asked for, each nearest to its own place."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times_s = sorted(
            packet.pts * packet.time_base
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size > 0
        )
    places = [round(time_s * rate_hz) for time_s in times_s]
    if places != list(range(n_frames)):
        raise AnnotationError(
            f"the encoder wrote {len(places)} frames for {n_frames}, or not where they belong",
            remedy="try another --codec",
        )
