"""How a virtual subject moves: head pose, gaze, blinks and, if wanted, talking."""

import math
from dataclasses import dataclass

import numpy as np

from ..transform import RigidTransform
from .affect import smoothstep
from .counter import between

_N_WAVES = 3
_BLINK_EVERY_S = 4.0
_BLINK_S = 0.30
_BURST_S = 2.5
_NECK_M = np.array([0.0, -0.115, -0.03])
# head frame (x viewer's right, y up, z out of the face) to a camera's axes (x right, y down)
_FACING = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Rotation about the neck and displacement of the head.

    Positive yaw turns the face to the viewer's right, positive pitch down, positive roll
    clockwise in the image.
    """

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    shift_m: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def rotation(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return the rotation (3, 3) in camera axes."""
        yaw = RigidTransform.from_rotvec([0, -math.radians(self.yaw_deg), 0], np.zeros(3))
        pitch = RigidTransform.from_rotvec([math.radians(self.pitch_deg), 0, 0], np.zeros(3))
        roll = RigidTransform.from_rotvec([0, 0, math.radians(self.roll_deg)], np.zeros(3))
        return (roll @ yaw @ pitch).rotation

    def transform(self, anchor_m: tuple[float, float, float]) -> RigidTransform:
        """Return ``T_infrared_head`` of a head whose rest position is `anchor_m`."""
        rotation = self.rotation() @ _FACING
        anchor = np.asarray(anchor_m) + np.asarray(self.shift_m)
        return RigidTransform(rotation, anchor + _FACING @ _NECK_M - rotation @ _NECK_M)


def resting_transform(anchor_m: tuple[float, float, float]) -> RigidTransform:
    """Return where the torso is: the head frame at rest."""
    return RigidTransform(_FACING.copy(), np.asarray(anchor_m, np.float64))


@dataclass(frozen=True, slots=True)
class Motion:
    """Smooth motion as a pure function of time.

    Attributes
    ----------
    seed : int
    amplitude : float
        1: yaw 12, pitch 5, roll 4 degrees and some centimetres; 0 holds still.
    period_s : float or None
        Repeat without a seam after this time.
    speech : float
        0 silent to 1: bursts of talking, unrelated to what is felt.
    """

    seed: int
    amplitude: float = 1.0
    period_s: float | None = None
    speech: float = 0.0

    def pose(self, time_s: float) -> HeadPose:
        """Return the head pose at `time_s`."""
        a = self.amplitude
        return HeadPose(
            yaw_deg=12 * a * self._wave(1, time_s),
            pitch_deg=5 * a * self._wave(2, time_s) + 1.5,
            roll_deg=4 * a * self._wave(3, time_s),
            shift_m=(
                0.012 * a * self._wave(4, time_s),
                0.006 * a * self._wave(5, time_s),
                0.015 * a * self._wave(6, time_s),
            ),
        )

    def gaze_m(self, time_s: float) -> tuple[float, float]:
        """Return the displacement of the irises, metres."""
        return 0.0022 * self._wave(7, time_s), 0.0008 * self._wave(8, time_s)

    def blink(self, time_s: float) -> float:
        """Return how open the lids are left by blinking: 1 open, 0 closed."""
        return 1.0 - self._pulse(9, time_s, every_s=_BLINK_EVERY_S, width_s=_BLINK_S)

    def talking(self, time_s: float) -> float:
        """Return the opening of a talking mouth, 0..1."""
        if self.speech == 0:
            return 0.0
        burst = self._pulse(10, time_s, every_s=2 * _BURST_S, width_s=_BURST_S)
        syllable_hz = self._snap(3.5)
        return self.speech * burst * (0.5 + 0.5 * math.sin(2 * math.pi * syllable_hz * time_s))

    def breathing(self, time_s: float) -> float:
        """Return the phase of breathing as a sine, -1..1 (0.25 Hz)."""
        return math.sin(2 * math.pi * self._snap(0.25) * time_s)

    def _snap(self, frequency_hz: float) -> float:
        """Round a frequency to a whole number of cycles a period."""
        if self.period_s is None:
            return frequency_hz
        return max(1, round(frequency_hz * self.period_s)) / self.period_s

    def _wave(self, stream: int, time_s: float) -> float:
        """Sum a few slow sines, within -1..1."""
        total = 0.0
        for k in range(_N_WAVES):
            frequency_hz = self._snap(between(0.05, 0.35, self.seed, stream, k))
            phase = between(0, 2 * math.pi, self.seed, stream, k, 1)
            total += math.sin(2 * math.pi * frequency_hz * time_s + phase) / (k + 1)
        return total / sum(1 / (k + 1) for k in range(_N_WAVES))

    def _pulse(self, stream: int, time_s: float, *, every_s: float, width_s: float) -> float:
        """Return a smooth pulse 0..1 once in each slot of `every_s`, at a keyed moment."""
        n_slots = 0
        if self.period_s is not None:
            n_slots = max(1, round(self.period_s / every_s))
            every_s = self.period_s / n_slots
            time_s %= self.period_s
        slot = math.floor(time_s / every_s)
        width_s = min(width_s, every_s / 2)
        key = slot % n_slots if n_slots else slot
        start_s = slot * every_s + between(0, every_s - width_s, self.seed, stream, key)
        x = (time_s - start_s) / width_s
        return smoothstep(min(x, 1 - x) * 3) if 0 < x < 1 else 0.0
