"""The simulated rig: what detectors find in its pictures, how true its depth is, how fast it is."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.simulation.behaviour import SubjectState
from capture.simulation.board import BoardScene
from capture.simulation.board_shape import BOARD_COLUMNS, BOARD_ROWS
from capture.simulation.expression import Expression, combine, lid_from_affect, units_from_affect
from capture.simulation.moment import Moment
from capture.simulation.motion import HeadPose
from capture.simulation.playback import prepare_loop
from capture.simulation.rig import kinect2_rig
from capture.simulation.scene import SubjectScene

from .figure import emit

_BENCH = "sim"
_N_SUBJECTS, _N_POSES = 24, 5
_FIRST_SEED = 1000  # none of the subjects the landmarks were fitted on
_N_VIEWS = 10
_N_TIMED = 40
_YAW_DEG, _PITCH_DEG, _ROLL_DEG = 20.0, 8.0, 8.0
_INNER = slice(17, 68)
_EYE_CORNERS = (36, 45)
_IR_WHITE_PERCENTILE = 99.5


def main() -> None:
    cv2.setNumThreads(1)
    _detection()
    _depth()
    _board()
    _speed()
    _playback()


def _detection() -> None:
    """Random subjects in bright and normal light, |yaw| <= 20 degrees, any expression."""
    import dlib
    import face_recognition_models

    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(face_recognition_models.pose_predictor_model_location())
    in_color, in_infrared, errors = [], [], []
    for moment in _random_moments():
        grey = cv2.cvtColor(moment.images["color"], cv2.COLOR_BGR2GRAY)
        true = moment.truth.landmarks_px
        box = _face(detector(grey, 0), true["color"])
        in_color.append(box is not None)
        infrared = _stretched(moment.images["infrared"])
        in_infrared.append(_face(detector(infrared, 1), true["infrared"]) is not None)
        if box is not None:
            parts = predictor(grey, box).parts()
            found = np.array([(part.x, part.y) for part in parts], np.float64)
            a, b = (true["color"][corner] for corner in _EYE_CORNERS)
            error = np.linalg.norm(found - true["color"], axis=1) / np.linalg.norm(a - b)
            errors.append(error[_INNER])
    emit(_BENCH, "detected_color_percent", 100 * float(np.mean(in_color)), unit="%")
    emit(_BENCH, "detected_ir_percent", 100 * float(np.mean(in_infrared)), unit="%")
    emit(_BENCH, "detection_frames", len(in_color), unit="frames")
    emit(_BENCH, "landmark_error", float(np.median(errors)), unit="outer-eye distances")


def _random_moments() -> Iterator[Moment]:
    rig, rng = kinect2_rig(), np.random.default_rng(7)
    for seed in range(_N_SUBJECTS):
        scene = SubjectScene(
            rig,
            subject_seed=_FIRST_SEED + seed,
            light=("bright", "normal")[seed % 2],
            distance_m=float(rng.uniform(0.65, 0.95)),
        )
        who = scene.identity
        for index in range(_N_POSES):
            valence, arousal = (float(v) for v in rng.uniform(-0.9, 0.9, 2))
            yaw, pitch, roll = (float(v) for v in rng.uniform(-1, 1, 3))
            units = combine(units_from_affect(valence, arousal), who.au_gain, who.au_rest)
            state = SubjectState(
                valence,
                arousal,
                Expression(units, lid_from_affect(valence, arousal)),
                HeadPose(_YAW_DEG * yaw, _PITCH_DEG * pitch, _ROLL_DEG * roll),
            )
            yield scene.render(state, index)


def _face(boxes: Any, landmarks_px: NDArray[np.float64]) -> Any:
    """Return the box round the true face; a box elsewhere is no detection."""
    middle = landmarks_px[_INNER].mean(axis=0)
    for box in boxes:
        if box.left() < middle[0] < box.right() and box.top() < middle[1] < box.bottom():
            return box
    return None


def _stretched(infrared: NDArray[np.uint16]) -> NDArray[np.uint8]:
    white = np.percentile(infrared, _IR_WHITE_PERCENTILE)
    root = np.sqrt(infrared.astype(np.float32) / white)
    return np.clip(root * 255, 0, 255).astype(np.uint8)


def _depth() -> None:
    """Largest deviation of noise-free depth from the board's plane, cut by exact rays."""
    rig = kinect2_rig()
    scene = BoardScene(rig, n_views=_N_VIEWS, hold_s=0.01, noise=False)
    rays = rig.infrared.rays()
    worst_mm = 0.0
    for view in range(_N_VIEWS):
        moment, pose = scene.moment(view), scene.poses[view]
        normal = pose.rotation[:, 2]
        z_m = (normal @ pose.translation_m) / (rays @ normal[:2] + normal[2])
        points = pose.inverse().apply(np.dstack([rays * z_m[..., None], z_m]))
        printed = np.all((points[..., :2] > 0) & (points[..., :2] < (0.12, 0.18)), axis=-1)
        measured = moment.images["depth"][printed].astype(np.float64) + rig.depth_shift_mm
        worst_mm = max(worst_mm, float(np.abs(measured - 1000 * z_m[printed]).max()))
    emit(_BENCH, "depth_error_mm", worst_mm, unit="mm")


