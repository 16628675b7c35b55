"""A virtual subject sitting in front of the rig."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from .affect import AffectTrace
from .behaviour import Behaviour, SubjectState
from .confounders import Confounders, shadow_at, smooth_field
from .glasses import GLASS_C
from .head import head_of
from .identity import Identity, identity_from_seed
from .light import automatic_gain, light_named
from .moment import Moment, Truth
from .motion import Motion, resting_transform
from .noise_color import ColorSensor
from .noise_thermal import ThermalSensor
from .noise_tof import TofSensor
from .raster import pose_vertices, vertex_normals
from .rig import CAMERAS, CameraName, SimulatedRig
from .room import empty_room
from .shading import shade_color, shade_scalar
from .skin import EYEBALL_C, EYEBALL_INFRARED, TEXELS_PER_CELL
from .view import View

_OPTICS_SIGMA_PX = 0.7
_WINDOW_MARGIN_PX = 4
_HEAD_DEPTH_M = 0.09  # the face lies this much before the axis of the head
_NOSE_REST_K, _NOSE_AROUSAL_K, _NOSE_BREATH_K = -1.7, -0.9, 0.3
_FACE_RADIUS_M = 0.07
_FLUSH, _WARMTH_K = 0.25, 1.3
_DEPTH_ERROR_GRAIN_PX = 9.0


class SubjectScene:
    """A subject driven by an affect trace, as all cameras of a rig see it.

    Moments are pure functions of the arguments and the index. One scene object belongs to one
    thread (its buffers are reused); two objects with equal arguments make equal moments.

    Parameters
    ----------
    rig : SimulatedRig
    subject_seed : int
        Identity of the subject.
    light : str
        "bright", "normal", "side", "dim", "near-dark" or "dark".
    trace_seed : int, optional
        Seed of affect, motion and noise; `subject_seed` when omitted.
    period_s : float, optional
        Repeat affect and motion without a seam after this time (noise goes on).
    rate_hz : float
    distance_m : float
        Distance of the face from the infrared camera.
    motion : float
        Factor of head motion; 0 holds still.
    speech : float
        0..1: bursts of talking that have nothing to do with the affect.
    noise : bool
        False: ideal sensors; depth is then ``round(1000 z - depth_shift)`` exactly.
    identity : Identity, optional
        Another subject than the seed's.
    confounders : Confounders, optional
        What hides the feeling and disturbs the cameras; nothing does without them.
    """

    kind: Literal["subject", "board"] = "subject"

    def __init__(
        self,
        rig: SimulatedRig,
        *,
        subject_seed: int,
        light: str = "normal",
        trace_seed: int | None = None,
        period_s: float | None = None,
        rate_hz: float = 30.0,
        distance_m: float = 0.80,
        motion: float = 1.0,
        speech: float = 0.0,
        noise: bool = True,
        identity: Identity | None = None,
        confounders: Confounders | None = None,
    ) -> None:
        self.rig, self.rate_hz, self.noise = rig, rate_hz, noise
        self.seed = subject_seed if trace_seed is None else trace_seed
        self.identity = identity or identity_from_seed(subject_seed)
        self.head = head_of(self.identity)
        self.light = light_named(light)
        self.behaviour = Behaviour(
            self.identity,
            AffectTrace(self.seed, period_s),
            Motion(self.seed, motion, period_s, speech),
            confounders,
        )
        self._confounders = confounders
        self._options = {"distance_m": distance_m, "motion": motion, "speech": speech}
        self._anchor_m = (0.02, 0.02, distance_m + _HEAD_DEPTH_M)
        n_vertices = self.head.grid.n_rows * self.head.grid.n_cols
        self._views = {
            name: View(rig.camera(name), rig.T_camera_infrared(name), n_vertices)
            for name in CAMERAS
        }
        self._rooms = {
            name: empty_room(rig.camera(name), rig.T_camera_infrared(name), self.light)
            for name in CAMERAS
        }
        self._points = np.empty((n_vertices, 3))
        self._normals = np.empty((n_vertices, 3), np.float32)
        self._torso = np.ascontiguousarray(self.head.shape.torso.ravel())
        self._light_buffer = self._rooms["color"].light.copy()
        self.color_gain = self._metered_gain()
        self._color = ColorSensor(
            self._rooms["color"].light,
            gain=self.color_gain,
            scale=rig.scale["color"],
            noise=noise,
            seed=self.seed,
        )
        self._tof = TofSensor(
            shift_mm=rig.depth_shift_mm,
            noise=noise,
            seed=self.seed,
            error_mm=self._depth_error_mm(),
        )
        self._skin_error_k = self._skin_pattern_k()
        self._texture_c = np.empty_like(self.head.skin.temperature_c)
        self._thermal = ThermalSensor(
            rig.thermal.height_px,
            rig.thermal.width_px,
            scale=rig.scale["thermal"],
            noise=noise,
            seed=self.seed,
        )

    @property
    def color_rate_hz(self) -> float:
        """Rate of the color camera: halved where the light is dim."""
        return self.light.color_rate_hz

    def describe(self) -> dict[str, Any]:
        """Return the parameters that determine every moment."""
        return {
            "kind": self.kind,
            "identity": asdict(self.identity),
            "light": self.light.name,
            "seed": self.seed,
            "period_s": self.behaviour.trace.period_s,
            "rate_hz": self.rate_hz,
            "noise": self.noise,
            "device": self.rig.device,
            "scale": dict(self.rig.scale),
            "confounders": None if self._confounders is None else asdict(self._confounders),
            **self._options,
        }

    def state_at(self, time_s: float) -> SubjectState:
        """Return what the subject does at `time_s`."""
        return self.behaviour.at(time_s)

    def moment(self, index: int) -> Moment:
        """Render moment `index`, at time index / rate."""
        return self.render(self.state_at(index / self.rate_hz), index)

    def moving_window(self, indices: Iterable[int]) -> tuple[int, int, int, int]:
        """Return where in the color image anything moves over the moments `indices`.

        Returns
        -------
        x, y, width, height : int
        """
        camera, moving = self.rig.color, self._torso < 1
        low = np.array([camera.width_px, camera.height_px], np.float64)
        high = np.zeros(2)
        for index in indices:
            self._pose(self.state_at(index / self.rate_hz))
            points = self.rig.T_color_infrared.apply(self._points[moving])
            pixels = camera.project(points)
            low, high = np.minimum(low, pixels.min(axis=0)), np.maximum(high, pixels.max(axis=0))
        x0, y0 = (int(v) for v in np.maximum(np.floor(low) - _WINDOW_MARGIN_PX, 0))
        x1 = min(int(high[0]) + _WINDOW_MARGIN_PX, camera.width_px)
        y1 = min(int(high[1]) + _WINDOW_MARGIN_PX, camera.height_px)
        return x0, y0, x1 - x0, y1 - y0

    def render(self, state: SubjectState, index: int) -> Moment:
        """Render the subject in `state`; `index` gives the time and keys the noise."""
        time_s = index / self.rate_hz
        vertices = self._pose(state)
        color = self._color_image(vertices, state, index)
        (depth, infrared), depth_m = self._tof_images(index)
        thermal, temperature_c = self._thermal_image(state, time_s, index)
        landmarks_m = self._points[self.head.landmarks]
        return Moment(
            index=index,
            time_s=time_s,
            images={"color": color, "depth": depth, "infrared": infrared, "thermal": thermal},
            truth=Truth(
                depth_m=depth_m,
                temperature_c=temperature_c,
                valence=state.valence,
                arousal=state.arousal,
                T_infrared_head=state.pose.transform(self._anchor_m),
                landmarks_m=landmarks_m,
                landmarks_px={
                    name: self.rig.camera(name).project(
                        self.rig.T_camera_infrared(name).apply(landmarks_m)
                    )
                    for name in CAMERAS
                },
            ),
            color_gain=self.color_gain,
        )

    def _pose(self, state: SubjectState) -> NDArray[np.float32]:
        """Place the deformed head before the cameras; return its vertices, head frame."""
        vertices = self.head.deform(state.expression)
        head, rest = state.pose.transform(self._anchor_m), resting_transform(self._anchor_m)
        pose_vertices(
            vertices,
            self._torso,
            np.column_stack([head.rotation, head.translation_m]),
            np.column_stack([rest.rotation, rest.translation_m]),
            self._points,
        )
        grid = self.head.grid
        vertex_normals(self._points, grid.n_rows, grid.n_cols, self._normals)
        return vertices

    def _shade_color(self, vertices: NDArray[np.float32], state: SubjectState) -> View:
        view, head = self._views["color"], self.head
        view.draw(self._points, head.grid.triangles)
        centre, gaze = head.shape.eye_centre_m, state.expression.gaze_m
        shade_color(
            view.seen,
            view.rays,
            view.in_camera,
            self._points,
            self._normals,
            vertices,
            head.grid.triangles,
            head.grid.n_cols,
            TEXELS_PER_CELL,
            head.skin.rgb,
            head.skin.cheeks,
            np.float32(_FLUSH * state.flush),
            head.skin.material,
            np.array([centre[0], centre[1], *gaze, *self.identity.iris]),
            self.light.lamp_array(),
            np.array(self.light.ambient),
            view.viewpoint_m,
            view.box,
            self._light_buffer,
        )
        return view

    def _color_image(
        self, vertices: NDArray[np.float32], state: SubjectState, index: int
    ) -> NDArray[np.uint8]:
        view = self._shade_color(vertices, state)
        x0, y0, x1, y1 = view.box
        window = np.s_[y0:y1, x0:x1]
        sharp = self._light_buffer[window]
        if self._confounders is not None and self._confounders.shadow:
            sharp *= self._shadow(view, index / self.rate_hz, self._confounders.shadow)
        sigma_px = max(_OPTICS_SIGMA_PX * self.rig.scale["color"], 0.4)
        sharp[:] = cv2.GaussianBlur(sharp, (5, 5), sigma_px)
        image = self._color.develop(self._light_buffer, view.seen, view.box, index)
        self._light_buffer[window] = self._rooms["color"].light[window]
        return image

    def _tof_images(
        self, index: int
    ) -> tuple[tuple[NDArray[np.uint16], NDArray[np.uint16]], NDArray[np.float32]]:
        room = self._rooms["infrared"]
        albedo, depth_m, cosine = room.infrared.copy(), room.depth_m.copy(), room.cosine.copy()
        self._shade_scalar(
            "infrared", self.head.skin.infrared, EYEBALL_INFRARED, albedo, depth_m, cosine
        )
        return self._tof.measure(depth_m, albedo, cosine, index), depth_m

    def _thermal_image(
        self, state: SubjectState, time_s: float, index: int
    ) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
        room, skin = self._rooms["thermal"], self.head.skin
        nose_k = _NOSE_REST_K + _NOSE_AROUSAL_K * max(state.arousal, 0.0)
        texture = np.multiply(
            skin.nose, np.float32(nose_k + _NOSE_BREATH_K * state.breath), out=self._texture_c
        )
        texture += skin.temperature_c
        if state.warmth:
            texture += np.float32(_WARMTH_K * state.warmth) * skin.around_eyes
        if self._skin_error_k is not None:
            texture += self._skin_error_k
        temperature_c = room.temperature_c.copy()
        depth_m, cosine = np.empty_like(temperature_c), np.empty_like(temperature_c)
        eyeball_c = GLASS_C if self.identity.glasses else EYEBALL_C
        self._shade_scalar("thermal", texture, eyeball_c, temperature_c, depth_m, cosine)
        return self._thermal.measure(temperature_c, time_s, index), temperature_c

    def _shade_scalar(
        self,
        name: CameraName,
        texture: NDArray[np.float32],
        eyeball: float,
        value: NDArray[np.float32],
        depth_m: NDArray[np.float32],
        cosine: NDArray[np.float32],
    ) -> None:
        view, head = self._views[name], self.head
        view.draw(self._points, head.grid.triangles)
        normals = self._normals @ view.pose.rotation.T.astype(np.float32)
        shade_scalar(
            view.seen,
            view.rays,
            view.in_camera,
            normals,
            head.grid.triangles,
            head.grid.n_cols,
            TEXELS_PER_CELL,
            texture,
            head.skin.material,
            eyeball,
            view.box,
            value,
            depth_m,
            cosine,
        )

    def _shadow(self, view: View, time_s: float, share: float) -> NDArray[np.float32]:
        face = self._points[self.head.landmarks[30]][None]
        pixel = self.rig.color.project(self.rig.T_color_infrared.apply(face))[0]
        radius_px = _FACE_RADIUS_M * self.rig.color.fx_px / float(face[0, 2])
        return shadow_at(
            time_s,
            share=share,
            centre_px=(float(pixel[0]), float(pixel[1])),
            radius_px=radius_px,
            seed=self.seed,
            box=view.box,
        )

    def _depth_error_mm(self) -> NDArray[np.float32] | None:
        if self._confounders is None or not self._confounders.depth_error_mm:
            return None
        camera = self.rig.infrared
        grain_px = _DEPTH_ERROR_GRAIN_PX * self.rig.scale["infrared"]
        field = smooth_field(
            camera.height_px, camera.width_px, grain=grain_px, seed=self.seed, stream=1
        )
        return np.float32(self._confounders.depth_error_mm) * field

    def _skin_pattern_k(self) -> NDArray[np.float32] | None:
        if self._confounders is None or not self._confounders.skin_error_k:
            return None
        height, width = self.head.skin.temperature_c.shape
        coarse = smooth_field(height // 8, width // 8, grain=4.0, seed=self.seed, stream=2)
        field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.float32(self._confounders.skin_error_k) * field.astype(np.float32, copy=False)

    def _metered_gain(self) -> float:
        """Expose for the resting face: the camera meters on it once, before anything moves."""
        state = SubjectState()
        view = self._shade_color(self._pose(state), state)
        x0, y0, x1, y1 = view.box
        centre = np.array([[0.0, -0.02, _HEAD_DEPTH_M]])
        on_face = state.pose.transform(self._anchor_m).apply(centre)
        pixel = self.rig.color.project(self.rig.T_color_infrared.apply(on_face))[0]
        radius_px = _FACE_RADIUS_M * self.rig.color.fx_px / float(on_face[0, 2])
        v, u = np.mgrid[y0:y1, x0:x1]
        face = (u - pixel[0]) ** 2 + (v - pixel[1]) ** 2 < radius_px**2
        face &= view.seen[y0:y1, x0:x1] >= 0
        window = self._light_buffer[y0:y1, x0:x1]
        mean = float(window[face].mean()) if face.any() else 1.0
        window[:] = self._rooms["color"].light[y0:y1, x0:x1]
        room = self._rooms["color"].light
        return automatic_gain(self.light, mean, float(room[::4, ::4].mean()))
