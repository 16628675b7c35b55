"""Everything by which ratings get lost, done to a real server without a browser in between."""

import random
import threading
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

from .conftest import Client, Served
from .test_access import CLIENT, event


def test_a_server_that_is_killed_again_and_again_loses_nothing(
    make_served: Callable[..., Served],
) -> None:
    served = make_served()
    task = served.task("R1")
    one = Client(served).log_in(served.tokens["R1"])
    assert one.ask("POST", f"/api/tasks/{task}/open", CLIENT)[0] == 200
    rng = random.Random(1)
    events = [event(0, "play")] + [
        event(k, "set", min(k // 3, 89), dimension="valence", value=rng.randint(-10, 10), hand=True)
        for k in range(1, 300)
    ]
    acked, confirmed = -1, threading.Event()

    def send() -> None:
        nonlocal acked
        while acked + 1 < len(events):
            batch = events[acked + 1 : acked + 6]
            try:
                status, receipt, _ = one.ask(
                    "POST", f"/api/tasks/{task}/events", {"client": "client-1", "events": batch}
                )
            except (OSError, HTTPException):  # refused, or cut off in the middle of an answer
                confirmed.wait(0.05)
                continue
            assert status == 200
            acked = receipt["acked"]
            with served.project.database.read() as db:
                stored = db.execute("SELECT count(*) FROM event").fetchone()[0]
            assert stored >= acked + 1

    sender = threading.Thread(target=send)
    sender.start()
    for part in (60, 150, 240):
        while acked < part and sender.is_alive():
            confirmed.wait(0.01)
        served.kill()
        served.start()
    sender.join(timeout=60)
    assert acked == 299
    stored = served.events(task)
    assert [row["seq"] for row in stored] == list(range(300))
    assert [row["value"] for row in stored[1:]] == [each["value"] for each in events[1:]]
    last = {each["frame"]: each["value"] for each in events[1:]}
    assert served.values(task)[1:] == [last[k] for k in range(1, 90)]


def test_a_full_disk_is_said_and_nothing_is_half_stored(
    make_served: Callable[..., Served],
) -> None:
    served = make_served()
    task = served.task("R1")
    one = Client(served).log_in(served.tokens["R1"])
    assert one.ask("POST", f"/api/tasks/{task}/open", CLIENT)[0] == 200
    path = f"/api/tasks/{task}/events"

    def send(first: int, n: int) -> tuple[int, Any, dict[str, str]]:
        batch = [event(k, "note", detail="x" * 200) for k in range(first, first + n)]
        return one.ask("POST", path, {"client": "client-1", "events": batch})

    assert send(0, 10)[1]["acked"] == 9
    served.limit_disk(1)
    for _ in range(3):
        status, told, _ = send(10, 100)
        assert (status, "cannot store" in told["error"]) == (507, True)
    assert len(served.events(task)) == 10
    served.limit_disk(None)
    assert send(10, 100)[1]["acked"] == 109
    assert [row["seq"] for row in served.events(task)] == list(range(110))
