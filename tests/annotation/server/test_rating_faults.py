"""Nothing a rater said is lost when the server, the network, the page or the disk fails."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Rating, Served
from .moves import held, last_on_frame, moves


def test_the_server_is_killed_in_the_middle(
    make_served: Callable[..., Served], rate: Callable[..., Rating]
) -> None:
    served = make_served()
    task = served.task("R1")
    rating = rate(served)
    rating.open(task)
    page = rating.page
    rating.press("ArrowUp", "1", "Space")
    rating.play_until(20)
    served.kill()
    rating.press("ArrowUp")
    page.wait_for_selector("#saved[data-kind=offline]")
    rating.press("ArrowUp")
    rating.paused()
    assert "kept in this browser" in page.inner_text("#saved")
    lost = served.values(task)
    assert lost[-1] is None
    assert page.is_disabled("#submit")
    served.start()
    rating.saved()
    page.click("#submit")
    page.wait_for_selector("#tasks td >> text=submitted")
    said = last_on_frame(moves(served, task))
    assert [value for _, value in said] == [1, 2, 3]
    assert served.values(task) == held(*said)


def test_what_a_page_that_crashed_without_a_server_had_kept_is_sent_by_a_later_one(
    make_served: Callable[..., Served], rate: Callable[..., Rating]
) -> None:
    served = make_served()
    task = served.task("R1")
    rating = rate(served)
    rating.open(task)
    served.kill()
    rating.press("ArrowDown", "1", "Space")
    rating.play_until(30)
    rating.press("ArrowDown")
    rating.play_until(60)
    with pytest.raises(Exception, match=r"crash|closed"):
        rating.page.goto("chrome://crash")
    rating.page.close()
    assert served.events(task) == []
    served.start()
    rating.page = rating.new_page()
    rating.page.goto(f"{served.origin}/")
    rating.page.wait_for_selector("#tasks tr")
    assert rating.page.is_hidden("#kept")
    said = last_on_frame(moves(served, task))
    assert [value for _, value in said] == [-1, -2]
    reached = max(row["frame"] for row in served.events(task))
    assert reached >= 50
    assert served.values(task) == held(*said, (reached + 1, None))
    rating.open(task)
    assert rating.page.inner_text("#gap").startswith("1 gap")


def test_a_minute_without_network_is_made_up_for_at_once(
    make_served: Callable[..., Served], rate: Callable[..., Rating]
) -> None:
    served = make_served()
    task = served.task("R1")
    rating = rate(served)
    page = rating.page
    page.clock.install()
    page.goto(f"{served.origin}/rate/{task}")
    page.wait_for_function("() => document.body.dataset.state === 'paused'")
    rating.context.set_offline(True)
    for seconds in range(60):
        rating.press("ArrowUp" if seconds % 3 else "ArrowDown")
        page.clock.run_for(1000)
    page.wait_for_selector("#saved[data-kind=offline]")
    assert served.events(task) == []
    kept = int(page.inner_text("#saved").split("–")[1].split()[0])
    assert kept == 60
    rating.context.set_offline(False)
    rating.saved()
    stored = served.events(task)
    assert [row["seq"] for row in stored] == list(range(60))
    assert stored[-1]["at_us"] - stored[0]["at_us"] >= 59_000_000


def test_a_link_that_ends_in_the_middle_and_a_disk_that_fills_up_lose_nothing(
    make_served: Callable[..., Served], rate: Callable[..., Rating]
) -> None:
    served = make_served()
    task = served.task("R1")
    rating = rate(served)
    rating.open(task)
    page = rating.page
    rating.press("ArrowUp")
    rating.saved()
    served.limit_disk(1)
    rating.press("ArrowUp")
    page.wait_for_selector("#saved[data-kind=offline]")
    served.limit_disk(None)
    rating.saved()
    assert [value for _, value in moves(served, task)] == [1, 2]

    rating.press("Space")
    rating.play_until(20)
    with served.project.database.write() as db:
        db.execute("DELETE FROM login")
    rating.press("ArrowUp")
    page.wait_for_selector("text=Your access has ended")
    assert "kept in this browser" in page.inner_text("#saved")
    with page.expect_download() as download:
        page.click("text=Save as a file")
    saved = json.loads(Path(download.value.path()).read_text())
    assert any(row["event"].get("value") == 3 for row in saved["events"])
    assert (0, 3) not in [(frame, value) for frame, value in moves(served, task)]
    page.goto("about:blank")
    rating.log_in()
    said = last_on_frame(moves(served, task))
    assert [value for _, value in said] == [2, 3]
    reached = max(row["frame"] for row in served.events(task))
    assert served.values(task) == held(*said, (reached + 1, None))


def test_a_frozen_server_is_noticed(
    make_served: Callable[..., Served], rate: Callable[..., Rating]
) -> None:
    served = make_served()
    task = served.task("R1")
    rating = rate(served)
    rating.open(task)
    assert served.process is not None
    os.kill(served.process.pid, signal.SIGSTOP)
    rating.press("ArrowUp")
    rating.page.wait_for_selector("#saved[data-kind=sending]")
    os.kill(served.process.pid, signal.SIGCONT)
    rating.saved()
    assert [value for _, value in moves(served, task)] == [1]
    rating.press("Space")
    rating.page.wait_for_selector("body[data-state=playing]")
    rating.page.evaluate("document.querySelector('video').dispatchEvent(new Event('error'))")
    rating.page.wait_for_selector("text=The video has stopped")
    rating.page.click("text=Load again")
    rating.ready()
    assert [row["detail"] for row in served.events(task) if row["kind"] == "pause"] == ["locked"]
    assert served.values(task)[0] == 1
