"""Predicting while a rig records, from the small pictures it shows: for the operator's eye.

A score is about the last window (16 frames at 4 Hz: 4 s), so it is late by half of it on average,
and the pictures are 320 pixels wide; what is recorded is evaluated better afterwards.
"""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mavfer.alignment import align
from mavfer.crops import crop_color
from mavfer.faces import FaceTracker
from mavfer.landmarks import LandmarkCount

from .checkpoint import CheckpointInfo
from .clip_rate import GRID_HZ, clip_rate_hz
from .data import nearest_known
from .errors import ModelError
from .film import check_color_only
from .prediction import Network
from .preprocess import prepare

_LANDMARKS: LandmarkCount = 68
_SMALLEST_CROP_PX = 96


@dataclass(frozen=True, slots=True)
class LiveScore:
    """What the network says about the last window.

    Attributes
    ----------
    time_ns : int
        Of the window's last picture, the host's clock.
    window_s : float
        The score is about so much time before.
    values : dict of output to float
        Probabilities where the outputs are categories.
    face_share : float
        Of the window's pictures, those that show a face.
    """

    time_ns: int
    window_s: float
    values: dict[str, float]
    face_share: float


class LiveWindow:
    """Takes pictures as they come and scores the last window of them.

    Parameters
    ----------
    network : Network
    info : CheckpointInfo
        Of a run that sees color only.
    """

    def __init__(self, network: Network, info: CheckpointInfo) -> None:
        check_color_only(info.model)
        if info.model.label == "frames":
            raise ModelError("live scores are of windows, this network scores frames")
        self._network, self._info = network.eval(), info
        self._rate_hz = clip_rate_hz(info.rate_hz, info.model) or GRID_HZ
        self._crop_px = max(_SMALLEST_CROP_PX, info.model.input_px)
        self._tracker = FaceTracker(_LANDMARKS)
        self._times_ns: deque[int] = deque()
        self._crops: deque[NDArray[np.uint8] | None] = deque()
        parameter = next(network.parameters(), None)
        self._device = torch.device("cpu") if parameter is None else parameter.device

    @property
    def window_s(self) -> float:
        """Length of the window."""
        return self._info.model.clip_length / self._rate_hz

    def see(self, image_bgr: NDArray[np.uint8], time_ns: int) -> bool:
        """Take a picture (H, W, 3) of `time_ns`; tell whether it shows a face.

        Pictures older than the last one are passed over; so is everything before a clock that
        began anew.
        """
        if self._times_ns and time_ns <= self._times_ns[-1]:
            if self._times_ns[-1] - time_ns < self.window_s * 1e9:
                return False
            self._times_ns.clear()
            self._crops.clear()
        grey = np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY), np.uint8)
        landmarks_px = self._tracker.look(grey).landmarks_px
        crop = None
        if landmarks_px is not None:
            T_crop_color = align(landmarks_px, _LANDMARKS, crop_px=self._crop_px)
            crop = crop_color(image_bgr, T_crop_color, crop_px=self._crop_px)
        self._times_ns.append(time_ns)
        self._crops.append(crop)
        # One picture before the window stays: it may be the nearest to the window's begin.
        while len(self._times_ns) > 2 and time_ns - self._times_ns[1] > self.window_s * 1e9:
            self._times_ns.popleft()
            self._crops.popleft()
        return crop is not None

    @torch.inference_mode()
    def score(self) -> LiveScore | None:
        """Score the last window; None while it is not full or shows too few faces."""
        config = self._info.model
        if not self._times_ns:
            return None
        times_ns = np.array(self._times_ns, np.int64)
        step_ns = round(1e9 / self._rate_hz)
        grid = times_ns[-1] - step_ns * np.arange(config.clip_length - 1, -1, -1)
        if grid[0] < times_ns[0] - step_ns:
            return None
        rows = np.abs(times_ns[None] - grid[:, None]).argmin(1)
        found = np.array([self._crops[row] is not None for row in rows])
        share = float(found.mean())
        if not found.any() or share < self._info.train.min_valid_share:
            return None
        crops = [self._crops[rows[index]] for index in nearest_known(found)]
        clip = np.stack([crop for crop in crops if crop is not None])
        tensor = torch.from_numpy(clip)[None].to(self._device)
        clips = prepare({"color": tensor}, config, self._info.stats)
        scores = self._network(clips).score[0].float()
        if config.categorical:
            scores = torch.softmax(scores, 0)
        names = config.categories if config.categorical else config.outputs
        values = {name: float(value) for name, value in zip(names, scores, strict=True)}
        return LiveScore(int(times_ns[-1]), self.window_s, values, share)
