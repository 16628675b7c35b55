"""The scene in real time: a loop rendered once, then shown again and again.

Rendering at 30 Hz would eat both cores of a small machine. A loop is rendered once and cached;
playing it costs a copy. The noise of the part that moves repeats with the loop, the rest rotates
among a few noisy backgrounds: where statistics of the noise matter, use a virtual session.

What is shown is a function of ``CLOCK_MONOTONIC`` alone, so that all sensors of one machine see
the same moment at the same time.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..frame import Image
from ..terminal import OnProgress
from .board import BoardScene
from .device import color_exposure_us
from .loop_cache import LoopFolder, loop_slot, read_array, read_meta
from .moment import Moment
from .rig import SimulatedRig, kinect2_rig
from .scene import SubjectScene
from .scene_options import LOOP_RATE_HZ, SceneOptions, parse_options

_WORKERS = 2
_N_BACKGROUNDS = 8
_TAKES_PER_VIEW = 2
_STREAMS = ("depth", "infrared", "thermal")


class Loop:
    """A rendered loop, mapped from the cache.

    Attributes
    ----------
    options : SceneOptions
    n_moments : int
    color_rate_hz, color_gain, color_exposure_us : float
    """

    def __init__(self, path: Path, options: SceneOptions) -> None:
        meta = read_meta(path)
        self.options = options
        self.n_moments: int = meta["n_moments"]
        self.color_rate_hz: float = meta["color_rate_hz"]
        self.color_gain: float = meta["color_gain"]
        self.color_exposure_us: float = meta["color_exposure_us"]
        self._take: list[int] = meta["take"]
        self._affect: list[tuple[float, float] | None] = meta["affect"]
        self._x_px, self._y_px = meta["window"][:2]
        self._arrays = {name: read_array(path, name) for name in _STREAMS}
        self._patches = read_array(path, "color")
        self._backgrounds = read_array(path, "background")

    @property
    def rig(self) -> SimulatedRig:
        """The cameras."""
        return kinect2_rig(scale=self.options.scale, device=self.options.device)

    def moment_at(self, monotonic_ns: int) -> int:
        """Return the number of the moment shown at this time of ``CLOCK_MONOTONIC``."""
        period_ns = round(self.n_moments * 1e9 / LOOP_RATE_HZ)
        phase_s = (monotonic_ns % period_ns) * 1e-9
        return int(phase_s * LOOP_RATE_HZ + 0.5) % self.n_moments

    def affect(self, moment: int) -> tuple[float, float] | None:
        """Return (valence, arousal) at a moment; None on a board."""
        return self._affect[moment]

    def image(self, stream: str, moment: int, *, number: int = 0) -> Image:
        """Return a fresh image of `stream` at a moment; `number` picks the background's noise."""
        take = self._take[moment]
        if stream != "color":
            return np.array(self._arrays[stream][take])
        patch = self._patches[take]
        height, width = patch.shape[:2]
        if patch.shape == self._backgrounds.shape[1:]:
            return np.array(patch)
        image = np.array(self._backgrounds[number % len(self._backgrounds)])
        image[self._y_px : self._y_px + height, self._x_px : self._x_px + width] = patch
        return image


def prepare_loop(
    options: SceneOptions | Mapping[str, Any], on_progress: OnProgress | None = None
) -> Loop:
    """Return the loop of a scene, rendering it into the cache when it is not there.

    Parameters
    ----------
    options : SceneOptions or mapping
        A mapping holds fields of `SceneOptions`.
    on_progress : callable, optional
        Called with (done, total) while this or another process renders.
    """
    if not isinstance(options, SceneOptions):
        options = parse_options(SceneOptions, options, where="scene options")
    options = options.scene_part
    with loop_slot(options.fingerprint(), on_progress) as (path, folder):
        if folder is not None:
            _render(options, folder, on_progress)
    return Loop(path, options)


