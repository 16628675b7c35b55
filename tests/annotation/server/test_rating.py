"""Whole clips rated in a real browser; what is in the database is what was on the screen."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .conftest import N_FRAMES, Rating, Served
from .moves import held, last_on_frame, moves

_LOOK = """
window.onScreen = () => {
  const pen = (window.pen ??= new OffscreenCanvas(320, 12).getContext("2d"));
  pen.drawImage(document.querySelector("video"), 0, 0, 320, 12);
  const pixels = pen.getImageData(0, 0, 320, 12).data;
  let number = 0;
  for (let bit = 0; bit < 10; bit++) {
    if (pixels[4 * (320 * 6 + 32 * bit + 16)] > 125) number += 1 << bit;
  }
  return number;
};
window.look = () => {
  const video = document.querySelector("video");
  window.pairs = [];
  const see = (_now, report) => {
    window.pairs.push([onScreen(), Math.round(report.mediaTime * 30)]);
    video.requestVideoFrameCallback(see);
  };
  video.requestVideoFrameCallback(see);
};
"""
"""Reads the number that is on the screen, beside the one that the browser reports."""


def test_a_clip_is_rated_by_keyboard(
    make_served: Callable[..., Served], rate: Callable[..., Rating], screenshots: Path | None
) -> None:
    served = make_served()
    task = served.task("R1")
    rating = rate(served)
    page = rating.page
    page.add_init_script(_LOOK)
    rating.open(task)
    page.evaluate(
        "() => { window.seen = [];"
        "document.addEventListener('keydown', () => seen.push(onScreen()), true); }"
    )
    rating.press("ArrowUp", "ArrowUp", "ArrowUp", "Space")
    rating.play_until(30)
    rating.press("ArrowDown")
    rating.play_until(60)
    rating.press("0")
    rating.paused()
    rating.saved()
    said = dict(moves(served, task))
    (down,) = (frame for frame, value in said.items() if value == 2)
    (zero,) = (frame for frame, value in said.items() if value == 0)
    assert said[0] == 3
    assert 25 <= down < zero < N_FRAMES
    # What was on the screen when the key went down. The report of a new frame can be on its way,
    # on a busy machine for a while; the screen is never behind it.
    assert page.evaluate("seen.slice(0, 4)") == [0, 0, 0, 0]
    for seen, frame in zip(page.evaluate("seen.slice(4)"), (down, zero), strict=True):
        assert 0 <= seen - frame < 15
    expected = held((0, 3), (down, 2), (zero, 0))
    assert served.values(task) == expected
    assert page.inner_text("#gap") == "No gaps"
    page.click("#submit")
    page.wait_for_selector("#tasks td >> text=submitted")
    assert page.inner_text("#so-far").startswith("1 of 2 done")
    page.goto(f"{served.origin}/rate/{task}")
    page.wait_for_selector("text=You have submitted this")
    rating.press("ArrowUp", "Space")
    assert served.values(task) == expected


def test_a_clip_is_rated_by_mouse_with_a_reload_in_the_middle(
    make_served: Callable[..., Served], rate: Callable[..., Rating]
) -> None:
    served = make_served(codecs=("vp9",))
    task = served.task("R1", "arousal")
    rating = rate(served)
    rating.open(task)
    page = rating.page
    box = page.locator("#slider-arousal").bounding_box()

    def point(value: int) -> tuple[float, float]:
        return box["x"] + box["width"] / 3, box["y"] + box["height"] * (10 - value) / 20

    page.mouse.click(*point(-5))
    page.click(".speed[data-speed='0.5']")
    page.click("#play")
    rating.play_until(30)
    page.mouse.move(*point(-5))
    page.mouse.down()
    page.mouse.move(*point(6), steps=6)
    page.mouse.up()
    rating.play_until(68)
    before = moves(served, task)
    page.reload()
    rating.ready()
    seen = max(row["frame"] for row in served.events(task))
    first_page = served.values(task, "arousal")
    assert None not in first_page[: seen + 1]
    assert first_page[seen + 1 :] == [None] * (N_FRAMES - seen - 1)
    assert seen >= 60
    resumed = page.evaluate("Math.floor(document.querySelector('video').currentTime * 30)")
    assert abs(resumed - max(0, seen - 60)) <= 1
    # The slider shows what was said there and follows it; nothing is said anew.
    assert page.inner_text(".number") == "−5"
    page.click("#play")
    rating.paused()
    rating.saved()
    assert page.inner_text(".number") == "+6"
    said = last_on_frame([(frame, value) for frame, value in before])
    assert said[0] == (0, -5)
    assert said[-1][1] == 6
    assert moves(served, task) == before
    assert served.values(task, "arousal") == held(*said)


def test_two_tabs_do_not_spoil_each_other(
    make_served: Callable[..., Served], rate: Callable[..., Rating]
) -> None:
    served = make_served()
    task = served.task("R1")
    rating = rate(served)
    rating.open(task)
    first = rating.page
    rating.press("ArrowUp", "Space")
    rating.play_until(20)
    second = rating.new_page()
    second.goto(f"{served.origin}/rate/{task}")
    second.wait_for_selector("text=open in another window")
    assert first.get_attribute("body", "data-state") in ("playing", "paused")
    second.click("#veil-main")
    rating.ready(second)
    first.wait_for_selector("text=What you said here is kept")
    first.keyboard.press("ArrowUp")
    first.keyboard.press("Space")
    assert first.get_attribute("body", "data-state") == "locked"
    of_first = [value for value in served.values(task) if value is not None]
    assert len(of_first) > 10
    assert set(of_first) == {1}
    second.keyboard.press("ArrowDown")
    second.keyboard.press("ArrowDown")
    second.keyboard.press("Space")
    second.wait_for_selector("body[data-state=playing]")
    second.wait_for_selector("body[data-state=paused]")
    second.wait_for_selector("#saved[data-kind=saved]")
    start = next(row["frame"] for row in reversed(served.events(task)) if row["kind"] == "play")
    values = served.values(task)
    assert values[start:] == [-1] * (N_FRAMES - start)
    assert set(values[:start]) <= {1}


def test_both_at_once_by_plane_gamepad_and_single_frames(
    make_served: Callable[..., Served], rate: Callable[..., Rating], screenshots: Path | None
) -> None:
    served = make_served(together=True)
    task = served.task("R1")
    rating = rate(served)
    rating.page.add_init_script(
        "window.pad = { index: 0, axes: [0, 0], buttons: [{ pressed: false }] };"
        "navigator.getGamepads = () => [window.pad];"
    )
    rating.open(task)
    page = rating.page
    box = page.locator(".field").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.4)
    rating.press("s")
    page.wait_for_selector("text=frame 1 of 90")
    rating.press("Enter")
    page.wait_for_selector("text=frame 2 of 90")
    rating.press("ArrowLeft", "ArrowUp", ".")
    page.wait_for_selector("text=frame 3 of 90")
    page.evaluate("dispatchEvent(new Event('gamepadconnected')); pad.axes = [-1, 0.5]")
    page.wait_for_function("() => document.querySelector('.number').textContent.includes('−10')")
    rating.press("Enter")
    page.wait_for_selector("text=frame 4 of 90")
    rating.press(",", ",")
    page.wait_for_selector("text=frame 2 of 90")
    assert page.inner_text(".number").split() == ["valence", "+4", "arousal", "+3"]
    rating.saved()
    assert served.values(task, "valence")[:4] == [5, 4, -10, None]
    assert served.values(task, "arousal")[:4] == [2, 3, -5, None]
    rating.press("s", "3")
    page.evaluate("pad.axes = [0, 0]; pad.buttons[0].pressed = true")
    page.wait_for_selector("body[data-state=playing]")
    page.evaluate("pad.buttons[0].pressed = false")
    rating.play_until(40)
    page.evaluate("dispatchEvent(new Event('blur'))")
    rating.paused()
    rating.saved()
    assert [row["detail"] for row in served.events(task) if row["kind"] == "pause"][-1] == "blur"
    assert served.values(task, "valence")[0] == 5
    rated = [v for v in served.values(task, "valence")[1:] if v is not None]
    assert rated.count(0) == len(rated)
    page.click("#submit")
    page.wait_for_selector("text=has no rating")
    page.click("text=Go to the first")
    rating.ready()
    rating.press("c")
    page.fill("#comment-text", "the face is turned away")
    page.click("text=Keep")
    rating.saved()
    if screenshots:
        page.screenshot(path=screenshots / "plane.png")
    page.click("#submit")
    page.click("text=Submit all the same")
    page.wait_for_selector("#tasks td >> text=submitted")
    comments = [row["detail"] for row in served.events(task) if row["kind"] == "comment"]
    assert comments == ["the face is turned away"]


def test_the_frame_the_page_believes_in_is_the_one_on_the_screen(
    make_served: Callable[..., Served], rate: Callable[..., Rating]
) -> None:
    served = make_served(codecs=("h264", "vp9", "av1"), sound=True)
    rating = rate(served)
    page = rating.page
    page.add_init_script(_LOOK)
    for number in range(3):
        rating.open(served.task("R1", number=number))
        page.evaluate("look()")
        rating.press("1", "Space")
        page.wait_for_function("() => pairs.length > 30")
        rating.press("Space", "s")
        pairs = page.evaluate("pairs")
        # On a busy machine a callback can come when a later frame is on the screen already.
        assert [pair for pair in pairs if pair[0] < pair[1]] == []
        assert sum(pair[0] == pair[1] for pair in pairs) > len(pairs) / 2
        for key in (",", ",", ".", ",", "."):
            before = page.inner_text("#clock")
            rating.press(key)
            page.wait_for_function(
                "t => document.getElementById('clock').textContent !== t", arg=before
            )
            assert page.inner_text("#clock") == f"frame {page.evaluate('onScreen()') + 1} of 90"


def test_a_newcomer_reads_the_instructions_and_practises_first(
    make_served: Callable[..., Served], browser: Any
) -> None:
    served = make_served(practice=True)
    rating = Rating(served, browser.new_context(viewport={"width": 1280, "height": 720}), "R1")
    page = rating.page
    page.goto(served.rater_link("R1"))
    page.click("#start")
    page.click("text=Read the instructions")
    page.wait_for_selector("text=How to rate")
    page.click("#understood")
    page.wait_for_selector("#tasks tr")
    assert page.locator("#tasks td", has_text="after the practice").count() == 2
    assert page.locator("#tasks a").count() == 2
    page.click("text=Practise")
    rating.ready()
    assert page.is_visible("#practice")
    assert page.is_visible("#hint")
    rating.press("0")
    assert page.is_hidden("#hint")
    rating.saved()
    page.goto(f"{served.origin}/rate/{served.task('R1', number=1)}")
    page.wait_for_selector("text=do the practice first")
    rating.context.close()
    assert rating.mistakes == []
