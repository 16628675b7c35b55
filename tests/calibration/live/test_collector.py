"""Which moments become views: still, seen, new."""

import numpy as np
import pytest

from calibration.live.collector import STILL_S, ViewCollector
from calibration.live.sighting import Sighting

SIZE_PX = {"color": (1920, 1080), "infrared": (512, 424), "thermal": (640, 512)}
GRID = np.stack(np.meshgrid(np.arange(5.0), np.arange(7.0)), axis=-1).reshape(-1, 2)
PERIOD_S = 0.3


def board_px(camera, x=0.4, y=0.4):
    width, height = SIZE_PX[camera]
    return GRID * 0.02 * width + [x * width, y * height]


def show(collector, cameras, seconds, start_s, x=0.4, drift=0.0, wobble=None):
    """Show the board to some cameras for a while; True if a view was taken."""
    took = False
    for step in range(round(seconds / PERIOD_S) + 1):
        for camera in cameras:
            px = board_px(camera, x + drift * step)
            if wobble is not None:
                px = px + wobble.normal(0, 1e-4 * SIZE_PX[camera][0], px.shape)
            sighting = Sighting(camera, SIZE_PX[camera], px)
            took |= collector.see(sighting, start_s + step * PERIOD_S)
    return took


def absent(camera):
    return Sighting(camera, SIZE_PX[camera], None)


def test_a_board_held_still_is_one_view_however_long():
    collector = ViewCollector()
    assert show(collector, SIZE_PX, 6.0, 0.0, wobble=np.random.default_rng(0))
    (view,) = collector.views
    assert set(view.corners_px) == set(SIZE_PX)
    assert collector.motion == "taken"
    assert collector.sizes_px == SIZE_PX


def test_a_glimpse_is_no_view():
    collector = ViewCollector()
    assert not show(collector, SIZE_PX, STILL_S - PERIOD_S, 0.0)
    assert collector.motion == "holding"
    assert 0 < collector.held_s < STILL_S


@pytest.mark.parametrize("moving", [["color"], ["thermal"], list(SIZE_PX)])
def test_motion_in_any_camera_spoils_the_moment(moving):
    collector = ViewCollector()
    for step in range(12):
        for camera in SIZE_PX:
            drift = 0.004 * step if camera in moving else 0.0
            sighting = Sighting(camera, SIZE_PX[camera], board_px(camera, 0.4 + drift))
            assert not collector.see(sighting, step * PERIOD_S)
    assert collector.motion == "moving"


def test_the_same_place_again_is_said_to_be_known_even_upside_down():
    collector = ViewCollector()
    show(collector, ["color"], 2.0, 0.0)
    show(collector, ["color"], 0.6, 3.0, x=0.6)
    for step in range(8):
        turned = Sighting("color", SIZE_PX["color"], board_px("color")[::-1])
        assert not collector.see(turned, 4.0 + step * PERIOD_S)
    assert len(collector.views) == 1
    assert collector.motion == "known"
    assert show(collector, ["color"], 2.0, 8.0, x=0.5)
    assert len(collector.views) == 2


def test_a_camera_that_sees_nothing_does_not_hold_the_others_up():
    collector = ViewCollector()
    for step in range(8):
        collector.see(absent("thermal"), step * PERIOD_S)
        for camera in ("color", "infrared"):
            sighting = Sighting(camera, SIZE_PX[camera], board_px(camera))
            collector.see(sighting, step * PERIOD_S)
    (view,) = collector.views
    assert set(view.corners_px) == {"color", "infrared"}
    collector.see(absent("color"), 3.0)
    collector.see(absent("infrared"), 3.0)
    assert collector.motion == "absent"
    assert collector.corners_px("color") is None


def test_a_camera_that_was_slow_joins_the_view_while_it_lasts():
    collector = ViewCollector()
    show(collector, ["color", "infrared"], 2.0, 0.0)
    assert show(collector, SIZE_PX, 2.0, 2.3)
    (view,) = collector.views
    assert set(view.corners_px) == set(SIZE_PX)
