"""Depth to full-HD color: time beside OpenCV's registerDepth, and quality against ray tracing.

Scene: a tilted plane at 2 m behind a sphere of 0.3 m radius at 1.2 m; both methods get the same
depth image, rounded to millimetres, and both write uint16 millimetres. One thread. Beside them a
plain numpy splat (the nearest of all points that fall into 3 x 3 pixels), and Open3D's projection
of points where it is installed.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.registration import register_depth, register_depth_float, register_thermal
from calibration.rig import RigCalibration
from calibration.simulated import ideal_calibration
from capture.simulation.rig import kinect2_rig
from capture.transform import RigidTransform

from .figure import emit

_REPEATS = 30
_QUALITY = (("rmse_mm", "mm"), ("holes_percent", "%"), ("shadow_fill_percent", "%"))
_NORMAL, _PLANE_OFFSET_M = np.array([0.15, -0.1, -1.0]), -2.0
_CENTRE_M, _RADIUS_M = np.array([0.05, 0.02, 1.2]), 0.3
_SURFACE_MM = 100.0


def main() -> None:
    """Time and judge registration, ours and the peer's in turn."""
    cv2.setNumThreads(1)
    rig = ideal_calibration(kinect2_rig())
    infrared = rig.cameras["infrared"]
    true_mm = 1000 * _trace(infrared.rays(), RigidTransform.identity())
    depth_mm = np.round(true_mm - rig.depth_shift_mm).astype(np.uint16)
    window = rig.crop_window
    area = (window.x_px, window.y_px, window.width_px, window.height_px)
    peer = _peer(rig, depth_mm)
    name = "cv2.rgbd.registerDepth with dilation"
    ours_ms, peer_ms = _interleaved_ms(lambda: register_depth(depth_mm, rig), peer)
    _emit("ms_per_frame_1thread", ours_ms, "ms", peer_ms, name)
    out, scratch = np.empty((1080, 1920), np.uint16), np.empty((1080, 1920), np.float32)
    own_ms = _ms(lambda: register_depth(depth_mm, rig, out=out, scratch=scratch))
    _emit("ms_per_frame_1thread_own_buffers", own_ms, "ms")
    two_ms = _ms(lambda: register_depth(depth_mm, rig, out=out, scratch=scratch, n_threads=2))
    _emit("ms_per_frame_2threads_own_buffers", two_ms, "ms", own_ms, "one thread")
    crop_ms, peer_ms = _interleaved_ms(lambda: register_depth(depth_mm, rig, window=area), peer)
    _emit("ms_per_crop_1thread", crop_ms, "ms", peer_ms, f"{name}, full image")
    face = (window.x_px + 560, window.y_px + 250, 300, 300)
    _emit("ms_per_face_1thread", _ms(lambda: register_depth(depth_mm, rig, window=face)), "ms")
    counts = np.full((512, 640), 7500, np.uint16)
    registered = register_depth(depth_mm, rig)
    _emit("thermal_ms_per_frame", _ms(lambda: register_thermal(counts, registered, rig)), "ms")
    floor_ms = _floor_ms(depth_mm)
    _emit("ms_against_memory_floor", ours_ms, "ms", floor_ms, "read depth, clear, write")
    exact = _judge(register_depth_float(depth_mm, rig), rig)
    _emit("rmse_unrounded_mm", exact["rmse_mm"], "mm")
    ours = _judge(registered, rig)
    theirs = _judge(peer(), rig)
    for metric, unit in _QUALITY:
        _emit(metric, ours[metric], unit, theirs[metric], name)
    for other, register in _others(rig, depth_mm).items():
        other_ms = _interleaved_ms(lambda: register_depth(depth_mm, rig), register, repeats=5)
        _emit("ms_per_frame_1thread", *_with_unit(other_ms), other)
        judged = _judge(register(), rig)
        for metric, unit in _QUALITY:
            _emit(metric, ours[metric], unit, judged[metric], other)


def _emit(
    metric: str, ours: float, unit: str, peer: float | None = None, name: str | None = None
) -> None:
    emit("registration", metric, ours, unit=unit, peer=peer, peer_name=name)


def _trace(rays: NDArray[np.float64], T_camera_infrared: RigidTransform) -> NDArray[np.float64]:
    """Depth of the scene along a camera's rays (..., 2), metres."""
    directions = np.concatenate([rays, np.ones((*rays.shape[:-1], 1))], axis=-1)
    normal = T_camera_infrared.rotation @ _NORMAL
    offset_m = _PLANE_OFFSET_M + normal @ T_camera_infrared.translation_m
    plane_m = offset_m / (directions @ normal)
    centre = T_camera_infrared.apply(_CENTRE_M)
    a, b = np.square(directions).sum(-1), directions @ centre
    inside = b * b - a * (centre @ centre - _RADIUS_M**2)
    return np.where(inside > 0, (b - np.sqrt(np.maximum(inside, 0))) / a, plane_m)


def _peer(rig: RigCalibration, depth_mm: NDArray[np.uint16]) -> Callable[[], NDArray[np.uint16]]:
    """OpenCV's registration; it takes no infrared distortion, so it gets an undistorted image."""
    color, infrared = rig.cameras["color"], rig.cameras["infrared"]
    pose = np.eye(4)
    pose[:3, :3] = rig.T_color_infrared.rotation
    pose[:3, 3] = rig.T_color_infrared.translation_m
    straight_mm = _straight_mm(rig)
    size_px = (color.width_px, color.height_px)
    matrices = (infrared.matrix, color.matrix, np.zeros(5), pose)

    def register() -> NDArray[np.uint16]:
        found = cv2.rgbd.registerDepth(*matrices, straight_mm, size_px, depthDilation=True)
        return np.asarray(found, np.uint16)

    return register


