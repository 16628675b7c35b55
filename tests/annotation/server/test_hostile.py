"""What no page of ours sends, and must not stop what a rater says from being kept."""

from collections.abc import Callable

import pytest

from .conftest import Client, Rating, Served

CLIENT = {"client": "client-1", "tab": "tab-0001"}


def event(seq: int, kind: str, frame: int, **more: object) -> dict[str, object]:
    return {"seq": seq, "kind": kind, "frame": frame, "at_us": seq, **more}


@pytest.fixture
def rating(make_served: Callable[..., Served]) -> tuple[Served, Client, int]:
    served = make_served()
    task = served.task("R1")
    one = Client(served).log_in(served.tokens["R1"])
    assert one.ask("POST", f"/api/tasks/{task}/open", CLIENT)[0] == 200
    return served, one, task


def test_half_a_character_in_a_comment_holds_nothing_up(
    rating: tuple[Served, Client, int],
) -> None:
    # a text that was cut within an emoji: JSON can say it, UTF-8 cannot
    served, one, task = rating
    for half in ("sad \ud83d", "\udc00", "a\0b"):
        seq = len(served.events(task))
        events = [event(seq, "comment", 0, detail=half), event(seq + 1, "play", 0)]
        body = {"client": "client-1", "events": events}
        status, receipt, _ = one.ask("POST", f"/api/tasks/{task}/events", body)
        assert status == 200, receipt
        assert receipt["acked"] == seq + 1
    details = [row["detail"] for row in served.events(task) if row["kind"] == "comment"]
    assert details == ["sad ?", "?", "a\0b"]


def test_numbers_and_secrets_out_of_all_reason_are_answered(
    rating: tuple[Served, Client, int],
) -> None:
    served, one, _ = rating
    admin = Client(served).log_in(served.link.partition("#")[2])
    for number in ("9" * 30, "-1", "0", "9" * 5000, "٣", "1.5", "NaN", "1e3"):
        for path in (f"/api/tasks/{number}", f"/rate/{number}", f"/video/{number}"):
            assert one.ask("GET", _quoted(path))[0] in (404, 422), path[:60]
        status, _, _ = one.ask(
            "POST", _quoted(f"/api/tasks/{number}/events"), {"client": "client-1"}
        )
        assert status in (404, 422)
        for path in (f"tasks/{number}/reopen", f"raters/{number}/link", f"raters/{number}/remove"):
            status, _, _ = admin.ask("POST", _quoted(f"/api/admin/{path}"), {})
            assert status in (404, 422), path[:60]
    for token in ("\ud83d", "x" * 100_000, "\0", ""):
        assert one.ask("POST", "/api/login", {"token": token})[0] == 403
    served.stop()  # finds a traceback, if there was one


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path)


_SAY_MUCH = """async ([task, client, leave]) => {
    const { Queue, sendLeftovers } = await import("/static/queue.js");
    const me = await (await fetch("/api/me")).json();
    await fetch(`/api/tasks/${task}/open`, { method: "POST",
        body: JSON.stringify({ client, tab: "tab-0009", take_over: true }) });
    const queue = new Queue(me.project, me.rater, task, client, () => {});
    await queue.open();
    clearTimeout(queue.timer);
    const detail = "字".repeat(2000);
    for (let n = 0; n < 45; n++) queue.add({ kind: "comment", frame: 0, detail });
    if (!leave) return queue.drain();
    await queue.storing;
    navigator.locks.query = async () => ({ held: [] });  // as after its page is gone
    return await sendLeftovers(me.project, me.rater) === 0;
}"""


def test_more_words_than_fit_into_one_request_arrive(
    rating: tuple[Served, Client, int], rate: Callable[..., Rating]
) -> None:
    served, _, task = rating
    page = rate(served).page
    for count, (client, leave) in enumerate((("client-stays", False), ("client-leaves", True)), 1):
        assert page.evaluate(_SAY_MUCH, [task, client, leave]), client
        said = [row for row in served.events(task) if row["kind"] == "comment"]
        assert [row["seq"] for row in said] == [*range(45)] * count
        assert {row["detail"] for row in said} == {"字" * 2000}
