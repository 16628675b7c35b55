"""A reduced rig whose faces are large enough to be found, and one short session of it."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from annotation.labels import Labels, SessionLabels, save_labels
from calibration.rig import RigCalibration, save_rig_calibration
from calibration.simulated import ideal_calibration
from capture.frame import DeviceEvent, Frame
from capture.recording import open_recording
from capture.simulation.moment import Moment
from capture.simulation.rig import SimulatedRig
from capture.simulation.scene import SubjectScene
from capture.simulation.virtual_session import write_virtual_session
from capture.writer import RecordingWriter

RATE_HZ = 4.0
N_MOMENTS = 18


@dataclass(frozen=True)
class Laboratory:
    """Sessions of three subjects with their calibration and labels."""

    sessions: tuple[Path, ...]
    calibration: Path
    labels: Path
    scenes: Mapping[str, SubjectScene]


@pytest.fixture(scope="session")
def face_calibration(small_rig: SimulatedRig) -> RigCalibration:
    return ideal_calibration(small_rig)


@pytest.fixture(scope="session")
def ideal_moments(small_rig: SimulatedRig) -> list[Moment]:
    """Noise-free moments of one subject, lit normally."""
    scene = SubjectScene(small_rig, subject_seed=2, rate_hz=RATE_HZ, noise=False)
    return [scene.moment(index) for index in range(6)]


@pytest.fixture(scope="session")
def dark_moments(small_rig: SimulatedRig) -> list[Moment]:
    """Moments of a dark-skinned subject in a near-dark room: color shows next to nothing."""
    scene = SubjectScene(small_rig, subject_seed=2, light="near-dark", rate_hz=RATE_HZ)
    return [scene.moment(index) for index in range(4)]


@pytest.fixture(scope="session")
def laboratory(
    tmp_path_factory: pytest.TempPathFactory,
    small_rig: SimulatedRig,
    face_calibration: RigCalibration,
) -> Laboratory:
    root = tmp_path_factory.mktemp("laboratory")
    save_rig_calibration(root / "rig.yaml", face_calibration)
    sessions, labels, scenes = [], {}, {}
    for seed, light in ((2, "normal"), (3, "side"), (4, "near-dark")):
        scene = SubjectScene(small_rig, subject_seed=seed, light=light, rate_hz=RATE_HZ)
        path = write_virtual_session(
            root / "sessions",
            scene,
            subject=f"S{seed:02}",
            rate_hz=RATE_HZ,
            n_frames=N_MOMENTS,
        )
        time_ns = np.arange(2 * N_MOMENTS + 2) * 125_000_000
        states = [scene.state_at(t / 1e9) for t in time_ns]
        labels[path.name] = SessionLabels(
            time_ns,
            np.array([s.valence for s in states]),
            np.array([s.arousal for s in states]),
            np.full(len(time_ns), 3),
        )
        sessions.append(path)
        scenes[path.name] = scene
    save_labels(root / "labels.csv", Labels(labels))
    return Laboratory(tuple(sessions), root / "rig.yaml", root / "labels.csv", scenes)


def record_anew(
    session: Path,
    root: Path,
    edit: Callable[[Frame], Frame | None] = lambda frame: frame,
    *,
    events: Iterable[DeviceEvent] = (),
    without: str = "",
) -> Path:
    """Copy `session` into `root`: frames edited (None drops), events added, a stream left out."""
    path = root / session.name
    path.mkdir(parents=True)
    shutil.copy(session / "session.json", path)
    for file in session.glob("*.mcap"):
        recording = open_recording(file)
        kept = {name: s for name, s in recording.streams.items() if name != without}
        if not kept:
            continue
        specs = tuple(spec for spec in recording.info.streams if spec.name in kept)
        frames = [stream.read(i) for stream in kept.values() for i in range(len(stream))]
        with RecordingWriter(
            path / file.name,
            daemon=recording.daemon,
            info=replace(recording.info, streams=specs),
            session_uuid=recording.session_uuid,
            host=recording.host,
        ) as writer:
            for probe in recording.probes:
                writer.probe(probe)
            for frame in sorted(frames, key=lambda f: (f.host_time_ns, f.stream)):
                changed = edit(frame)
                if changed is not None:
                    writer.append(changed)
                    writer.sync()
            for event in events:
                if event.stream in kept:
                    writer.event(event)
    return path


@pytest.fixture
def recorded_anew(laboratory: Laboratory, tmp_path: Path) -> Callable[..., Path]:
    """`record_anew` of the laboratory's first session into a folder of its own."""

    def anew(*args: object, **options: object) -> Path:
        root = tmp_path / f"anew{len(list(tmp_path.glob('anew*')))}"
        return record_anew(laboratory.sessions[0], root, *args, **options)  # type: ignore[arg-type]

    return anew
