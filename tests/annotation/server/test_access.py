"""Who may do what: nothing without a login, only one's own, nothing from other pages or names."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotation.errors import AnnotationError
from annotation.server.gate import Gate, Throttle
from annotation.server.markdown import render_instructions
from annotation.server.messages import MAX_BODY_BYTES

from .conftest import Client, Served

CLIENT = {"client": "client-1", "tab": "tab-1111"}


def event(seq: int, kind: str = "seen", frame: int = 0, **more: Any) -> dict[str, Any]:
    return {"seq": seq, "kind": kind, "frame": frame, "at_us": seq, **more}


def test_nobody_gets_in_without_a_link_and_nobody_gets_at_others(
    make_served: Callable[..., Served],
) -> None:
    served = make_served()
    nobody, one, two, admin = (Client(served) for _ in range(4))
    mine, theirs = served.task("R1"), served.task("R2")
    for path in (
        *("/api/me", f"/api/tasks/{mine}", f"/video/{mine}", f"/rate/{mine}", "/instructions"),
        *("/examples/x.mp4", "/admin", "/api/admin/overview", "/api/admin/ratings"),
    ):
        assert nobody.ask("GET", path)[0] == 401, path
    assert nobody.ask("POST", f"/api/tasks/{mine}/events", {"client": "client-1"})[0] == 401
    assert nobody.ask("POST", "/api/login", {"token": "x"})[0] == 403
    assert nobody.ask("POST", "/api/login", {"token": "\ud800"})[0] == 403
    status, page, _ = nobody.ask("GET", f"/rate/{mine}", Accept="text/html")
    assert (status, b"Open the link" in page) == (401, True)
    status, _, headers = nobody.ask("GET", "/start")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "media-src 'self'" in policy
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")

    one.log_in(served.tokens["R1"])
    two.log_in(served.tokens["R2"])
    admin.log_in(served.link.partition("#")[2])
    status, me, _ = one.ask("GET", "/api/me")
    assert status == 200
    assert {task["id"] for task in me["tasks"]} == {mine, served.task("R1", "arousal")}
    assert "clip0" not in str(me)
    assert "R2" not in str(me)
    assert one.ask("GET", f"/api/tasks/{mine}")[0] == 200
    for path in (f"/api/tasks/{theirs}", f"/video/{theirs}", f"/rate/{theirs}", "/video/9999"):
        assert one.ask("GET", path)[0] == 404, path
    for what in ("open", "events", "submit"):
        body = {**CLIENT} if what == "open" else {"client": "client-1"}
        if what == "submit":
            body["n_events"] = "0"
        assert one.ask("POST", f"/api/tasks/{theirs}/{what}", body)[0] in (400, 404)
    assert one.ask("POST", f"/api/tasks/{theirs}/events", {"client": "client-1"})[0] == 404
    for path in (
        "/admin",
        "/api/admin/overview",
        "/api/admin/ratings",
        f"/api/admin/tasks/{mine}",
    ):
        assert one.ask("GET", path)[0] == 404, path
        assert admin.ask("GET", path)[0] == 200, path
    for path in ("raters", "assign", f"tasks/{mine}/reopen", "raters/1/remove", "raters/1/link"):
        assert one.ask("POST", f"/api/admin/{path}", {"names": ["X"]})[0] == 404, path
    assert admin.ask("GET", "/api/me")[0] == 404

    for origin in ("http://evil.example", "null", served.origin.replace("http", "https")):
        assert one.ask("POST", "/api/instructed", {}, Origin=origin)[0] == 403
    for host in ("evil.example", f"evil.example:{served.port}"):
        assert one.ask("GET", "/api/me", Host=host)[0] == 421
    big = {"client": "client-1", "released": False, "events": ["x" * MAX_BODY_BYTES]}
    assert one.ask("POST", f"/api/tasks/{mine}/events", big)[0] == 413
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/examples/..%2fproject.toml"):
        assert one.ask("GET", path)[0] == 404, path

    with served.project.database.read() as db:
        kept = b"".join(row["hash"] for row in db.execute("SELECT hash FROM token"))
    assert hashlib.sha256(served.tokens["R1"].encode()).digest() in kept
    cookie = one.headers["Cookie"].partition("=")[2]
    for path in served.project.path.iterdir():
        if path.is_file():
            assert served.tokens["R1"].encode() not in path.read_bytes()
            assert cookie.encode() not in path.read_bytes()


def test_logins_survive_a_restart_and_end_with_the_rater(
    make_served: Callable[..., Served],
) -> None:
    served = make_served()
    one = Client(served)
    status, _, headers = one.ask("POST", "/api/login", {"token": served.tokens["R1"]})
    assert status == 200
    cookie = headers["set-cookie"]
    for word in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert word in cookie
    assert served.tokens["R1"] not in cookie
    one.headers["Cookie"] = cookie.partition(";")[0]
    served.kill()
    served.start()
    assert one.ask("GET", "/api/me")[0] == 200
    admin = Client(served).log_in(served.link.partition("#")[2])
    overview = admin.ask("GET", "/api/admin/overview")[1]
    (number,) = (rater["id"] for rater in overview["raters"] if rater["name"] == "R1")
    status, made, _ = admin.ask("POST", f"/api/admin/raters/{number}/link", {})
    assert status == 200
    assert one.ask("GET", "/api/me")[0] == 401
    token = made["links"]["R1"].partition("#")[2]
    assert Client(served).ask("POST", "/api/login", {"token": served.tokens["R1"]})[0] == 403
    one.log_in(token)
    assert one.ask("GET", "/api/me")[0] == 200
    assert admin.ask("POST", f"/api/admin/raters/{number}/remove", {})[0] == 200
    assert one.ask("GET", "/api/me")[0] == 401
    assert Client(served).ask("POST", "/api/login", {"token": token})[0] == 403
    answers = [Client(served).ask("POST", "/api/login", {"token": "x"})[0] for _ in range(31)]
    assert answers[-1] == 429
    assert admin.ask("GET", "/api/admin/overview")[0] == 200


def test_events_that_cannot_be_meant_are_refused_and_leave_nothing(
    make_served: Callable[..., Served],
) -> None:
    served = make_served()
    task = served.task("R1")
    one = Client(served).log_in(served.tokens["R1"])
    assert one.ask("POST", f"/api/tasks/{task}/open", CLIENT)[0] == 200
    good = event(0, "play")
    for bad in (
        event(1, "dance"),
        event(1, frame=90),
        event(-1),
        event(1, "set", dimension="valence", value=11),
        event(1, "set", dimension="valence", value=1.5),
        event(1, "set", dimension="arousal", value=1),
        event(1, "set", dimension="valence", value=1, what=1),
        event(10**9),
        "nothing",
    ):
        body = {"client": "client-1", "events": [good, bad]}
        assert one.ask("POST", f"/api/tasks/{task}/events", body)[0] == 400, bad
    for body in (
        "",
        "[]",
        "{",
        '{"client": "../../x"}',
        "[" * 9000,
        '{"client":"client-1","events":[' + "1," * 2000 + "1]}",
    ):
        assert one.ask("POST", f"/api/tasks/{task}/events", body)[0] == 400, body[:30]
    assert served.events(task) == []
    batch = {"client": "client-1", "events": [good, event(1, "seen", 10)]}
    for _ in range(2):
        status, receipt, _ = one.ask("POST", f"/api/tasks/{task}/events", batch)
        assert (status, receipt["acked"]) == (200, 1)
    assert len(served.events(task)) == 2
    submit = {"client": "client-1", "n_events": 2}
    status, told, _ = one.ask("POST", f"/api/tasks/{task}/submit", submit)
    assert (status, told["n_missing"]) == (409, 90)
    for _ in range(2):
        submit["with_gaps"] = True
        assert one.ask("POST", f"/api/tasks/{task}/submit", submit)[0] == 200
    status, told, _ = one.ask("POST", f"/api/tasks/{task}/open", {**CLIENT, "client": "client-2"})
    assert (status, told["kind"]) == (409, "finished")


def test_videos_go_out_in_ranges_and_not_if_they_were_replaced(
    make_served: Callable[..., Served],
) -> None:
    served = make_served()
    task = served.task("R1")
    one = Client(served).log_in(served.tokens["R1"])
    file = served.project.videos / "clip0.mp4"
    whole = file.read_bytes()
    status, body, headers = one.ask("GET", f"/video/{task}")
    assert (status, body, headers["content-type"]) == (200, whole, "video/mp4")
    status, body, headers = one.ask("GET", f"/video/{task}", Range="bytes=100-199")
    assert (status, body) == (206, whole[100:200])
    assert headers["content-range"] == f"bytes 100-199/{len(whole)}"
    assert one.ask("GET", f"/video/{task}", Range=f"bytes={len(whole)}-")[0] == 416
    file.write_bytes(whole[:-1] + b"x")
    for path in (f"/video/{task}", f"/api/tasks/{task}"):
        status, told, _ = one.ask("GET", path)
        assert (status, "was replaced" in told["error"]) == (409, True)
    file.unlink()
    assert one.ask("GET", f"/video/{task}")[0] == 409
    file.write_bytes(whole)
    assert one.ask("GET", f"/video/{task}")[0] == 200

    manifest = file.with_suffix(".json")
    said = json.loads(manifest.read_text())
    said["source"]["consent"] = {"record": True, "until": "2020-01-01"}
    manifest.write_text(json.dumps(said))
    for path in (f"/video/{task}", f"/api/tasks/{task}"):
        status, told, _ = one.ask("GET", path)
        assert (status, "consent" in told["error"]) == (409, True)


def test_first_the_instructions_then_the_practice(make_served: Callable[..., Served]) -> None:
    served = make_served(practice=True)
    (served.project.examples / "smile.mp4").write_bytes(b"clip")
    served.project.instructions.write_text(
        "# Ours\n![a smile](examples/smile.mp4)\n<script>alert(1)</script>", encoding="utf-8"
    )
    one = Client(served).log_in(served.tokens["R1"])
    tasks = one.ask("GET", "/api/me")[1]["tasks"]
    assert [task["practice"] for task in tasks] == [True, True, False, False]
    practice, real = tasks[0]["id"], tasks[2]["id"]
    for number in (practice, real):
        status, told, _ = one.ask("POST", f"/api/tasks/{number}/open", CLIENT)
        assert (status, "instructions" in told["error"]) == (409, True)
    page = one.ask("GET", "/instructions")[1].decode()
    assert '<video controls preload="metadata" src="/examples/smile.mp4"' in page
    assert "<script>alert" not in page
    assert one.ask("GET", "/examples/smile.mp4")[2]["content-type"] == "video/mp4"
    assert one.ask("GET", "/examples/none.mp4")[0] == 404
    assert one.ask("POST", "/api/instructed", {})[0] == 200
    status, told, _ = one.ask("POST", f"/api/tasks/{real}/open", CLIENT)
    assert (status, "practice" in told["error"]) == (409, True)
    for task in tasks[:2]:
        assert one.ask("POST", f"/api/tasks/{task['id']}/open", CLIENT)[0] == 200
        body = {"client": "client-1", "n_events": 0, "with_gaps": True}
        assert one.ask("POST", f"/api/tasks/{task['id']}/submit", body)[0] == 200
    assert one.ask("POST", f"/api/tasks/{real}/open", CLIENT)[0] == 200


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:8700",
        "http://rate.lab.example",
        "ftp://x",
        "rate.lab",
        "",
        "https://x/y",
        "https://x:99999",
    ],
)
def test_addresses_that_show_faces_to_all_are_refused(url: str) -> None:
    with pytest.raises(AnnotationError):
        Gate(url)


def test_the_gate_knows_its_own_name_only() -> None:
    gate = Gate("https://rate.lab.example/")
    assert (gate.secure, gate.cookie_name) == (True, "__Host-mavfer")
    assert gate.own_origin("https://rate.lab.example", "rate.lab.example")
    assert not gate.own_origin("http://rate.lab.example", "rate.lab.example")
    assert not gate.own_origin(None, "rate.lab.example")
    assert not gate.knows_host("localhost:8700")
    local = Gate("http://127.0.0.1:8700")
    assert local.own_origin("http://localhost:8700", "localhost:8700")
    assert not local.own_origin("http://localhost:8700", "127.0.0.1:8700")
    assert not local.knows_host(None)


def test_failures_are_counted() -> None:
    throttle = Throttle(3, period_s=1000.0)
    for _ in range(3):
        assert not throttle.blocked()
        throttle.failed()
    assert throttle.blocked()
    patient = Throttle(1, period_s=0.0)
    patient.failed()
    assert not patient.blocked()


def test_instructions_cannot_carry_scripts(tmp_path: Path) -> None:
    html = render_instructions(
        '[x](javascript:alert(1)) <img src=x onerror=alert(1)> ![a"b](../../etc/x.png)\n\n'
        "![see](https://elsewhere.example/clip.webm)"
    )
    assert "<img src=x" not in html
    assert 'href="javascript' not in html
    assert 'src="/examples/x.png" alt="a&quot;b"' in html
    assert 'src="/examples/clip.webm"' in html
