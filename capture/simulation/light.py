"""The lights of the virtual room and how the color camera exposes for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError


@dataclass(frozen=True, slots=True)
class Lamp:
    """A point light: position in the infrared frame (x, y, z) metres, RGB intensity."""

    position_m: tuple[float, float, float]
    intensity: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Light:
    """The light of a room.

    Attributes
    ----------
    name : str
    ambient : (r, g, b)
    lamps : tuple of Lamp
    gain_limit : float
        Where the camera's automatic gain ends; what makes dark rooms dark.
    color_rate_hz : float
        Color rate: the Kinect halves it in the dark to expose longer.
    """

    name: str
    ambient: tuple[float, float, float]
    lamps: tuple[Lamp, ...]
    gain_limit: float
    color_rate_hz: float = 30.0

    def lamp_array(self) -> NDArray[np.float64]:
        """Return the lamps as (L, 6) float64: position and intensity."""
        return np.array([[*lamp.position_m, *lamp.intensity] for lamp in self.lamps], np.float64)


_LIGHTS: Final = (
    Light(
        "bright",
        (0.42, 0.43, 0.45),
        (Lamp((-0.7, -0.8, -0.1), (0.55, 0.53, 0.50)), Lamp((0.9, -0.5, 0.0), (0.30, 0.30, 0.31))),
        12.0,
    ),
    Light("normal", (0.30, 0.30, 0.30), (Lamp((-0.7, -0.9, 0.0), (0.45, 0.43, 0.40)),), 12.0),
    Light("side", (0.130, 0.130, 0.135), (Lamp((-1.3, -0.35, 0.45), (1.2, 1.14, 1.05)),), 8.0),
    Light(
        "dim",
        (0.020, 0.020, 0.020),
        (Lamp((0.5, -1.0, 0.2), (0.020, 0.019, 0.016)),),
        8.0,
        color_rate_hz=15.0,
    ),
    Light(
        "near-dark",
        (0.0065, 0.0065, 0.0070),
        (Lamp((0.5, -1.0, 0.2), (0.0060, 0.0056, 0.0050)),),
        8.0,
        color_rate_hz=15.0,
    ),
    Light(  # a face of 1 to 2 of 255: nothing that eight frames' mean would bring out
        "dark",
        (0.00012, 0.00012, 0.00013),
        (Lamp((0.5, -1.0, 0.2), (0.00011, 0.00010, 0.00009)),),
        8.0,
        color_rate_hz=15.0,
    ),
)
LIGHTS: Mapping[str, Light] = {light.name: light for light in _LIGHTS}
_MID_TONE, _FACE_WEIGHT = 0.24, 0.6
_GAIN_MINIMUM = 0.3


def light_named(name: str) -> Light:
    """Return the light called `name`.

    Raises
    ------
    ConfigError
        There is no such light.
    """
    if name not in LIGHTS:
        raise ConfigError(f"light is {name!r}: expected one of {', '.join(LIGHTS)}")
    return LIGHTS[name]


def automatic_gain(light: Light, face_mean: float, room_mean: float) -> float:
    """Gain that brings face and room together to mid tone, within the limits.

    The camera weighs the middle of the image, where the face is, but not alone: dark skin comes
    out darker than light skin, yet far from black.
    """
    metered = max(face_mean, 1e-6) ** _FACE_WEIGHT * max(room_mean, 1e-6) ** (1 - _FACE_WEIGHT)
    return float(np.clip(_MID_TONE / metered, _GAIN_MINIMUM, light.gain_limit))
