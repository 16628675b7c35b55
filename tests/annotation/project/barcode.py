"""Clips whose frames carry their own number as ten black or white bars."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

N_BITS = 10
_WIDTH_PX, _HEIGHT_PX = 320, 120


def picture(number: int) -> NDArray[np.uint8]:
    image = np.full((_HEIGHT_PX, _WIDTH_PX, 3), 60, np.uint8)
    for bit in range(N_BITS):
        image[:, 32 * bit : 32 * bit + 32] = 235 if number >> bit & 1 else 16
    return image


def read_number(image: NDArray[np.uint8]) -> int:
    width = image.shape[1] // N_BITS
    middles = [image[:, width * bit + width // 2].mean() for bit in range(N_BITS)]
    return sum(1 << bit for bit, level in enumerate(middles) if level > 125)


def write_beeps(path: Path, *, n: int, rate: Fraction, every: int) -> Path:
    """Write a clip that beeps for 20 ms whenever a frame's number is a multiple of `every`."""
    samples = np.zeros(round(n / rate * 48_000), np.float32)
    for k in range(0, n, every):
        at = round(k / rate * 48_000)
        samples[at : at + 960] = 0.8 * np.sin(np.arange(len(samples[at : at + 960])) * 0.13)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate)
        video.width, video.height, video.pix_fmt = _WIDTH_PX, _HEIGHT_PX, "yuv420p"
        sound = container.add_stream("aac", rate=48_000, layout="mono")
        for k in range(n):
            frame = av.VideoFrame.from_ndarray(picture(k), format="bgr24")
            frame.pts, frame.time_base = k, 1 / rate
            container.mux(video.encode(frame))
        heard = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        heard.sample_rate, heard.pts, heard.time_base = 48_000, 0, Fraction(1, 48_000)
        container.mux(sound.encode(heard))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    return path


def write_clip(path: Path, *, n: int, rate: Fraction, kept: Sequence[int] | None = None) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = _WIDTH_PX, _HEIGHT_PX, "yuv420p"
        stream.codec_context.time_base = 1 / rate
        for k in kept if kept is not None else range(n):
            frame = av.VideoFrame.from_ndarray(picture(k), format="bgr24")
            frame.pts, frame.time_base = k, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
