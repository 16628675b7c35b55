"""Lossless 16-bit coding: time and ratio on depth-like, infrared-like and thermal-like images."""

import time
from collections.abc import Callable

import cv2
import numpy as np

from capture.codec import decode_z16, encode_z16

from .figure import emit

_ROUNDS = 40


def _images() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:424, :512]
    depth = 700 + 0.6 * x + 0.3 * y + rng.normal(0, 2.0, x.shape)
    depth[(x - 256) ** 2 + (y - 200) ** 2 > 40_000] = 0
    infrared = 3000 + 8 * x + rng.normal(0, 150, x.shape)
    v, u = np.mgrid[:512, :640]
    thermal = 7400 + 0.1 * u + 0.1 * v + rng.normal(0, 1.5, u.shape)
    scene = {"depth": depth, "infrared": infrared, "thermal": thermal}
    return {name: image.astype(np.uint16) for name, image in scene.items()}


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e3


def _emit(metric: str, ours: float, png: float, *, unit: str) -> None:
    emit("capture_codec", metric, ours, unit=unit, peer=png, peer_name="PNG level 1")


def main() -> None:
    cv2.setNumThreads(1)
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    for name, image in _images().items():
        data, (_, png) = encode_z16(image), cv2.imencode(".png", image, options)
        ours_ms = _median_ms(lambda image=image: encode_z16(image))
        png_ms = _median_ms(lambda image=image: cv2.imencode(".png", image, options))
        _emit(f"encode_{name}", ours_ms, png_ms, unit="ms")
        ours_ms = _median_ms(lambda data=data: decode_z16(data))
        png_ms = _median_ms(lambda png=png: cv2.imdecode(png, cv2.IMREAD_UNCHANGED))
        _emit(f"decode_{name}", ours_ms, png_ms, unit="ms")
        _emit(f"ratio_{name}", image.nbytes / len(data), image.nbytes / len(png), unit="x")


if __name__ == "__main__":
    main()
