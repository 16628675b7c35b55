"""A video that lies on disk as one image a frame."""

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from annotation.strict_csv import MAX_TIME_S

from .errors import DatasetError
from .moments import match_moments

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
_MAX_RATE_HZ = 1000.0


def has_frames(folder: Path) -> bool:
    """Tell whether `folder` directly holds images with numbers in their names."""
    return folder.is_dir() and any(_number(path) is not None for path in folder.iterdir())


def check_frame_rate(frame_rate_hz: float) -> None:
    """Refuse what cannot be the frames a second of a video."""
    if not 0 < frame_rate_hz <= _MAX_RATE_HZ:
        raise DatasetError(
            f"{frame_rate_hz:g} frames a second: expected more than 0, at most {_MAX_RATE_HZ:g}",
            remedy="pass another --frame-rate-hz",
        )


class FrameFolder:
    """The frames of one folder, with the rows asked of it; read as a `VideoFile` is.

    Attributes
    ----------
    path : Path
    time_ns : (N,) int64
        Time of every row since the frame with the lowest number: numbers left out keep their time.
    frame, residual_ns : (N,) int64
        Number in the name of each row's image and its time minus the grid's (0 without a grid);
        -1 and the smallest int64 where no frame was near enough.
    first_number : int
    native_rate_hz : float
        As told: images have no times.
    """

    def __init__(self, path: Path, *, frame_rate_hz: float, rate_hz: float | None) -> None:
        """List the images of `path`.

        Parameters
        ----------
        frame_rate_hz : float
            Frames a second that the numbers count.
        rate_hz : float, optional
            Grid to resample on, each time taking the nearest frame. None: every frame.

        Raises
        ------
        DatasetError
            No numbered image, or two with one number.
        """
        check_frame_rate(frame_rate_hz)
        self.path = path
        self.native_rate_hz = frame_rate_hz
        by_number: dict[int, Path] = {}
        for file in sorted(path.iterdir()):
            number = _number(file)
            if number is None:
                continue
            if number in by_number:
                raise DatasetError(
                    f"{path}: {by_number[number].name} and {file.name} are the same frame"
                )
            by_number[number] = file
        if not by_number:
            raise DatasetError(f"{path} holds no numbered images ({', '.join(IMAGE_SUFFIXES)})")
        numbers = np.array(sorted(by_number), np.int64)
        if int(numbers[-1]) - int(numbers[0]) > MAX_TIME_S * frame_rate_hz:
            raise DatasetError(
                f"{path}: {by_number[int(numbers[-1])].name} is frame {numbers[-1]}, which at "
                f"{frame_rate_hz:g} a second is days after {by_number[int(numbers[0])].name}",
                remedy="the last number in an image's name counts frames: rename it",
            )
        times_ns = np.round((numbers - numbers[0]) * (1e9 / frame_rate_hz)).astype(np.int64)
        if rate_hz is None:
            index, self.time_ns = np.arange(len(numbers)), times_ns
            self.residual_ns = np.zeros(len(numbers), np.int64)
        else:
            moments = match_moments(
                "color", {"color": times_ns}, start_ns=0, rate_hz=rate_hz, tolerance_ns=0
            )
            index, self.time_ns = moments.frame["color"], moments.time_ns
            self.residual_ns = moments.residual_ns["color"]
        self.frame = np.where(index >= 0, numbers[index], -1)
        self.first_number = int(numbers[0])
        self._files = by_number

    def __len__(self) -> int:
        return len(self.time_ns)

    def frames(self, rows: range | None = None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield (row, image (H, W, 3) uint8 BGR) in order; rows without a frame are left out.

        Parameters
        ----------
        rows : range, optional
            Consecutive rows; all by default.

        Raises
        ------
        DatasetError
            An image cannot be decoded.
        """
        for row in range(len(self)) if rows is None else rows:
            if self.frame[row] >= 0:
                yield row, _read(self._files[int(self.frame[row])])


def _read(path: Path) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DatasetError(f"{path} is no image that can be read", remedy="copy it again")
    return np.asarray(image, np.uint8)


def _number(path: Path) -> int | None:
    """Last number in an image's name: 00012.png, clip_12.jpg."""
    if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith("."):
        return None
    found = re.findall(r"\d+", path.stem)
    return int(found[-1]) if found and len(found[-1]) < 18 else None
