"""The admin's page in a browser: progress, flags, agreement, links, reopening, replacing raters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from annotation.project.event import Event
from annotation.project.task import find_task, open_page, store_events, submit

from .conftest import N_FRAMES, Client, Rating, Served


def rate_all(served: Served, rater: str, dimension: str, steps: list[tuple[int, int]]) -> int:
    """Store a submitted rating: from each frame on, its value."""
    number = served.task(rater, dimension)
    events = [Event(0, "play", steps[0][0], 0)]
    for frame, value in steps:
        events.append(
            Event(len(events), "set", frame, 0, dimension, value, hand=True)  # type: ignore[arg-type]
        )
    events.append(Event(len(events), "pause", N_FRAMES - 1, 0))
    events.append(Event(len(events), "note", 0, 0, detail="skipped 7"))
    events.append(Event(len(events), "comment", 0, 0, detail="<b>dark</b> at the end"))
    with served.project.database.write() as db:
        task = find_task(db, number)
        assert task is not None
        open_page(db, task, client="client-x", tab="tab-xxxx", take_over=True)
        store_events(db, task, "client-x", events)
        submit(db, task, "client-x", len(events))
    return number


def test_the_admin_sees_and_reopens(
    make_served: Callable[..., Served], browser: Any, screenshots: Path | None
) -> None:
    served = make_served()
    task = rate_all(served, "R1", "valence", [(0, 1), (30, 5), (60, -2)])
    rate_all(served, "R2", "valence", [(10, 2), (35, 6), (62, 0)])
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    admin = Rating(served, context, "admin")
    page = admin.page
    page.goto(served.link)
    page.click("#start")
    page.wait_for_selector("#matrix .dot.submitted")
    assert page.locator("#matrix .dot").count() == 4
    assert page.locator("#matrix .dot.submitted").count() == 2
    page.wait_for_selector("#agreement tbody tr")
    row = page.inner_text("#agreement tbody tr")
    assert row.startswith("valence\t2\t1\t")
    assert "R1, R2: 0." in row
    page.wait_for_selector(f"[data-task='{task}'].flagged")

    page.click(f"[data-task='{task}']")
    page.wait_for_selector("#details >> text=<b>dark</b> at the end")
    assert "7 of 90 frames were not shown" in page.inner_text("#details")
    if screenshots:
        page.screenshot(path=screenshots / "admin.png")
    page.click("text=Open again for the rater")
    page.wait_for_selector(f"[data-task='{task}'].started")
    one = Client(served).log_in(served.tokens["R1"])
    assert one.ask("GET", f"/api/tasks/{task}")[1]["state"] == "open"

    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#matrix tr", has_text="R2").locator("text=Remove").click()
    page.wait_for_selector("#matrix tr.removed >> text=R2")
    assert Client(served).ask("POST", "/api/login", {"token": served.tokens["R2"]})[0] == 403
    page.fill("#names", "R3")
    page.click("text=Add raters")
    page.wait_for_selector("#link-list dd")
    link = page.inner_text("#link-list dd")
    page.click("#assign")
    page.wait_for_selector("text=2 new tasks")
    page.fill("#names", "../R4")
    page.click("text=Add raters")
    page.wait_for_selector("#trouble >> text=not allowed")
    context.close()
    assert admin.mistakes == []
    three = Client(served).log_in(link.partition("#")[2])
    assert len(three.ask("GET", "/api/me")[1]["tasks"]) == 2
    with served.project.database.read() as db:
        said = [f"{row['who']} {row['what']}" for row in db.execute("SELECT * FROM audit")]
    for each in ("admin reopen", "admin remove rater", "admin add rater", "admin assign"):
        assert each in said
