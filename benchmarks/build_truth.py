"""How true a built store is: against the virtual world, and against people's landmarks."""

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from annotation.labels import Labels, SessionLabels
from calibration.registration import (
    color_to_infrared_px,
    color_to_thermal_px,
    undistort_color_px,
)
from calibration.rig import RigCalibration
from calibration.simulated import ideal_calibration
from capture.frame import KELVIN_PER_COUNT
from capture.simulation.rig import SimulatedRig, kinect2_rig
from capture.simulation.scene import SubjectScene
from capture.simulation.virtual_session import write_virtual_session
from mavfer.alignment import align, apply_similarity, invert_similarity
from mavfer.build import build_store
from mavfer.crops import crop_depth, crop_rig, crop_thermal
from mavfer.face_detector import detect_everywhere, refined_landmarks
from mavfer.labelling import Labelling
from mavfer.landmarks import ANCHORS
from mavfer.part import BuildPlan, SourceFile
from mavfer.splits import SplitPlan
from mavfer.store import ClipStore, open_store
from mavfer.store_schema import FACE_IN_INFRARED
from mavfer.store_writer import StoreLayout

from .figure import Bar, emit
from .thermal_shift import thermal_shifts_px

REDUCED = {"color": 0.45, "infrared": 0.6, "thermal": 0.45}
DATA = Path(__file__).parents[2] / "shared" / "data"
N_MOMENTS = 40
RATE_HZ = 4.0
LIGHTS = ("bright", "normal", "side", "near-dark")
INNER = slice(17, 68)
EVERYTHING_TRAINS = SplitPlan(fractions=(1.0, 0.0, 0.0))
_WRONG_FRAME = 0.15
"""Anchors this far from a moment's true ones, in eye distances, are another moment's (or face)."""
_WRONG_LABEL = 0.02
_LEAST_FACES_PERCENT = {"bright": 99.0, "normal": 99.0, "near-dark": 97.0}


def laboratory_root(root: Path) -> list[Bar]:
    """Twelve subjects, three of them in the dark: faces found, and every row's own truth."""
    rig = kinect2_rig(scale=REDUCED)
    scenes = {}
    for number in range(12):
        light = LIGHTS[number % len(LIGHTS)]
        scene = SubjectScene(rig, subject_seed=20 + number, light=light, rate_hz=RATE_HZ)
        path = write_virtual_session(
            root / "laboratory",
            scene,
            subject=f"S{number:02}",
            rate_hz=RATE_HZ,
            n_frames=N_MOMENTS,
        )
        scenes[path] = (scene, light)
    gold = Labels({path.name: _labels(scene) for path, (scene, _) in scenes.items()})
    calibration = ideal_calibration(rig)
    plan = BuildPlan(
        StoreLayout(),
        SplitPlan(),
        rig=calibration,
        labelling=Labelling(gold),
    )
    build_store(root / "laboratory.h5", [SourceFile(path) for path in scenes], plan, workers=2)
    valid: dict[str, list[float]] = defaultdict(list)
    dark_by_infrared, thermal_px, n_wrong = [], [], 0
    with open_store(root / "laboratory.h5") as store:
        for path, (scene, light) in scenes.items():
            valid[light].append(float(store.valid(path.name)["face"].mean()))
            if light == "near-dark":
                source = store.face_source(path.name)
                dark_by_infrared.append(float((source == FACE_IN_INFRARED).mean()))
            n_wrong += _wrong_rows(store, path.name, scene, calibration)
            thermal_px += _thermal_shifts(store, path.name, scene)
    bars = []
    for light, shares in valid.items():
        percent = 100 * float(np.mean(shares))
        emit("build", f"faces_{light}", percent, unit="%")
        if light in _LEAST_FACES_PERCENT:
            bars.append(Bar(f"faces_{light}", percent, at_least=_LEAST_FACES_PERCENT[light]))
    emit("build", "near-dark_by_infrared", 100 * float(np.mean(dark_by_infrared)), unit="%")
    emit("build", "mislabelled_frames", n_wrong, unit=f"of {12 * N_MOMENTS}")
    bars.append(Bar("mislabelled_frames", n_wrong, at_most=0))
    return bars + _judge_apart("thermal_pixels", np.array(thermal_px))


def _thermal_shifts(store: ClipStore, name: str, scene: SubjectScene) -> list[NDArray[np.float64]]:
    """Shifts of the thermal crop's pixels, of every fourth row that shows the face."""
    rows = np.flatnonzero(store.valid(name)["face"] & store.valid(name)["thermal"])[::4]
    places, seq = store.T_crop_color(name), store.seq(name, "thermal")
    return [
        thermal_shifts_px(
            cast(NDArray[np.uint16], store.read(name, int(row), 1, "thermal")[0]),
            places[row],
            scene.moment(int(seq[row])).truth,
            scene.rig,
        )
        for row in rows
    ]


