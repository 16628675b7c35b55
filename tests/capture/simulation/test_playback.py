import threading
from pathlib import Path

import numpy as np
import pytest

from capture.errors import SensorError
from capture.simulation.loop_cache import cache_root
from capture.simulation.playback import Loop, prepare_loop
from capture.simulation.scene_options import LOOP_RATE_HZ, SceneOptions

OPTIONS = SceneOptions(scale=0.2, subject_seed=4, period_s=1.0)


@pytest.fixture(scope="module")
def loop() -> Loop:
    return prepare_loop(OPTIONS)


def test_the_loop_shows_the_moments_of_its_scene(loop: Loop) -> None:
    scene = OPTIONS.build()
    for index in (0, 13, 29):
        moment = scene.moment(index)
        for name in ("depth", "infrared", "thermal"):
            np.testing.assert_array_equal(loop.image(name, index), moment.images[name])
        assert loop.affect(index) == pytest.approx(moment.truth.affect)


def test_color_is_a_background_with_the_moving_part_pasted_in(loop: Loop) -> None:
    scene = OPTIONS.build()
    moment = scene.moment(20)
    played = loop.image("color", 20, number=3)
    true = moment.images["color"].astype(int)
    assert played.shape == true.shape
    x, y, width, height = scene.moving_window(range(30))  # type: ignore[union-attr]  # a subject
    np.testing.assert_array_equal(
        played[y : y + height, x : x + width], true[y : y + height, x : x + width]
    )
    # outside only the noise differs
    assert np.abs(played - true).mean() < 3
    assert not np.array_equal(played, loop.image("color", 20, number=4))


def test_images_belong_to_the_caller(loop: Loop) -> None:
    image = loop.image("depth", 0)
    image[:] = 0
    assert loop.image("depth", 0).any()


def test_the_moment_shown_is_a_function_of_monotonic_time(loop: Loop) -> None:
    second = 1_000_000_000
    assert loop.moment_at(0) == loop.moment_at(123 * second) == 0
    assert loop.moment_at(500_000_000) == 15
    assert loop.moment_at(round((13 / LOOP_RATE_HZ) * 1e9) + 7 * second) == 13
    assert all(0 <= loop.moment_at(t) < loop.n_moments for t in range(0, second, 12_345_678))


def test_a_loop_is_rendered_once_even_when_two_ask_at_the_same_time() -> None:
    options = SceneOptions(scale=0.15, subject_seed=4, period_s=1.0, motion=0.5)
    rendered: list[int] = []
    lock = threading.Lock()

    def count(done: int, total: int) -> None:
        with lock:
            rendered.append(done * 1000 + total)

    loops: list[Loop] = []
    threads = [
        threading.Thread(target=lambda: loops.append(prepare_loop(options, count))) for _ in "12"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finished = [value for value in rendered if value == 30_030]
    assert len(loops) == 2
    assert finished  # the one that rendered, and perhaps the one that watched it
    before = len(rendered)
    prepare_loop(options, count)
    assert len(rendered) == before
    np.testing.assert_array_equal(loops[0].image("color", 3), loops[1].image("color", 3))


def test_what_a_killed_process_left_is_no_loop() -> None:
    options = SceneOptions(scale=0.15, subject_seed=4, period_s=1.0, motion=0.25)
    left = cache_root() / f"{options.fingerprint()}.partial"
    left.mkdir(parents=True)
    (left / "color.npy").write_bytes(b"half")
    assert prepare_loop(options).n_moments == 30
    assert not left.exists()


def test_a_failed_rendering_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MAVFER_CACHE_DIR", str(tmp_path))

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_loop(SceneOptions(scale=0.15, subject_seed=4, period_s=1.0), interrupt)
    assert [path.suffix for path in (tmp_path / "simulation").iterdir()] == [".lock"]


def test_a_cache_that_cannot_be_made_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("MAVFER_CACHE_DIR", str(file))
    with pytest.raises(SensorError, match="MAVFER_CACHE_DIR"):
        prepare_loop({"scale": 0.15})


def test_a_board_is_rendered_a_few_times_a_view_only() -> None:
    loop = prepare_loop({"scale": 0.2, "scene": "board", "n_views": 2, "hold_s": 0.4})
    assert loop.n_moments == 24
    assert loop.affect(3) is None
    first, later, other = (loop.image("depth", moment) for moment in (0, 2, 12))
    np.testing.assert_array_equal(first, later)
    assert not np.array_equal(first, loop.image("depth", 1))
    assert np.mean(np.abs(first.astype(int) - other) > 20) > 0.02
