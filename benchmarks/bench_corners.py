"""Corners of faint and noisy boards against the truth of rendered ones, beside OpenCV's steps.

Boards of 5 x 7 corners, tilted up to 29 degrees at 0.45 to 0.9 m, rendered with 4 x 4 samples a
pixel. Thermal: 640 x 512, f = 700, a gradient, row and column noise, 10 counts of pixel noise and
contrast 60 (signal-to-noise 6) or 30 (3), blur 1.5 and 2 px. Infrared: 512 x 424, f = 366,
vignetting and 3 % noise. One core; then all views over a pool of threads.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.board import BoardSpec
from calibration.detect import find_board, stretch

from .figure import emit

_BOARD = BoardSpec()
_N_BOARDS = 40
_WRONG_PX = 5.0
_SAMPLES = 4
_TILT_RAD = np.radians(29)
Found = NDArray[np.float64] | None
"""Corners (N, 2) or nothing."""


@dataclass(frozen=True, slots=True)
class Camera:
    """An ideal camera."""

    width_px: int
    height_px: int
    f_px: float

    @property
    def matrix(self) -> NDArray[np.float64]:
        """Camera matrix (3, 3)."""
        centre = (self.width_px - 1) / 2, (self.height_px - 1) / 2
        return np.array([[self.f_px, 0, centre[0]], [0, self.f_px, centre[1]], [0, 0, 1]])


THERMAL, INFRARED = Camera(640, 512, 700.0), Camera(512, 424, 366.0)


def main() -> None:
    """Judge and time every condition, ours and the peers' on the same images."""
    cv2.setNumThreads(1)
    for name, camera, expose in (
        ("thermal_snr6", THERMAL, _thermal(contrast=60, blur_px=1.5)),
        ("thermal_snr3", THERMAL, _thermal(contrast=30, blur_px=2.0)),
        ("infrared_noise3", INFRARED, _infrared(noise_share=0.03)),
    ):
        rng = np.random.default_rng(5)
        boards = [_render(camera, expose, rng) for _ in range(_N_BOARDS)]
        find_board(boards[0][0], _BOARD)  # compiled before it is timed
        ours = _judge(boards, _ours)
        for peer_name, peer in (("SB", _sector_based), ("classic + cornerSubPix 11", _classic)):
            theirs = _judge(boards, peer)
            for metric, unit in (
                ("found_percent", "%"),
                ("rms_px", "px"),
                ("wrong_detections", "boards"),
                ("ms_per_view", "ms"),
            ):
                emit(
                    "corners",
                    f"{name}_{metric}",
                    ours[metric],
                    unit=unit,
                    peer=theirs[metric],
                    peer_name=peer_name,
                )
        images = [image for image, _ in boards]
        alone_s = _seconds(images, 1)
        speedup = alone_s / _seconds(images, os.cpu_count() or 1)
        emit("corners", f"{name}_speedup_of_all_cores", speedup, unit="times")


def _judge(
    boards: Sequence[tuple[NDArray[np.uint16], NDArray[np.float64]]],
    find: Callable[[NDArray[np.uint16]], Found],
) -> dict[str, float]:
    errors_px, times_ms, n_wrong = [], [], 0
    for image, truth_px in boards:
        started = time.perf_counter()
        found = find(image)
        times_ms.append(1000 * (time.perf_counter() - started))
        if found is None:
            continue
        distances_px = _distances_px(found, truth_px)
        n_wrong += bool(distances_px.max() > _WRONG_PX)
        errors_px.append(distances_px)
    pooled = np.concatenate(errors_px) if errors_px else np.array([np.nan])
    return {
        "found_percent": 100 * len(errors_px) / len(boards),
        "rms_px": float(np.sqrt(np.square(pooled).mean())),
        "wrong_detections": float(n_wrong),
        "ms_per_view": float(np.mean(times_ms)),
    }