def _judge_apart(name: str, apart_px: NDArray[np.float64]) -> list[Bar]:
    """Emit median and 95th percentile of distances within crops, and hold them to their bars."""
    bars = []
    for metric, percent, most_px in (("median", 50, 1.0), ("p95", 95, 2.0)):
        value = float(np.nanpercentile(apart_px, percent))
        emit("build", f"{name}_{metric}", value, unit="crop px")
        bars.append(Bar(f"{name}_{metric}", value, at_most=most_px))
    return bars


def _labels(scene: SubjectScene) -> SessionLabels:
    time_ns = np.arange(2 * N_MOMENTS + 2) * 125_000_000
    states = [scene.state_at(t / 1e9) for t in time_ns]
    return SessionLabels(
        time_ns,
        np.array([s.valence for s in states]),
        np.array([s.arousal for s in states]),
        np.full(len(time_ns), 3),
    )


def _wrong_rows(
    store: ClipStore, name: str, scene: SubjectScene, calibration: RigCalibration
) -> int:
    """Count rows whose landmarks or labels are not those of the moment their frame shows."""
    found, seq = store.landmarks_px(name), store.seq(name, "color")
    valence, arousal = store.labels(name, "valence"), store.labels(name, "arousal")
    # In dim light the color camera takes every other moment.
    every = max(1, round(scene.rate_hz / scene.color_rate_hz))
    n_wrong = 0
    for row in np.flatnonzero(store.valid(name)["face"]):
        moment = scene.moment(int(seq[row]) * every)
        truth_px = undistort_color_px(moment.truth.landmarks_px["color"], calibration)
        anchors = list(ANCHORS[68])
        away = np.linalg.norm((found[row] - truth_px)[anchors].mean(axis=0))
        felt = moment.truth.affect or (np.nan, np.nan)
        label_error = max(abs(valence[row] - felt[0]), abs(arousal[row] - felt[1]))
        eyes_px = np.linalg.norm(truth_px[36] - truth_px[45])
        n_wrong += bool(away > _WRONG_FRAME * eyes_px or not label_error <= _WRONG_LABEL)
    return n_wrong


def films(root: Path) -> None:
    """Real films: faces in their frames, at their own rate and at 4 Hz."""
    clips = sorted((DATA / "face_clips").glob("*.mp4"))
    if not clips:
        return
    sources = [SourceFile(path, subject=path.stem, is_video=True) for path in clips]
    for name, rate_hz in (("native", 0.0), ("4hz", 4.0)):
        layout = StoreLayout(modalities=("color",), rate_hz=rate_hz)
        parts = build_store(
            root / f"{name}.h5", sources, BuildPlan(layout, EVERYTHING_TRAINS)
        ).parts
        worst = min(100 * part.n_faces / part.n_frames for part in parts)
        cpu_ms = 1000 * sum(p.cpu_s for p in parts) / sum(p.n_frames for p in parts)
        emit("build", f"real_clips_faces_{name}_worst", worst, unit="%")
        emit("build", f"real_clips_frame_cpu_{name}", cpu_ms, unit="ms")


def photographs() -> None:
    """Photographs with landmarks placed by people (some may be in the predictor's training)."""
    errors, n_people, n_found = [], 0, 0
    for listing in sorted((DATA / "dlib_faces").glob("*_with_face_landmarks.xml")):
        for picture in ET.parse(listing).getroot().iter("image"):
            path = listing.parent / picture.attrib["file"]
            grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            for truth in _people(picture):
                n_people += 1
                found = _landmarks_near(grey, truth)
                if found is not None:
                    n_found += 1
                    eyes_px = np.linalg.norm(truth[36] - truth[45])
                    errors.append(np.linalg.norm(found - truth, axis=1).mean() / eyes_px)
    if n_people:
        emit("build", "photographs_faces_found", n_found, unit=f"of {n_people}")
        for name, value in (("mean", np.mean(errors)), ("median", np.median(errors))):
            metric = f"photographs_landmark_error_{name}"
            emit("build", metric, float(value), unit="eye distances")


def _people(picture: ET.Element) -> Iterator[NDArray[np.float64]]:
    for box in picture.iter("box"):
        parts = sorted(box.iter("part"), key=lambda part: part.attrib["name"])
        if len(parts) == 68:
            yield np.array([(float(p.attrib["x"]), float(p.attrib["y"])) for p in parts])


