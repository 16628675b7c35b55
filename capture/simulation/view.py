"""One camera's view of a posed head: which triangle each pixel sees, and the buffers for it."""

import numpy as np
from numpy.typing import NDArray

from ..camera import CameraModel
from ..transform import RigidTransform
from .raster import camera_rays, intrinsics_vector, project_vertices, rasterise

_MARGIN_PX = 2


class View:
    """Buffers of one camera, reused from moment to moment; not for two threads at once.

    Attributes
    ----------
    rays : (H, W, 2) float32
    in_camera : (N, 3) float64
        Vertices of the latest `draw`, in this camera's frame.
    pixels : (N, 2) float32
    seen : (H, W) int32
        Triangle at each pixel, -1 for none.
    box : (4,) int64
        x0, y0, x1, y1 around the mesh, within the image.
    viewpoint_m : (3,) float64
        This camera in the infrared frame.
    """

    def __init__(
        self, camera: CameraModel, T_camera_infrared: RigidTransform, n_vertices: int
    ) -> None:
        self.rays = camera_rays(camera)
        self.pose = T_camera_infrared
        self.viewpoint_m = T_camera_infrared.inverse().translation_m
        self._matrix = np.column_stack([self.pose.rotation, self.pose.translation_m])
        self._intrinsics = intrinsics_vector(camera)
        self.in_camera = np.empty((n_vertices, 3))
        self.pixels = np.empty((n_vertices, 2), np.float32)
        size = (camera.height_px, camera.width_px)
        self.seen = np.full(size, -1, np.int32)
        self._nearness = np.zeros(size, np.float32)
        self.box: NDArray[np.int64] = np.zeros(4, np.int64)

    def draw(self, points: NDArray[np.float64], triangles: NDArray[np.int32]) -> None:
        """Project points (N, 3) of the infrared frame and find what each pixel sees."""
        x0, y0, x1, y1 = self.box
        self.seen[y0:y1, x0:x1] = -1
        self._nearness[y0:y1, x0:x1] = 0
        project_vertices(points, self._matrix, self._intrinsics, self.in_camera, self.pixels)
        height, width = self.seen.shape
        across, down = self.pixels.T  # one by one: along axis 0 numpy is twenty times as slow
        low = np.floor([across.min(), down.min()]).astype(np.int64) - _MARGIN_PX
        high = np.ceil([across.max(), down.max()]).astype(np.int64) + _MARGIN_PX
        self.box = np.array(
            [
                min(max(low[0], 0), width),
                min(max(low[1], 0), height),
                min(max(high[0], 0), width),
                min(max(high[1], 0), height),
            ],
            np.int64,
        )
        rasterise(self.pixels, self.in_camera, triangles, self._nearness, self.seen)
