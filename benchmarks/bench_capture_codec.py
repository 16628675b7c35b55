"""Lossless 16-bit coding: time and ratio on depth-like, infrared-like and thermal-like images.

Ours beside PNG and what general compressors make of the raw pixels, one thread each.
"""

import time
from collections.abc import Callable, Mapping

import cv2
import lz4.frame
import numpy as np
import zstandard

from capture.codec import decode_z16, encode_z16

from .figure import emit

_ROUNDS = 40
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1]
_Coder = tuple[Callable[[np.ndarray], bytes], Callable[[bytes], object]]


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


def _peers() -> Mapping[str, _Coder]:
    return {
        "PNG level 1": (
            lambda image: cv2.imencode(".png", image, _PNG)[1].tobytes(),
            lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED),
        ),
        "zstd level 1": (lambda image: zstandard.compress(image.data, 1), zstandard.decompress),
        "lz4": (lambda image: lz4.frame.compress(image.data), lz4.frame.decompress),
    }


def _measure(coder: _Coder, image: np.ndarray) -> tuple[float, float, float]:
    encode, decode = coder
    data = encode(image)
    encode_ms, decode_ms = _median_ms(lambda: encode(image)), _median_ms(lambda: decode(data))
    return encode_ms, decode_ms, image.nbytes / len(data)


def _median_ms(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e3


def main() -> None:
    """Measure every coder on every image."""
    cv2.setNumThreads(1)
    metrics = (("encode", "ms"), ("decode", "ms"), ("ratio", "x"))
    for name, image in _images().items():
        ours = _measure((encode_z16, decode_z16), image)
        for peer_name, coder in _peers().items():
            theirs = _measure(coder, image)
            for (metric, unit), own, peer in zip(metrics, ours, theirs, strict=True):
                label = f"{metric}_{name}"
                emit("capture_codec", label, own, unit=unit, peer=peer, peer_name=peer_name)


if __name__ == "__main__":
    main()