def _landmarks_near(
    grey: NDArray[np.uint8], truth: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Find the face round which a person has placed landmarks: others may stand close by."""
    low, high = truth.min(axis=0), truth.max(axis=0)
    margin = 0.6 * (high - low).max()
    x0, y0 = np.maximum(low - margin, 0).astype(int)
    x1, y1 = (high + margin).astype(int)
    cut = np.ascontiguousarray(grey[y0:y1, x0:x1])
    middle = truth[INNER].mean(axis=0) - (x0, y0)
    boxes = [b for height_px in (420, 720) for b in detect_everywhere(cut, height_px)]
    near = [b for b in boxes if np.hypot(b.x_px - middle[0], b.y_px - middle[1]) < b.side_px / 2]
    if not near:
        return None
    found: NDArray[np.float64] = refined_landmarks(cut, near[0], 68) + np.array([x0, y0])
    return found


def skin_agreement() -> list[Bar]:
    """Measure how near the depth crop leads landmarks to their pixels in the other cameras.

    All lights, noise on. Faces are aligned by their true landmarks and the calibration is ideal:
    this is what registration alone costs. `laboratory_root` has detected faces, and thermal pixels.
    """
    rig = kinect2_rig(scale=REDUCED)
    calibration = ideal_calibration(rig)
    apart_px: Mapping[str, list[NDArray[np.float64]]] = {"depth": [], "thermal": []}
    depth_mm: list[NDArray[np.float64]] = []
    for number, light in enumerate(LIGHTS):
        scene = SubjectScene(rig, subject_seed=30 + number, light=light, rate_hz=RATE_HZ)
        for index in range(0, 24, 3):
            moment = scene.moment(index)
            truth_px = undistort_color_px(moment.truth.landmarks_px["color"], calibration)
            T = align(truth_px, 68, crop_px=96)
            rig_of_crop = crop_rig(calibration, T, crop_px=96)
            depth = crop_depth(moment.images["depth"], rig_of_crop)
            at = np.rint(apply_similarity(T, truth_px[INNER])).astype(int)
            z_m = depth[at[:, 1], at[:, 0]] / 1000
            for name, find, camera in (
                ("depth", color_to_infrared_px, "infrared"),
                ("thermal", color_to_thermal_px, "thermal"),
            ):
                seen = find(truth_px[INNER], z_m, calibration)
                miss = seen - moment.truth.landmarks_px[camera][INNER]
                fx_ratio = calibration.cameras["color"].fx_px / calibration.cameras[camera].fx_px
                apart_px[name].append(
                    np.linalg.norm(miss, axis=1) * float(np.hypot(T[0, 0], T[1, 0])) * fx_ratio
                )
            true_mm = rig.T_color_infrared.apply(moment.truth.landmarks_m)[INNER, 2] * 1000
            depth_mm.append(np.abs(np.where(z_m > 0, 1000 * z_m, np.nan) - true_mm))
    bars = []
    for name, values in apart_px.items():
        bars += _judge_apart(f"landmarks_color_{name}", np.concatenate(values))
    p90 = float(np.nanpercentile(np.concatenate(depth_mm), 90))
    emit("build", "depth_error_p90", p90, unit="mm")
    emit("build", "thermal_error_p95", _thermal_error_k(rig, calibration), unit="K")
    return bars


def _thermal_error_k(rig: SimulatedRig, calibration: RigCalibration) -> float:
    """Temperature of cheeks and forehead in noise-free crops against the simulated world."""
    T_thermal_color = rig.T_thermal_infrared @ rig.T_color_infrared.inverse()
    cheeks = np.array([[30, 48], [65, 48], [33, 55], [62, 55], [47, 18]])
    errors: list[NDArray[np.float64]] = []
    for seed in range(4):
        scene = SubjectScene(rig, subject_seed=seed, rate_hz=RATE_HZ, noise=False)
        for index in range(6):
            moment = scene.moment(index)
            truth_px = undistort_color_px(moment.truth.landmarks_px["color"], calibration)
            T = align(truth_px, 68, crop_px=96)
            rig_of_crop = crop_rig(calibration, T, crop_px=96)
            depth = crop_depth(moment.images["depth"], rig_of_crop)
            thermal = crop_thermal(moment.images["thermal"], depth, rig_of_crop)
            z_m = depth[cheeks[:, 1], cheeks[:, 0]] / 1000
            rays = rig.color.without_distortion().unproject(
                apply_similarity(invert_similarity(T), cheeks.astype(float))
            )
            points_m = np.concatenate([rays * z_m[:, None], z_m[:, None]], axis=1)
            at_px = rig.thermal.project(T_thermal_color.apply(points_m)).astype(np.float32)
            true_c = cv2.remap(
                moment.truth.temperature_c, at_px[:, None, 0], at_px[:, None, 1], cv2.INTER_LINEAR
            ).ravel()
            found_c = thermal[cheeks[:, 1], cheeks[:, 0]] * KELVIN_PER_COUNT - 273.15
            errors.append(np.abs(found_c - true_c))
    return float(np.percentile(np.concatenate(errors), 95))
