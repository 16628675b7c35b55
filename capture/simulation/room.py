"""What each camera sees behind the subject: a mottled wall, exactly where a wall is."""

from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..camera import CameraModel
from ..transform import RigidTransform
from .light import Light
from .raster import camera_rays

F32 = NDArray[np.float32]

WALL_Z_M = 2.2
_WALL_C = 22.5
_MOTTLE_SIZE = 256
_MOTTLE_PER_M = 42.0
_KEPT_ROOMS = 12  # three cameras in four lights, some 200 MB at full size


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """The empty room in one camera's image, all (H, W) float32.

    Attributes
    ----------
    depth_m, cosine : depth and cosine of incidence
    infrared : albedo at 850 nm
    temperature_c : degrees Celsius
    light : (H, W, 3) linear RGB before gain
    """

    depth_m: F32
    cosine: F32
    infrared: F32
    temperature_c: F32
    light: F32


def _mottle() -> F32:
    white = np.random.default_rng(3).standard_normal((_MOTTLE_SIZE, _MOTTLE_SIZE), dtype=np.float32)
    wrapped = np.pad(white, 16, mode="wrap")
    smooth = cv2.GaussianBlur(wrapped, (0, 0), 3)[16:-16, 16:-16]
    out: F32 = (smooth / smooth.std()).astype(np.float32)
    return out


def empty_room(camera: CameraModel, T_camera_infrared: RigidTransform, light: Light) -> Room:
    """Return what `camera` sees of the wall z = 2.2 m of the infrared frame; read-only."""
    return _cast_wall(
        astuple(camera),
        tuple(T_camera_infrared.rotation.ravel().tolist()),
        tuple(T_camera_infrared.translation_m.tolist()),
        light,
    )


@lru_cache(maxsize=_KEPT_ROOMS)
def _cast_wall(
    intrinsics: tuple[Any, ...],
    rotation: tuple[float, ...],
    translation_m: tuple[float, ...],
    light: Light,
) -> Room:
    """Cast every pixel's ray on the wall; plain values, so that equal cameras share a room."""
    camera = CameraModel(*intrinsics)
    T_camera_infrared = RigidTransform(np.reshape(rotation, (3, 3)), np.array(translation_m))
    rays = camera_rays(camera)
    normal = T_camera_infrared.rotation @ np.array([0.0, 0.0, 1.0])
    distance = WALL_Z_M + float(normal @ T_camera_infrared.translation_m)
    facing = rays @ normal[:2].astype(np.float32) + np.float32(normal[2])
    depth = np.float32(distance) / facing
    in_camera = np.dstack([rays * depth[..., None], depth])
    back = T_camera_infrared.inverse()
    wall = in_camera @ back.rotation.T.astype(np.float32) + back.translation_m.astype(np.float32)
    x, y = wall[..., 0], wall[..., 1]
    mottle = cv2.remap(
        _mottle(),
        np.mod((x + 9) * _MOTTLE_PER_M, _MOTTLE_SIZE).astype(np.float32),
        np.mod((y + 9) * _MOTTLE_PER_M, _MOTTLE_SIZE).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    albedo = 0.42 + 0.02 * mottle + 0.10 * (x > 0.55)
    lit = np.broadcast_to(np.array(light.ambient, np.float32), (*albedo.shape, 3)).copy()
    for lamp in light.lamps:
        to_lamp = np.array(lamp.position_m, np.float32) - wall
        squared = (to_lamp**2).sum(-1)
        falloff = np.maximum(-to_lamp[..., 2], 0) / (squared * np.sqrt(squared))
        lit += falloff[..., None] * np.array(lamp.intensity, np.float32)
    tint = np.array([0.95, 1.0, 1.02], np.float32)
    room = Room(
        depth_m=np.ascontiguousarray(depth, np.float32),
        cosine=(facing / np.sqrt((rays**2).sum(-1) + 1)).astype(np.float32),
        infrared=np.clip(albedo + 0.15, 0, 1).astype(np.float32),
        temperature_c=(_WALL_C + 0.25 * mottle - 0.3 * y).astype(np.float32),
        light=np.ascontiguousarray(albedo[..., None] * lit * tint, np.float32),
    )
    for values in (room.depth_m, room.cosine, room.infrared, room.temperature_c, room.light):
        values.setflags(write=False)
    return room