def _board() -> None:
    """Corners as findChessboardCornersSB gives them, and refined by cornerSubPix."""
    scene = BoardScene(kinect2_rig(), n_views=_N_VIEWS, hold_s=0.01)
    detected, refined, found = [], [], 0
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    for view in range(_N_VIEWS):
        moment = scene.moment(view)
        grey = cv2.cvtColor(moment.images["color"], cv2.COLOR_BGR2GRAY)
        flags = cv2.CALIB_CB_EXHAUSTIVE | cv2.CALIB_CB_ACCURACY
        ok, corners = cv2.findChessboardCornersSB(grey, (BOARD_COLUMNS, BOARD_ROWS), flags)
        found += ok
        if ok:
            true = moment.truth.corners_px["color"]
            detected.append(_mean_square(corners, true))
            refined.append(
                _mean_square(cv2.cornerSubPix(grey, corners, (7, 7), (-1, -1), stop), true)
            )
    emit(_BENCH, "board_found_percent", 100 * found / _N_VIEWS, unit="%")
    emit(_BENCH, "board_corner_rms_px", float(np.sqrt(np.mean(refined))), unit="px")
    emit(_BENCH, "board_corner_rms_unrefined_px", float(np.sqrt(np.mean(detected))), unit="px")


def _mean_square(corners: NDArray[np.float32], true: NDArray[np.float64]) -> float:
    """Mean squared distance; the board looks the same turned by 180 degrees."""
    seen = corners.reshape(-1, 2)
    return min(float(((order - true) ** 2).sum(1).mean()) for order in (seen, seen[::-1]))


def _speed() -> None:
    """Full moments of a moving subject; CPU time counts one core, whoever else is running."""
    sizes: dict[str, dict[str, float] | float] = {
        "moments_per_s": 1.0,
        "moments_per_s_reduced": {"color": 0.45, "infrared": 0.6, "thermal": 0.45},
    }
    for metric, scale in sizes.items():
        scene = SubjectScene(kinect2_rig(scale=scale), subject_seed=1)
        scene.moment(0)
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        for index in range(_N_TIMED):
            scene.moment(index)
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        emit(_BENCH, metric, _N_TIMED / cpu_s, unit="1/s of one core")
        emit(_BENCH, f"{metric}_wall", _N_TIMED / wall_s, unit="1/s as loaded")


def _playback() -> None:
    with _own_cache():
        loop = prepare_loop({"subject_seed": 1, "period_s": 2.0})
        slowest = {"cpu": np.inf, "wall": np.inf}
        for stream in ("color", "depth", "infrared", "thermal"):
            loop.image(stream, 0)
            cpu_s, wall_s = time.process_time(), time.perf_counter()
            for number in range(_N_TIMED):
                loop.image(stream, number % loop.n_moments, number=number)
            slowest["cpu"] = min(slowest["cpu"], _N_TIMED / (time.process_time() - cpu_s))
            slowest["wall"] = min(slowest["wall"], _N_TIMED / (time.perf_counter() - wall_s))
    emit(_BENCH, "playback_fps", slowest["wall"], unit="fps of the slowest stream")
    emit(_BENCH, "playback_fps_cpu", slowest["cpu"], unit="fps of one core")


@contextmanager
def _own_cache() -> Iterator[None]:
    before = os.environ.get("MAVFER_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MAVFER_CACHE_DIR"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["MAVFER_CACHE_DIR"]
            else:
                os.environ["MAVFER_CACHE_DIR"] = before
