"""Dataset build: moments a second, two workers against one, memory, faces found, crops' truth."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import dlib
import face_recognition_models as weights
import numpy as np

from calibration.rig import save_rig_calibration
from calibration.simulated import ideal_calibration
from capture.session import open_session
from capture.simulation.moment import Moment
from capture.simulation.rig import kinect2_rig
from capture.simulation.scene import SubjectScene
from capture.simulation.virtual_session import write_virtual_session
from mavfer.face_detector import FaceBox, refined_landmarks
from mavfer.faces import FaceTracker

from .build_truth import films, laboratory_root, photographs, skin_agreement
from .figure import emit, require

FULL = {"color": 1.0, "infrared": 1.0, "thermal": 1.0}
RATE_HZ = 10.0
N_LOOP = 20
SHORT, LONG = 256, 1536
_WATCH_EVERY_S = 0.05


def main() -> None:
    """Print all figures; fail if one of correctness misses its bar."""
    cv2.setNumThreads(1)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        _throughput(root)
        bars = laboratory_root(root)
        films(root)
    _finding()
    photographs()
    require(bars + skin_agreement())


class _Loop(SubjectScene):
    """A scene without a seam whose moments are rendered once: a long session in a short time."""

    def __init__(self) -> None:
        rig = kinect2_rig(scale=FULL)
        super().__init__(rig, subject_seed=1, rate_hz=RATE_HZ, period_s=N_LOOP / RATE_HZ)
        self._rendered: dict[int, Moment] = {}

    def moment(self, index: int) -> Moment:
        """Return the moment of the loop that `index` falls on."""
        within = index % N_LOOP
        if within not in self._rendered:
            self._rendered[within] = super().moment(within)
        return self._rendered[within]


def _throughput(root: Path) -> None:
    """One long session at full size through the command: one worker, two, and a shorter one."""
    scene = _Loop()
    save_rig_calibration(root / "rig.yaml", ideal_calibration(scene.rig))
    sessions = {
        n: write_virtual_session(root / "full", scene, subject=f"N{n}", rate_hz=RATE_HZ, n_frames=n)
        for n in (SHORT, LONG)
    }

    def build(name: str, n: int, workers: int) -> tuple[dict[str, float], _Watched]:
        command = [
            *(sys.executable, "-m", "mavfer.build_cli", str(sessions[n]), "--split", "none"),
            *("--calibration", str(root / "rig.yaml"), "--rate-hz", str(RATE_HZ), "--json"),
            *("-o", str(root / f"{name}.h5"), "--workers", str(workers), "--quiet"),
        ]
        watched = _Watched()
        started_s = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            while process.poll() is None:
                watched.see(process.pid)
                time.sleep(_WATCH_EVERY_S)
            watched.wall_s = time.monotonic() - started_s
            output = process.stdout.read() if process.stdout else b""
        if process.returncode:
            raise RuntimeError(f"{command} failed")
        stages: dict[str, float] = json.loads(output)["stage_cpu_s"]
        return stages, watched

    build("warm-up", SHORT, 1)  # compiled kernels are made once a machine
    _, short = build("short", SHORT, 2)
    both, two = build("two", LONG, 2)
    alone, one = build("one", LONG, 1)
    emit("build", "moments_per_s", LONG / two.wall_s, unit="1/s (2 workers, 1080p, wall clock)")
    emit("build", "speedup_2_workers", one.wall_s / two.wall_s, unit="x (wall clock)")
    # On a machine that others use too, wall clock says little: what would two free cores take?
    emit("build", "moments_per_s_by_cpu", LONG / two.path_s, unit="1/s (2 workers, CPU time)")
    emit("build", "speedup_2_workers_by_cpu", one.path_s / two.path_s, unit="x (CPU time)")
    emit("build", "peak_rss_mb", two.peak_rss_mb, unit="MB, two workers and the command")
    emit("build", "peak_rss_mb_one_worker", one.peak_rss_mb, unit="MB")
    emit("build", "peak_rss_mb_quarter_length", short.peak_rss_mb, unit="MB, two workers")
    for stage, spent_s in alone.items():
        emit("build", f"stage_{stage}", 1000 * spent_s / LONG, unit="ms/moment")
    emit(
        "build",
        "moment_cpu",
        1000 * sum(alone.values()) / LONG,
        unit="ms",
        peer=_floor_ms(sessions[SHORT]),
        peer_name="floor: decode the JPEG, predict 68 landmarks",
    )
    emit("build", "cpu_of_two_to_one", sum(both.values()) / sum(alone.values()), unit="x")


@dataclass
class _Watched:
    """What a command and its workers took."""

    peak_rss_mb: float = 0.0
    wall_s: float = 0.0
    own_cpu_s: float = 0.0
    worker_cpu_s: dict[int, float] = field(default_factory=dict)

    def see(self, pid: int) -> None:
        """Take note of a running command and its workers."""
        workers = _children(pid)
        self.peak_rss_mb = max(self.peak_rss_mb, sum(map(_rss_mb, [pid, *workers])))
        self.own_cpu_s = max(self.own_cpu_s, _cpu_s(pid))
        self.worker_cpu_s.update({worker: s for worker in workers if (s := _cpu_s(worker))})

    @property
    def path_s(self) -> float:
        """Time with a core for each: of the command, then of its busiest worker."""
        return self.own_cpu_s + max(self.worker_cpu_s.values(), default=0.0)


def _children(pid: int) -> list[int]:
    try:
        texts = [(t / "children").read_text() for t in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    return [int(child) for text in texts for child in text.split()]


def _cpu_s(pid: int) -> float:
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


def _floor_ms(session: Path) -> float:
    """CPU time of what nobody who uses these landmarks at this size can do without."""
    stream = open_session(session).streams["color"]
    tracker = FaceTracker(68)
    found = tracker.look(stream.read_grey(0)).landmarks_px
    if found is None:
        raise RuntimeError("no face in the benchmark's own session")
    left, top, right, bottom = (int(v) for v in (*found.min(axis=0), *found.max(axis=0)))
    predictor = dlib.shape_predictor(weights.pose_predictor_model_location())
    box = dlib.rectangle(left, top, right, bottom)
    started_s = time.process_time()
    for index in range(N_LOOP):
        grey = cv2.cvtColor(stream.read(index).image, cv2.COLOR_BGR2GRAY)
        predictor(grey, box)
    return 1000 * (time.process_time() - started_s) / N_LOOP


def _finding() -> None:
    """Following a face at full size beside the detector run on every whole frame at half size."""
    scene, tracker, detector = _Loop(), FaceTracker(68), dlib.get_frontal_face_detector()
    ours, peer, landmarks = [], [], []
    for index in range(N_LOOP):
        grey = cv2.cvtColor(scene.moment(index).images["color"], cv2.COLOR_BGR2GRAY)
        started_s = time.process_time()
        tracker.look(grey)
        ours.append(time.process_time() - started_s)
        started_s = time.process_time()
        boxes = detector(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), 0)
        peer.append(time.process_time() - started_s)
        centre = boxes[0].center()
        box = FaceBox(2.0 * centre.x, 2.0 * centre.y, 2.0 * boxes[0].width())
        started_s = time.process_time()
        refined_landmarks(grey, box, 68)
        landmarks.append(time.process_time() - started_s)
    emit(
        "build",
        "find_face_1080p",
        1000 * float(np.mean(ours[1:])),
        unit="ms",
        peer=1000 * float(np.mean(peer[1:])),
        peer_name="dlib detector alone on every 960x540 frame, no landmarks",
    )
    emit("build", "landmarks_of_a_box", 1000 * float(np.mean(landmarks[1:])), unit="ms")
