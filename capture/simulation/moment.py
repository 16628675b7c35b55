"""One instant of the virtual world: the four images and everything that is true about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..frame import Image
from ..transform import RigidTransform
from .rig import SimulatedRig


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Ground truth of a moment.

    Attributes
    ----------
    depth_m : (H, W) float32
        Depth along z of the infrared camera, every pixel.
    temperature_c : (H, W) float32
        Surface temperature in the thermal camera's image.
    valence, arousal : float or None
        What the subject feels, in [-1, 1]; None without a subject.
    T_infrared_head : RigidTransform or None
        Head frame (x viewer's right, y up, z out of the face) to infrared camera.
    landmarks_m : (68, 3) float64 or None
        iBUG's landmarks in the infrared frame. The 17 of the contour are nominal surface
        points; score the inner 51.
    landmarks_px : mapping of camera to (68, 2) float64
    T_infrared_board : RigidTransform or None
        Board frame (x along the short side, y along the long one, z away from the viewer).
    corners_px : mapping of camera to (35, 2) float64
        Inner corners, row by row of five; projected even where the camera does not see the
        board, so they may lie outside its image.
    """

    depth_m: NDArray[np.float32]
    temperature_c: NDArray[np.float32]
    valence: float | None = None
    arousal: float | None = None
    T_infrared_head: RigidTransform | None = None
    landmarks_m: NDArray[np.float64] | None = None
    landmarks_px: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    T_infrared_board: RigidTransform | None = None
    corners_px: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def affect(self) -> tuple[float, float] | None:
        """(valence, arousal); None without a subject."""
        if self.valence is None or self.arousal is None:
            return None
        return self.valence, self.arousal


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What the rig sees at one instant.

    Attributes
    ----------
    index : int
    time_s : float
    images : mapping of stream to image
        color (H, W, 3) BGR uint8; depth (H, W) uint16 mm, 0 = invalid; infrared (H, W) uint16;
        thermal (H, W) uint16 counts of 0.04 K.
    truth : Truth
    color_gain : float
        Gain that the color camera chose.
    """

    index: int
    time_s: float
    images: dict[str, Image]
    truth: Truth
    color_gain: float = 1.0


class Scene(Protocol):
    """Something the rig looks at; every moment is a pure function of seed and index."""

    @property
    def rig(self) -> SimulatedRig:
        """The cameras."""
        ...

    @property
    def rate_hz(self) -> float:
        """Moments a second."""
        ...

    @property
    def kind(self) -> Literal["subject", "board"]:
        """What is in it."""
        ...

    @property
    def color_rate_hz(self) -> float:
        """Rate at which the color camera runs in this light."""
        ...

    @property
    def color_gain(self) -> float:
        """Gain of the color camera in this light."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return the parameters that determine every moment, as JSON values."""
        ...

    def moment(self, index: int) -> Moment:
        """Render moment `index` >= 0, at time index / rate."""
        ...
