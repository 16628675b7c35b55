"""A whole session through the page, in a real browser, with a daemon killed in the middle."""

import os
import signal
from pathlib import Path
from typing import Any

from capture.manifest import read_manifest
from capture.session import create_session, open_session

from .conftest import Console, running_console


def phase_is(page: Any, word: str) -> None:
    page.wait_for_function("w => document.getElementById('phase').textContent === w", arg=word)


def recording_process(parent: int, file_name: str) -> int:
    for child in Path(f"/proc/{parent}/task").iterdir():
        for pid in (child / "children").read_text().split():
            for link in Path(f"/proc/{pid}/fd").iterdir():
                if link.exists() and link.resolve().name == file_name:
                    return int(pid)
    raise AssertionError(f"nobody writes {file_name}")


def arm(page: Any, subject: str) -> None:
    phase_is(page, "READY")
    page.fill("#subject", subject)
    page.check("#consent")
    page.click("#arm")
    phase_is(page, "ARMED")


def test_a_session_is_recorded_through_the_page_although_a_daemon_is_killed(
    page: Any, console: Console
) -> None:
    assert "token" not in page.url
    phase_is(page, "READY")
    page.fill("#subject", "S01")
    page.click("#arm")
    page.wait_for_selector("#notice.error >> text=has not agreed to be recorded")
    page.click("#notice-close")
    page.select_option("#protocol", "short")
    page.check("#share")
    arm(page, "S01")
    for stream in ("color", "depth", "infrared", "thermal"):
        page.wait_for_selector(f"figure[data-stream={stream}]")
    page.wait_for_selector("[data-sensor=a65] >> text=clock ±")
    page.hover("figure[data-stream=thermal] canvas")
    page.wait_for_selector("figure[data-stream=thermal] .under >> text=°C")

    page.locator("body").press("r")
    phase_is(page, "RECORDING")
    page.wait_for_selector("#stage-name >> text=calm")
    page.wait_for_function(
        "() => Number(/(\\d+) frames/.exec(document.querySelector("
        "'figure[data-stream=thermal] .rate').textContent)?.[1]) > 3"
    )
    page.fill("#label", "she laughs")
    page.click("#mark")
    page.wait_for_function("() => document.querySelector('#label').value === ''")  # it is placed
    page.locator("body").press("n")
    page.wait_for_selector("#stage-name >> text=talk")

    os.kill(recording_process(console.process.pid, "a65.mcap"), signal.SIGKILL)
    page.wait_for_selector("#notice.error >> text=its daemon died (signal 9)")
    page.wait_for_selector("figure[data-stream=thermal] >> text=sensor lost")
    assert page.inner_text("#phase") == "RECORDING"
    if folder := os.environ.get("MAVFER_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/killed.png")
    page.click("[data-restart=a65]")
    page.wait_for_selector("[data-sensor=a65] >> text=recording")
    page.wait_for_selector("figure[data-stream=thermal] .picture:not(.stale)")
    page.click("body", position={"x": 5, "y": 500})
    page.keyboard.press("Shift+S")
    phase_is(page, "READY")
    page.wait_for_selector("#notice.error >> text=saved as failed")

    (folder_path,) = console.root.iterdir()
    manifest = read_manifest(folder_path)
    assert (manifest.subject, manifest.status, manifest.consent.share) == ("S01", "failed", True)
    told = {name: summary.status for name, summary in manifest.recordings.items()}
    assert told == {"kinect2": "complete", "a65": "failed", "a65_2": "complete"}
    marks = [(mark.kind, mark.label) for mark in manifest.marks]
    assert marks == [("stage", "calm"), ("marker", "she laughs"), ("stage", "talk")]
    assert set(open_session(folder_path).streams) == {"color", "depth", "infrared", "thermal"}

    # The next session is as if nothing had been.
    page.select_option("#protocol", "")
    page.fill("#duration", "1")
    arm(page, "S02")
    page.click("#record")
    page.wait_for_selector("#past tr >> text=complete")
    row = page.locator("#past tbody tr").first
    assert "_S02" in row.inner_text()
    assert "±" in row.inner_text()
    row.locator("button").click()
    page.wait_for_selector("#report >> text=kinect2: complete")


def test_giving_up_leaves_nothing(page: Any, console: Console) -> None:
    arm(page, "S01")
    page.locator("body").press("Escape")
    phase_is(page, "READY")
    page.wait_for_selector("#notice >> text=nothing was recorded")
    assert not list(console.root.iterdir())


def frames_are_more_than(page: Any, stream: str, number: int) -> None:
    page.wait_for_function(
        "([s, n]) => Number(/(\\d+) frames/.exec(document.querySelector("
        "`figure[data-stream=${s}] .rate`)?.textContent)?.[1]) > n",
        arg=[stream, number],
    )


def test_a_console_that_is_killed_is_replaced_and_its_session_goes_on(
    page: Any, console: Console, tmp_path: Path
) -> None:
    arm(page, "S01")
    page.click("#record")
    frames_are_more_than(page, "thermal", 5)
    console.process.kill()
    phase_is(page, "NO CONNECTION")
    forgotten = create_session(console.root, subject="S02")
    with running_console(tmp_path / "rig.toml", tmp_path) as second:
        page.goto(second.link)
        page.wait_for_selector("#notice.error >> text=was left open")
        page.click("[data-close$=_S02]")
        page.wait_for_selector("#notice >> text=was closed: failed")
        page.click("[data-resume$=_S01]")
        phase_is(page, "RECORDING")
        frames_are_more_than(page, "thermal", 20)
        page.locator("body").press("Shift+S")
        page.wait_for_selector("#notice >> text=was saved: complete")
        assert not page.locator("[data-resume], [data-close]").count()
    assert read_manifest(forgotten.path).status == "failed"
    (path,) = console.root.glob("*_S01")
    session = open_session(path)
    assert (session.manifest.status, set(session.recordings)) == ("complete", {"kinect2", "a65"})
    assert all(stream.part_starts == (0,) for stream in session.streams.values())
    assert not [event for event in session.events if event.kind == "recorder-drop"]