def _render(options: SceneOptions, folder: LoopFolder, on_progress: OnProgress | None) -> None:
    scene = options.build()
    takes, take_of = _plan_takes(scene, options.n_moments)
    window = _window(scene, takes)
    rig, n = scene.rig, len(takes)
    x, y, width, height = window
    sizes = {
        "depth": (rig.infrared.height_px, rig.infrared.width_px),
        "infrared": (rig.infrared.height_px, rig.infrared.width_px),
        "thermal": (rig.thermal.height_px, rig.thermal.width_px),
    }
    arrays = {name: folder.create(name, (n, *sizes[name]), np.uint16) for name in _STREAMS}
    color = folder.create("color", (n, height, width, 3), np.uint8)
    full = (rig.color.height_px, rig.color.width_px, 3)
    whole = (height, width) == full[:2]
    n_backgrounds = 1 if whole else min(_N_BACKGROUNDS, n)
    backgrounds = folder.create("background", (n_backgrounds, *full), np.uint8)

    def store(take: int, moment: Moment) -> None:
        for name, array in arrays.items():
            array[take] = moment.images[name]
        color[take] = moment.images["color"][y : y + height, x : x + width]
        if take < n_backgrounds:
            backgrounds[take] = moment.images["color"]

    _render_takes(options, scene, takes, store, folder, on_progress)
    folder.describe(
        {
            "n_moments": options.n_moments,
            "take": take_of,
            "affect": [_affect(scene, moment) for moment in range(options.n_moments)],
            "window": list(window),
            "color_rate_hz": scene.color_rate_hz,
            "color_gain": scene.color_gain,
            "color_exposure_us": color_exposure_us(scene),
        }
    )


def _plan_takes(scene: SubjectScene | BoardScene, n_moments: int) -> tuple[list[int], list[int]]:
    """Return the moments to render and which of them each moment of the loop shows.

    A board holds still, so each of its views is rendered a few times with fresh noise only.
    """
    if isinstance(scene, SubjectScene):
        return list(range(n_moments)), list(range(n_moments))
    n_takes = min(_TAKES_PER_VIEW, scene.moments_per_view)
    takes = [
        view * scene.moments_per_view + take
        for view in range(scene.n_views)
        for take in range(n_takes)
    ]
    take_of = [
        scene.view_of(moment) * n_takes + moment % scene.moments_per_view % n_takes
        for moment in range(n_moments)
    ]
    return takes, take_of


def _window(scene: SubjectScene | BoardScene, takes: list[int]) -> tuple[int, int, int, int]:
    """Return the part of the color image that ever changes: x, y, width, height."""
    if isinstance(scene, SubjectScene):
        return scene.moving_window(takes)
    return 0, 0, scene.rig.color.width_px, scene.rig.color.height_px


def _affect(scene: SubjectScene | BoardScene, moment: int) -> tuple[float, float] | None:
    return (
        scene.behaviour.trace.at(moment / scene.rate_hz)
        if isinstance(scene, SubjectScene)
        else None
    )


def _render_takes(
    options: SceneOptions,
    scene: SubjectScene | BoardScene,
    takes: list[int],
    store: Callable[[int, Moment], None],
    folder: LoopFolder,
    on_progress: OnProgress | None,
) -> None:
    """Render in two threads, each with a scene of its own: the kernels leave the GIL."""
    lock, done = threading.Lock(), 0
    halves = np.array_split(np.arange(len(takes)), _WORKERS)

    def work(scene: SubjectScene | BoardScene, mine: NDArray[np.int64]) -> None:
        nonlocal done
        for take in mine.tolist():
            store(take, scene.moment(takes[take]))
            with lock:
                done += 1
                folder.report(done, len(takes))
                if on_progress:
                    on_progress(done, len(takes))

    scenes = [scene, *(options.build() for _ in halves[1:])]
    with ThreadPoolExecutor(_WORKERS) as pool:
        for future in [pool.submit(work, *job) for job in zip(scenes, halves, strict=True)]:
            future.result()