def _straight_mm(rig: RigCalibration) -> NDArray[np.uint16]:
    """Return what an infrared camera without distortion measures, shift taken out."""
    ideal = replace(rig.cameras["infrared"], distortion=())
    return np.round(1000 * _trace(ideal.rays(), RigidTransform.identity())).astype(np.uint16)


def _with_unit(times_ms: tuple[float, float]) -> tuple[float, str, float]:
    return times_ms[0], "ms", times_ms[1]


def _others(
    rig: RigCalibration, depth_mm: NDArray[np.uint16]
) -> dict[str, Callable[[], NDArray[np.generic]]]:
    """Return further peers; those of Open3D only where it is installed."""
    color = rig.undistorted_color
    rays = rig.cameras["infrared"].rays().astype(np.float32)
    projection = (color.matrix @ rig.T_color_infrared.rotation).astype(np.float32)
    translation_mm = (color.matrix @ rig.T_color_infrared.translation_m * 1000).astype(np.float32)

    def splat() -> NDArray[np.uint16]:
        z = depth_mm.astype(np.float32) + np.float32(rig.depth_shift_mm)
        points = np.concatenate([rays * z[..., None], z[..., None]], axis=-1)[depth_mm > 0]
        u, v, depth = (points @ projection.T + translation_mm).T
        u, v = np.rint(u / depth).astype(np.int32), np.rint(v / depth).astype(np.int32)
        nearest = np.full((color.height_px + 2, color.width_px + 2), 65535, np.uint16)
        inside = (u >= 0) & (u < color.width_px) & (v >= 0) & (v < color.height_px)
        u, v, rounded = u[inside], v[inside], np.rint(depth[inside]).astype(np.uint16)
        for row in range(3):
            for column in range(3):
                np.minimum.at(nearest, (v + row, u + column), rounded)
        nearest[nearest == 65535] = 0
        return nearest[1:-1, 1:-1]

    peers: dict[str, Callable[[], NDArray[np.generic]]] = {"numpy splat, 3 x 3": splat}
    try:
        import open3d
    except ImportError:
        return peers
    core = open3d.core
    pose = np.eye(4)
    pose[:3, :3] = rig.T_color_infrared.rotation
    pose[:3, 3] = rig.T_color_infrared.translation_m
    straight_mm = _straight_mm(rig)

    def project() -> NDArray[np.float32]:
        image = open3d.t.geometry.Image(core.Tensor(straight_mm))
        cloud = open3d.t.geometry.PointCloud.create_from_depth_image(
            image, core.Tensor(rig.cameras["infrared"].matrix), depth_scale=1000.0, depth_max=10.0
        )
        found = cloud.project_to_depth_image(
            color.width_px, color.height_px, core.Tensor(color.matrix), core.Tensor(pose), 1000.0
        )
        return np.asarray(found.as_tensor().numpy(), np.float32)[..., 0]

    return {**peers, "Open3D create_from_depth_image, project_to_depth_image": project}


def _interleaved_ms(
    ours: Callable[[], object], peer: Callable[[], object], *, repeats: int = _REPEATS
) -> tuple[float, float]:
    """Least time of each, measured in turn so that both see the same machine."""
    times = {ours: [], peer: []}
    for function in (ours, peer):
        function()
    for _ in range(repeats):
        for function, taken in times.items():
            started = time.perf_counter()
            function()
            taken.append(time.perf_counter() - started)
    return 1000 * min(times[ours]), 1000 * min(times[peer])


def _ms(function: Callable[[], object]) -> float:
    return _interleaved_ms(function, lambda: None)[0]


def _floor_ms(depth_mm: NDArray[np.uint16]) -> float:
    """Time moving the bytes alone: depth in, a float buffer cleared, uint16 out."""
    buffer = np.empty((1080, 1920), np.float32)
    out = np.empty((1080, 1920), np.uint16)

    def move() -> None:
        depth_mm.sum()
        buffer.fill(0)
        np.copyto(out, buffer, casting="unsafe")

    return _ms(move)


def _judge(registered: NDArray[np.generic], rig: RigCalibration) -> dict[str, float]:
    """Compare with ray tracing where the infrared camera sees the surface, and where it cannot."""
    truth_m = _trace(rig.undistorted_color.rays(), rig.T_color_infrared)
    rays = rig.undistorted_color.rays()
    points_m = np.concatenate([rays * truth_m[..., None], truth_m[..., None]], axis=-1)
    in_infrared = rig.T_color_infrared.inverse().apply(points_m)
    own_rays = in_infrared[..., :2] / in_infrared[..., 2:]
    infrared = rig.cameras["infrared"]
    pixels = infrared.project(in_infrared)
    seen = (np.square(own_rays).sum(-1) < 1) & (pixels >= 0).all(-1)
    seen &= (pixels <= [infrared.width_px - 1, infrared.height_px - 1]).all(-1)
    unhidden = in_infrared[..., 2] < _trace(own_rays, RigidTransform.identity()) + 2e-3
    judged, shadow = seen & unhidden, seen & ~unhidden
    error_mm, filled = registered.astype(np.float64) - 1000 * truth_m, registered > 0
    on_surface = judged & filled & (np.abs(error_mm) < _SURFACE_MM)
    return {
        "rmse_mm": float(np.sqrt(np.square(error_mm[on_surface]).mean())),
        "holes_percent": 100 * float((judged & ~filled).sum() / judged.sum()),
        "shadow_fill_percent": 100 * float((shadow & filled).sum() / shadow.sum()),
    }


if __name__ == "__main__":
    main()
