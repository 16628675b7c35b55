"""Analytic scenes with ray-traced depth, and a board session of the simulated rig."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from capture.camera import CameraModel
from capture.simulation.board import BoardScene
from capture.simulation.rig import kinect2_rig
from capture.simulation.virtual_session import write_virtual_session
from capture.transform import RigidTransform


@dataclass(frozen=True)
class AnalyticScene:
    """A tilted plane behind a sphere, in the infrared camera's frame, metres."""

    normal: tuple[float, float, float] = (0.15, -0.1, -1.0)
    plane_offset_m: float = -2.0
    centre_m: tuple[float, float, float] = (0.05, 0.02, 1.2)
    radius_m: float = 0.3

    def depth_m(
        self, rays: NDArray[np.float64], T_camera_infrared: RigidTransform
    ) -> NDArray[np.float64]:
        """z along each ray (..., 2) of a camera; exact."""
        directions = np.concatenate([rays, np.ones((*rays.shape[:-1], 1))], axis=-1)
        rotation, translation_m = T_camera_infrared.rotation, T_camera_infrared.translation_m
        normal = rotation @ np.array(self.normal)
        offset_m = self.plane_offset_m + normal @ translation_m
        plane_m = offset_m / (directions @ normal)
        centre = T_camera_infrared.apply(np.array(self.centre_m))
        a = np.square(directions).sum(-1)
        b = directions @ centre
        inside = b * b - a * (centre @ centre - self.radius_m**2)
        sphere_m = (b - np.sqrt(np.maximum(inside, 0))) / a
        return np.where(inside > 0, sphere_m, plane_m)


@pytest.fixture(scope="session")
def scene() -> AnalyticScene:
    return AnalyticScene()


@pytest.fixture(scope="session")
def measure_depth() -> Callable[[AnalyticScene, CameraModel, float], NDArray[np.uint16]]:
    """What an ideal depth camera with that shift measures: true = measured + shift."""

    def measure(scene: AnalyticScene, infrared: CameraModel, shift_mm: float) -> NDArray[np.uint16]:
        true_mm = 1000 * scene.depth_m(infrared.rays(), RigidTransform.identity())
        return np.round(true_mm - shift_mm).astype(np.uint16)

    return measure


@pytest.fixture(scope="session")
def board_scene() -> BoardScene:
    """Twenty views of the board by a reduced rig, noise on; ten of them whole in thermal."""
    rig = kinect2_rig(scale={"color": 0.45, "infrared": 0.6, "thermal": 0.45})
    return BoardScene(rig, n_views=20, seed=11, hold_s=0.6, rate_hz=10)


@pytest.fixture(scope="session")
def board_session(board_scene: BoardScene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those views as a recorded session."""
    return write_virtual_session(
        tmp_path_factory.mktemp("sessions"),
        board_scene,
        subject="BOARD",
        rate_hz=10,
        n_frames=20 * 6,
        kind="board",
    )


@pytest.fixture(scope="session")
def tiny_board_session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three views by very small cameras: enough to be refused for a reason."""
    scene = BoardScene(kinect2_rig(scale=0.35), n_views=3, seed=2, hold_s=0.3, rate_hz=10)
    root = tmp_path_factory.mktemp("tiny")
    return write_virtual_session(root, scene, subject="BOARD", rate_hz=10, n_frames=9, kind="board")