def _distances_px(
    found_px: NDArray[np.float64], truth_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distance of each corner; the board looks the same upside down."""
    both = (np.linalg.norm(order - truth_px, axis=1) for order in (found_px, found_px[::-1]))
    return min(both, key=lambda distances: float(distances.sum()))


def _ours(image: NDArray[np.uint16]) -> Found:
    found = find_board(image, _BOARD)
    return None if found is None else found.corners_px


def _sector_based(image: NDArray[np.uint16]) -> Found:
    pattern = (_BOARD.columns, _BOARD.rows)
    flags = cv2.CALIB_CB_ACCURACY | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_EXHAUSTIVE
    found, corners = cv2.findChessboardCornersSB(stretch(image), pattern, flags=flags)
    return corners.reshape(-1, 2).astype(np.float64) if found else None


def _classic(image: NDArray[np.uint16]) -> Found:
    pattern, grey = (_BOARD.columns, _BOARD.rows), stretch(image)
    flags = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
    found, corners = cv2.findChessboardCorners(grey, pattern, flags=flags)
    if not found:
        return None
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-4)
    placed = cv2.cornerSubPix(grey, corners, (11, 11), (-1, -1), criteria)
    return placed.reshape(-1, 2).astype(np.float64)


def _seconds(images: Sequence[NDArray[np.uint16]], n_threads: int) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(_ours, images))
    return time.perf_counter() - started


Expose = Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.uint16]]
"""Turns an ideal board image, black 0 to white 1 and 0.5 around, into what a camera delivers."""


def _thermal(*, contrast: float, blur_px: float) -> Expose:
    def expose(ideal: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint16]:
        height, width = ideal.shape
        counts = 7500 + contrast * np.asarray(cv2.GaussianBlur(ideal, (0, 0), blur_px))
        counts += 40 * np.linspace(-1, 1, width) + rng.normal(0, 2, (height, 1))
        counts += rng.normal(0, 2, (1, width)) + rng.normal(0, 10, ideal.shape)
        return np.rint(counts).astype(np.uint16)

    return expose


def _infrared(*, noise_share: float) -> Expose:
    def expose(ideal: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint16]:
        height, width = ideal.shape
        y, x = np.mgrid[0:height, 0:width]
        radius = np.hypot(x - width / 2, y - height / 2) / (width / 2)
        bright = 6000 * (1 - 0.35 * radius**2) * (0.15 + 0.75 * ideal)
        blurred = np.asarray(cv2.GaussianBlur(bright, (0, 0), 0.7))
        noisy = blurred * (1 + rng.normal(0, noise_share, ideal.shape)) + rng.normal(0, 10)
        return np.rint(np.clip(noisy, 0, 65535)).astype(np.uint16)

    return expose


def _render(
    camera: Camera, expose: Expose, rng: np.random.Generator
) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Return one exposed image of a board in a random pose, and its true corners (N, 2)."""
    while True:
        rotation = np.append(rng.uniform(-_TILT_RAD, _TILT_RAD, 2), rng.uniform(-0.3, 0.3))
        distance_m = rng.uniform(0.45, 0.9)
        centre = _BOARD.points_m.mean(axis=0)
        turned, _ = cv2.Rodrigues(rotation)
        shift = rng.uniform(-0.25, 0.25, 2) * distance_m
        translation = np.array([*shift, distance_m]) - np.asarray(turned) @ centre
        outline, _ = cv2.projectPoints(_outline_m(), rotation, translation, camera.matrix, None)
        inside = (outline > 4).all() and (
            outline.reshape(-1, 2) < [camera.width_px - 5, camera.height_px - 5]
        ).all()
        if inside:
            break
    corners, _ = cv2.projectPoints(_BOARD.points_m, rotation, translation, camera.matrix, None)
    image = expose(_ideal(camera, np.asarray(turned), translation), rng)
    return image, corners.reshape(-1, 2)


def _outline_m() -> NDArray[np.float64]:
    left, top = -_BOARD.square_m, -_BOARD.square_m
    right, bottom = _BOARD.columns * _BOARD.square_m, _BOARD.rows * _BOARD.square_m
    return np.array([[left, top, 0], [right, top, 0], [left, bottom, 0], [right, bottom, 0]])


def _ideal(
    camera: Camera, rotation: NDArray[np.float64], translation_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Board image (H, W) by rays: the mean of `_SAMPLES` squared samples in every pixel."""
    step = (np.arange(_SAMPLES) + 0.5) / _SAMPLES - 0.5
    x = (np.arange(camera.width_px)[:, None] + step).ravel()
    y = (np.arange(camera.height_px)[:, None] + step).ravel()
    inverse = np.linalg.inv(camera.matrix)
    rays = np.stack([*np.meshgrid(x, y), np.ones((len(y), len(x)))], axis=-1) @ inverse.T
    normal = rotation[:, 2]
    points_m = rays * ((normal @ translation_m) / (rays @ normal))[..., None] - translation_m
    squares = (points_m @ rotation)[..., :2] / _BOARD.square_m + 1
    columns, rows = np.floor(squares[..., 0]), np.floor(squares[..., 1])
    on_board = (columns >= 0) & (columns <= _BOARD.columns) & (rows >= 0) & (rows <= _BOARD.rows)
    value = np.where(on_board, (columns + rows) % 2, 1.0)
    shape = (camera.height_px, _SAMPLES, camera.width_px, _SAMPLES)
    return value.reshape(shape).mean(axis=(1, 3))


if __name__ == "__main__":
    main()
