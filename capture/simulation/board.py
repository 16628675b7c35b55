"""The calibration board held before the rig, as its cameras see it.

The dark squares are printed with toner, which the infrared camera sees too, and a lamp has
warmed the board: they are 3 K warmer than the paper, so that the thermal camera sees them.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ..transform import RigidTransform
from .board_poses import draw_poses
from .board_rays import cast_board
from .board_shape import BORDER_M, HEIGHT_M, SQUARE_M, WIDTH_M, board_points_m, outline_m
from .light import Light, automatic_gain, light_named
from .moment import Moment, Truth
from .noise_color import ColorSensor
from .noise_thermal import ThermalSensor
from .noise_tof import TofSensor
from .raster import camera_rays
from .rig import CAMERAS, CameraName, SimulatedRig
from .room import empty_room

_PAPER, _TONER = 0.62, 0.03
_PAPER_INFRARED, _TONER_INFRARED = 0.80, 0.10
_BOARD_C, _TONER_K, _CONDUCTION_SIGMA_PX = 27.0, 3.0, 0.9
_OPTICS_SIGMA_PX = 0.7

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """One pose without noise: what the sensors integrate."""

    color: ColorSensor
    depth_m: F32
    albedo: F32
    cosine: F32
    temperature_c: F32


class BoardScene:
    """The board shown in `n_views` poses, each held still for `hold_s`, then again from the start.

    The poses are those of `board_poses`: color and infrared see the pattern whole in all of them,
    thermal, whose field is narrower, in about half. ``truth.corners_px`` holds the projections
    of all 35 corners for every camera, so for thermal some may lie outside the image.

    Parameters
    ----------
    rig : SimulatedRig
    n_views : int
    seed : int
    hold_s : float
    rate_hz : float
    light : str
    noise : bool

    Raises
    ------
    ConfigError
        No pose was found that the cameras see whole.
    """

    kind: Literal["subject", "board"] = "board"

    def __init__(
        self,
        rig: SimulatedRig,
        *,
        n_views: int = 20,
        seed: int = 0,
        hold_s: float = 0.5,
        rate_hz: float = 30.0,
        light: str = "normal",
        noise: bool = True,
    ) -> None:
        self.rig, self.n_views, self.seed, self.rate_hz = rig, n_views, seed, rate_hz
        self.light, self.noise = light_named(light), noise
        self.moments_per_view = max(1, round(hold_s * rate_hz))
        self.poses = draw_poses(rig, n_views=n_views, seed=seed)
        self._rooms = {
            name: empty_room(rig.camera(name), rig.T_camera_infrared(name), self.light)
            for name in CAMERAS
        }
        self._board_light = _light_on_board(self.light)
        paper = _PAPER * self._board_light
        self.color_gain = automatic_gain(self.light, paper, paper)
        self._tof = TofSensor(shift_mm=rig.depth_shift_mm, noise=noise, seed=seed)
        self._thermal = ThermalSensor(
            rig.thermal.height_px,
            rig.thermal.width_px,
            scale=rig.scale["thermal"],
            noise=noise,
            seed=seed,
        )
        self._shown = lru_cache(maxsize=2)(self._show)

    @property
    def color_rate_hz(self) -> float:
        """Rate of the color camera in this light."""
        return self.light.color_rate_hz

    def describe(self) -> dict[str, Any]:
        """Return the parameters that determine every moment."""
        return {
            "kind": self.kind,
            "n_views": self.n_views,
            "seed": self.seed,
            "moments_per_view": self.moments_per_view,
            "rate_hz": self.rate_hz,
            "light": self.light.name,
            "noise": self.noise,
            "device": self.rig.device,
            "scale": dict(self.rig.scale),
        }

    def view_of(self, index: int) -> int:
        """Return the number of the pose shown at moment `index`."""
        return index // self.moments_per_view % self.n_views

    def moment(self, index: int) -> Moment:
        """Render moment `index`, at time index / rate."""
        view = self.view_of(index)
        shown = self._shown(view)
        time_s = index / self.rate_hz
        depth, infrared = self._tof.measure(shown.depth_m, shown.albedo, shown.cosine, index)
        return Moment(
            index=index,
            time_s=time_s,
            images={
                "color": shown.color.develop_still(index),
                "depth": depth,
                "infrared": infrared,
                "thermal": self._thermal.measure(shown.temperature_c, time_s, index),
            },
            truth=Truth(
                depth_m=shown.depth_m,
                temperature_c=shown.temperature_c,
                T_infrared_board=self.poses[view],
                corners_px={name: self._corners_px(name, self.poses[view]) for name in CAMERAS},
            ),
            color_gain=self.color_gain,
        )

    def _corners_px(self, name: str, pose: RigidTransform) -> NDArray[np.float64]:
        in_camera = self.rig.T_camera_infrared(name) @ pose
        return self.rig.camera(name).project(in_camera.apply(board_points_m()))

    def _show(self, view: int) -> _Shown:
        color = self._color_sensor(view)
        paper, toner, depth_m, cosine = self._cast("infrared", view)
        room = self._rooms["infrared"]
        albedo = room.infrared * (1 - paper - toner)
        albedo += paper * np.float32(_PAPER_INFRARED) + toner * np.float32(_TONER_INFRARED)
        albedo = cv2.GaussianBlur(albedo, (3, 3), 0.5 * self.rig.scale["infrared"])
        paper, toner, _, _ = self._cast("thermal", view)
        temperature_c = self._rooms["thermal"].temperature_c * (1 - paper - toner)
        warm = cv2.GaussianBlur(toner, (0, 0), _CONDUCTION_SIGMA_PX * self.rig.scale["thermal"])
        temperature_c += (paper + toner) * np.float32(_BOARD_C) + warm * np.float32(_TONER_K)
        return _Shown(color, depth_m, albedo.astype(np.float32), cosine, temperature_c)

    def _color_sensor(self, view: int) -> ColorSensor:
        paper, toner, _, _ = self._cast("color", view)
        light = self._rooms["color"].light * (1 - paper - toner)[..., None]
        printed = (paper * np.float32(_PAPER) + toner * np.float32(_TONER)) * self._board_light
        light += printed.astype(np.float32)[..., None]
        scale = self.rig.scale["color"]
        light = cv2.GaussianBlur(light, (5, 5), max(_OPTICS_SIGMA_PX * scale, 0.4))
        return ColorSensor(
            light.astype(np.float32, copy=False),
            gain=self.color_gain,
            scale=scale,
            noise=self.noise,
            seed=self.seed,
        )

    def _cast(self, name: CameraName, view: int) -> tuple[F32, F32, F32, F32]:
        """Return coverage by paper and by toner, depth and cosine, (H, W) float32 each."""
        camera, in_camera = self.rig.camera(name), self.rig.T_camera_infrared(name)
        pose = in_camera @ self.poses[view]
        pixels = camera.project(pose.apply(outline_m(border_m=BORDER_M)))
        x0, y0 = (int(low) for low in np.floor(pixels.min(axis=0)) - 2)
        x1, y1 = (int(high) for high in np.ceil(pixels.max(axis=0)) + 3)
        box = np.array(
            [max(x0, 0), max(y0, 0), min(x1, camera.width_px), min(y1, camera.height_px)], np.int64
        )
        room, rays = self._rooms[name], camera_rays(camera)
        depth_m, cosine = room.depth_m.copy(), room.cosine.copy()
        paper, toner = np.zeros_like(depth_m), np.zeros_like(depth_m)
        cast_board(
            rays,
            np.column_stack([pose.rotation, pose.translation_m]),
            np.array([WIDTH_M, HEIGHT_M, BORDER_M]),
            SQUARE_M,
            box,
            paper,
            toner,
            depth_m,
            cosine,
        )
        return paper, toner, depth_m, cosine


def _light_on_board(light: Light) -> float:
    """Return the light on a board at about 0.8 m, taken as even and grey."""
    place = np.array([0.0, 0.0, 0.8])
    total = float(np.mean(light.ambient))
    for lamp in light.lamps:
        towards = np.array(lamp.position_m) - place
        squared = float(towards @ towards)
        total += float(np.mean(lamp.intensity)) * max(-towards[2], 0) / squared**1.5
    return total
