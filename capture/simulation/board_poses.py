"""Where a trained operator holds the board: in the middle, and out to the edges of the images.

Thermal has the narrowest field. Poses that it sees too leave the outer infrared and color image
without corners, and the distortion there undetermined; so about half of the views are pushed as
far out as color and infrared still see the squares, region after region.
"""

import numpy as np
from numpy.typing import NDArray

from ..camera import CameraModel
from ..errors import ConfigError
from ..transform import RigidTransform
from .board_shape import BORDER_M, CENTRE_M, outline_m
from .counter import between
from .motion import HeadPose
from .rig import CAMERAS, SimulatedRig

_TILT_DEG, _ROLL_DEG = (5.0, 38.0), 25.0
_DISTANCE_M = (0.55, 1.05)
_REGIONS = ((-1, -1), (1, 1), (1, -1), (-1, 1), (-1, 0), (1, 0), (0, -1), (0, 1))
"""Right and down of the images' middle: the corners first, each after the opposite one."""
_FEWEST_SHARED = 8
"""Views kept for all cameras: fewer than this leave the thermal camera poorly known."""
_TRIES = 400
_PUSHES = 12
"""Halvings of the way to the image's edge."""
_RETREAT = 0.08
"""Step back from an edge before the next push, tangent."""
_SHARED_BORDER_M, _OUTER_BORDER_M = BORDER_M, 0.01
"""White border that must be in the image: to find the outer corners a third of it will do."""
_IMAGE_MARGIN_PX = 3.0
_POSE_STREAM = 40


def draw_poses(rig: SimulatedRig, *, n_views: int, seed: int) -> tuple[RigidTransform, ...]:
    """Draw ``T_infrared_board`` of every view.

    Half of the views, fewer where that would leave less than eight for all three cameras, are
    outer ones, spread evenly over the session: whole in color and infrared, whichever part of
    them thermal sees. The roll stays within 25 degrees, so that the corners' order, ambiguous on
    a board of even symmetry, follows from "first corner up left".

    Raises
    ------
    ConfigError
        No pose was found that the cameras see whole.
    """
    n_outer = max(0, min(n_views // 2, n_views - _FEWEST_SHARED))
    poses, outer = [], 0
    for view in range(n_views):
        if (view + 1) * n_outer // n_views > outer:
            poses.append(_outer_pose(rig, _REGIONS[outer % len(_REGIONS)], seed, view))
            outer += 1
        else:
            poses.append(_shared_pose(rig, seed, view))
    return tuple(poses)


def _shared_pose(rig: SimulatedRig, seed: int, view: int) -> RigidTransform:
    """Draw a pose anywhere that all three cameras see whole."""
    camera = rig.infrared
    for attempt in range(_TRIES):
        key = (seed, _POSE_STREAM, view, attempt)
        u, v = (between(0.1, 0.9, *key, k) for k in (4, 5))
        ray = camera.unproject(np.array([u * camera.width_px, v * camera.height_px]))
        pose = _held(ray, key)
        if all(_sees_whole(rig, name, pose, _SHARED_BORDER_M) for name in CAMERAS):
            return pose
    raise ConfigError(f"no pose of the board in {_TRIES} tries that all cameras see whole")


def _outer_pose(rig: SimulatedRig, region: tuple[int, int], seed: int, view: int) -> RigidTransform:
    """Draw a pose near the middle, then push it to the region's edges."""
    for attempt in range(_TRIES):
        key = (seed, _POSE_STREAM, view, attempt)
        ray = np.array([between(-0.2, 0.2, *key, k) for k in (4, 5)])
        if not _both_see(rig, _held(ray, key)):
            continue
        if region[0]:
            # a little short of the edge, where moving up or down would cross it at once
            ray[0] = _pushed(rig, ray, 0, region[0], key) - _RETREAT * region[0]
        for axis, side in reversed(tuple(enumerate(region))):
            if side:
                ray[axis] = _pushed(rig, ray, axis, side, key)
        return _held(ray, key)
    raise ConfigError(f"no pose of the board in {_TRIES} tries that color and infrared see whole")


def _pushed(
    rig: SimulatedRig,
    ray: NDArray[np.float64],
    axis: int,
    side: int,
    key: tuple[int, int, int, int],
) -> float:
    """Return how far the board's ray (2,) can go along an axis with the squares still seen."""
    seen, unseen = float(ray[axis]), float(side)
    for _ in range(_PUSHES):
        trial = ray.copy()
        trial[axis] = (seen + unseen) / 2
        if _both_see(rig, _held(trial, key)):
            seen = float(trial[axis])
        else:
            unseen = float(trial[axis])
    return seen


def _held(ray: NDArray[np.float64], key: tuple[int, int, int, int]) -> RigidTransform:
    """Return a pose with the board's centre on an infrared ray (2,), turned as `key` says."""
    tilt, towards = between(*_TILT_DEG, *key, 1), between(0, 2 * np.pi, *key, 2)
    yaw, pitch = tilt * np.cos(towards), tilt * np.sin(towards)
    rotation = HeadPose(yaw, pitch, between(-_ROLL_DEG, _ROLL_DEG, *key, 3)).rotation()
    centre = np.append(ray, 1.0) * between(*_DISTANCE_M, *key, 6)
    return RigidTransform(rotation, centre - rotation @ np.array(CENTRE_M))


def _both_see(rig: SimulatedRig, pose: RigidTransform) -> bool:
    return all(_sees_whole(rig, name, pose, _OUTER_BORDER_M) for name in ("color", "infrared"))


def _sees_whole(rig: SimulatedRig, name: str, pose: RigidTransform, border_m: float) -> bool:
    """Tell whether the squares and this much of the border lie inside the image."""
    camera: CameraModel = rig.camera(name)
    outline = (rig.T_camera_infrared(name) @ pose).apply(outline_m(border_m=border_m))
    pixels = camera.project(outline)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    size = np.array([camera.width_px, camera.height_px])
    return bool(np.all(low > _IMAGE_MARGIN_PX) and np.all(high < size - 1 - _IMAGE_MARGIN_PX))
