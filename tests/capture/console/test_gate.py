"""Who may not: no token, a wrong one, other pages, other names, names that climb."""

import json
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import pytest

from capture.console.gate import Gate, check_loopback
from capture.console.orders import MAX_BODY_BYTES, ArmOrder, MarkOrder, read_order
from capture.errors import ConfigError

from .conftest import Console


class Client:
    """Sends exactly what it is told."""

    def __init__(self, console: Console) -> None:
        self.netloc = urlsplit(console.link).netloc
        self.headers = {"Host": self.netloc}

    def ask(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, str, HTTPResponse]:
        connection = HTTPConnection(self.netloc, timeout=20)
        try:
            sent = {**self.headers, **headers}
            connection.request(
                method, path, body if body is not None or method == "GET" else "", sent
            )
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer
        finally:
            connection.close()


def test_the_console_refuses_who_may_not_and_what_it_cannot_read(console: Console) -> None:
    client = Client(console)
    ask = client.ask
    for path in ("/", "/api/sessions", "/static/console.js", "/api/setup"):
        status, text, _ = ask("GET", path)
        assert (status, "open the link" in text) == (403, True)
    assert ask("GET", "/?token=wrong")[0] == 403
    assert ask("GET", f"/?token={console.token}", Host="evil.example")[0] == 421

    status, _, answer = ask("GET", f"/?token={console.token}")
    cookie = answer.headers["Set-Cookie"]
    assert status == 303
    assert answer.headers["Location"] == "/"
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert console.token not in cookie
    client.headers["Cookie"] = cookie.partition(";")[0]
    status, page, answer = ask("GET", "/")
    policy = answer.headers["Content-Security-Policy"]
    assert status == 200
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    for inline in ("<script>", "style=", "onclick", "http://", "https://"):
        assert inline not in page

    own = f"http://{client.netloc}"
    for origin in ({}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert ask("POST", "/api/record", **origin)[0] == 403
    assert ask("POST", "/api/record", Origin=own)[0] == 202
    assert ask("POST", "/api/nothing", Origin=own)[0] == 404
    assert ask("POST", "/api/mark", "x" * (MAX_BODY_BYTES + 1), Origin=own)[0] == 413

    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    assert ask("GET", "/live", Origin="http://evil.example", **upgrade)[0] == 403
    assert ask("GET", "/live", **upgrade)[0] == 403

    for subject in ("../x", "a/b", "", ".", "x" * 101):
        order = json.dumps({"subject": subject, "consent": True})
        status, text, _ = ask("POST", "/api/arm", order, Origin=own)
        assert (status, "is not allowed" in text) == (400, True)
    for body in ("", "[]", "{", '{"subject": 1}', '{"subject": "S01", "what": 1}', "[" * 9000):
        assert ask("POST", "/api/arm", body, Origin=own)[0] == 400
    unagreed = ask("POST", "/api/arm", '{"subject": "S01"}', Origin=own)
    assert (unagreed[0], "not agreed" in unagreed[1]) == (400, True)
    bad_date = json.dumps({"subject": "S01", "consent": True, "until": "soon"})
    assert "is no date" in ask("POST", "/api/arm", bad_date, Origin=own)[1]

    (console.root.parent / "session.json").write_text("{}")
    for name in ("..", "%2e%2e", "..%2f", "%2e%2e%2fsessions", "a%2f..%2f..", "%00", "absent"):
        status, text, _ = ask("GET", f"/api/sessions/{name}")
        assert status in (400, 404), name
        assert str(console.root.parent) not in text or name == "absent"
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"):
        assert ask("GET", path)[0] == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.5", "example.org", ""])
def test_the_console_is_for_this_machine_only(host: str) -> None:
    with pytest.raises(ConfigError, match="this machine only"):
        check_loopback(host)


def test_the_gate_asks_for_all_of_it() -> None:
    gate = Gate("127.0.0.1", 8080)
    assert gate.admits("localhost:8080", gate.cookie)
    assert not gate.admits("localhost:8080", None)
    assert not gate.admits("localhost:8080", gate.cookie + "x")
    assert not gate.admits("evil.example:8080", gate.cookie)
    assert not gate.admits(None, gate.cookie)
    assert gate.own_origin("http://localhost:8080", "localhost:8080")
    assert not gate.own_origin("http://localhost:8080", "127.0.0.1:8080")
    assert not gate.own_origin("https://localhost:8080", "localhost:8080")
    assert gate.link.startswith("http://127.0.0.1:8080/?token=")
    assert Gate("::1", 1).link.startswith("http://[::1]:1/?token=")
    assert not gate.admits_token("ü")


def test_orders_are_read_strictly() -> None:
    assert read_order(ArmOrder, b'{"subject": "S01"}').consent is False
    with pytest.raises(ConfigError, match="kind"):
        read_order(ArmOrder, b'{"subject": "S01", "kind": "cat"}')
    for label in ("x" * 201, "a\nb", "\x1b[2J"):
        with pytest.raises(ConfigError, match="200 printable"):
            read_order(MarkOrder, json.dumps({"label": label}).encode())
