"""Dataset build: what a moment costs, how many faces are found, how true the crops are."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import dlib
import numpy as np

from calibration.registration import undistort_color_px
from calibration.simulated import ideal_calibration
from capture.frame import KELVIN_PER_COUNT
from capture.simulation.rig import kinect2_rig
from capture.simulation.scene import SubjectScene
from capture.simulation.virtual_session import write_virtual_session
from mavfer.alignment import align, apply_similarity, invert_similarity, smooth_alignment
from mavfer.build import build_store
from mavfer.crops import crop_depth, crop_rig, crop_thermal
from mavfer.faces import FaceTracker
from mavfer.part import BuildPlan, SourceFile
from mavfer.splits import SplitPlan
from mavfer.store import ClipStore, open_store
from mavfer.store_writer import StoreLayout

from .figure import emit

REDUCED = {"color": 0.45, "infrared": 0.6, "thermal": 0.45}
FULL = {"color": 1.0, "infrared": 1.0, "thermal": 1.0}
CLIPS = Path(__file__).parents[2] / "shared" / "data" / "face_clips"
N_MOMENTS = 16
EVERYTHING_TRAINS = SplitPlan(fractions=(1.0, 0.0, 0.0))


def main() -> None:
    """Print all figures."""
    cv2.setNumThreads(1)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        _sessions(root / "reduced", REDUCED, "reduced", lights=("normal", "side", "near-dark"))
        store = _sessions(root / "full", FULL, "full", lights=("normal",))
        _reading(store, root)
        _films(root)
    _detection()
    _truth()


def _sessions(
    root: Path, scale: Mapping[str, float], name: str, *, lights: tuple[str, ...]
) -> ClipStore:
    rig = kinect2_rig(scale=scale)
    plan = BuildPlan(StoreLayout(), EVERYTHING_TRAINS, rig=ideal_calibration(rig))
    warm_up = True
    for light in lights:
        sessions = [
            SourceFile(
                write_virtual_session(
                    root / light,
                    SubjectScene(rig, subject_seed=seed, light=light, rate_hz=4.0),
                    subject=f"S{seed:02}",
                    rate_hz=4.0,
                    n_frames=N_MOMENTS,
                )
            )
            for seed in range(6)
        ]
        if warm_up:  # compiled kernels, predictors and lens tables are once a process
            build_store(root / "warm-up.h5", sessions[:1], plan)
            warm_up = False
        reports = build_store(root / f"{light}.h5", sessions, plan).parts
        n_frames = sum(report.n_frames for report in reports)
        cpu_ms = 1000 * sum(report.cpu_s for report in reports) / n_frames
        faces = 100 * sum(report.n_faces for report in reports) / n_frames
        emit("build", f"moment_cpu_{name}_{light}", cpu_ms, unit="ms")
        emit("build", f"faces_{name}_{light}", faces, unit="%")
    return open_store(root / f"{lights[-1]}.h5")


def _reading(store: ClipStore, root: Path) -> None:
    """Random clips of all modalities, beside the same arrays in uncompressed memory maps."""
    rng = np.random.default_rng(0)
    ids = list(store.videos)
    maps = {}
    for video_id in ids:
        for modality in store.modalities:
            path = root / f"{video_id}-{modality}.npy"
            np.save(path, store.read(video_id, 0, N_MOMENTS, modality))
            maps[video_id, modality] = np.load(path, mmap_mode="r")
    chosen = rng.choice(ids, 200)
    started_s = time.process_time()
    for video_id in chosen:
        for modality in store.modalities:
            store.read(video_id, 0, N_MOMENTS, modality)
    ours = len(chosen) / (time.process_time() - started_s)
    started_s = time.process_time()
    for video_id in chosen:
        for modality in store.modalities:
            np.array(maps[video_id, modality])
    peer = len(chosen) / (time.process_time() - started_s)
    emit("build", "clip_reads", ours, unit="clip/cpu-s", peer=peer, peer_name="numpy memmap, raw")


def _films(root: Path) -> None:
    clips = sorted(CLIPS.glob("*.mp4"))
    if not clips:
        return
    sources = [SourceFile(path, subject=path.stem, is_video=True) for path in clips]
    for name, rate_hz in (("native", 0.0), ("4hz", 4.0)):
        layout = StoreLayout(modalities=("color",), rate_hz=rate_hz)
        reports = build_store(
            root / f"{name}.h5", sources, BuildPlan(layout, EVERYTHING_TRAINS)
        ).parts
        worst = min(100 * report.n_faces / report.n_frames for report in reports)
        cpu_ms = 1000 * sum(r.cpu_s for r in reports) / sum(r.n_frames for r in reports)
        emit("build", f"real_clips_faces_{name}_worst", worst, unit="%")
        emit("build", f"real_clips_frame_cpu_{name}", cpu_ms, unit="ms")


def _moments(scale: Mapping[str, float], *, noise: bool, n: int) -> Iterator[tuple[int, object]]:
    rig = kinect2_rig(scale=scale)
    for seed in range(4):
        scene = SubjectScene(rig, subject_seed=seed, rate_hz=4.0, noise=noise)
        for index in range(n):
            yield index, scene.moment(index)


def _detection() -> None:
    """Tracking at full size beside the detector run on every whole frame at half size."""
    ours, peer = [], []
    detector = dlib.get_frontal_face_detector()
    tracker = FaceTracker(68)
    for index, moment in _moments(FULL, noise=True, n=6):
        grey = cv2.cvtColor(moment.images["color"], cv2.COLOR_BGR2GRAY)
        tracker = FaceTracker(68) if index == 0 else tracker
        started_s = time.process_time()
        tracker.look(grey)
        ours.append(time.process_time() - started_s)
        started_s = time.process_time()
        detector(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), 0)
        peer.append(time.process_time() - started_s)
    emit(
        "build",
        "find_face_1080p",
        1000 * float(np.mean(ours)),
        unit="ms",
        peer=1000 * float(np.mean(peer)),
        peer_name="dlib detector alone on every 960x540 frame, no landmarks",
    )


def _truth() -> None:
    """Crops of noise-free moments against the simulated world, with the true calibration."""
    rig = kinect2_rig(scale=REDUCED)
    calibration = ideal_calibration(rig)
    T_thermal_color = rig.T_thermal_infrared @ rig.T_color_infrared.inverse()
    cheeks = np.array([[30, 48], [65, 48], [33, 55], [62, 55], [47, 18]])
    depth_mm, thermal_k, jitter_px = [], [], []
    for seed in range(4):
        scene = SubjectScene(rig, subject_seed=seed, rate_hz=4.0, noise=False)
        tracker, aligned, eyes = FaceTracker(68), [], []
        for index in range(12):
            moment = scene.moment(index)
            truth_px = undistort_color_px(moment.truth.landmarks_px["color"], calibration)
            found = tracker.look(
                cv2.cvtColor(moment.images["color"], cv2.COLOR_BGR2GRAY)
            ).landmarks_px
            aligned.append(
                align(undistort_color_px(found, calibration), 68, crop_px=96)
                if found is not None
                else np.full((2, 3), np.nan)
            )
            eyes.append(truth_px[[36, 39, 42, 45]].mean(axis=0))
            T = align(truth_px, 68, crop_px=96)
            rig_of_crop = crop_rig(calibration, T, crop_px=96)
            depth = crop_depth(moment.images["depth"], rig_of_crop)
            thermal = crop_thermal(moment.images["thermal"], depth, rig_of_crop)
            at = np.rint(apply_similarity(T, truth_px[17:])).astype(int)
            true_mm = rig.T_color_infrared.apply(moment.truth.landmarks_m)[17:, 2] * 1000
            depth_mm.extend(np.abs(depth[at[:, 1], at[:, 0]] - true_mm))
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
            thermal_k.extend(np.abs(found_c - true_c))
        smoothed = smooth_alignment(np.array(aligned), np.arange(12) * 250_000_000, crop_px=96)
        places = np.array([apply_similarity(T, e) for T, e in zip(smoothed, eyes, strict=True)])
        away = places - np.nanmean(places, axis=0)
        jitter_px.append(np.sqrt(np.nanmean(np.square(away).sum(axis=1))))
    emit("build", "depth_error_p90", float(np.percentile(depth_mm, 90)), unit="mm")
    emit("build", "thermal_error_p95", float(np.percentile(thermal_k, 95)), unit="K")
    emit("build", "eye_jitter_in_crop_rms", float(np.mean(jitter_px)), unit="px")
