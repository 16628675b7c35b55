"""The commands of a project as a user types them; what they refuse; TLS end to end."""

import json
import signal
import ssl
import subprocess
import sys
from fractions import Fraction
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from annotation.cli import main
from annotation.project.folder import open_project
from mavfer.info import describe, render

from .project.barcode import write_clip


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


@pytest.fixture
def study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "study"
    assert run(capsys, "init", folder, "--title", "Faces", "--raters-per-video", "2")[0] == 0
    clip = write_clip(tmp_path / "clip.mp4", n=6, rate=Fraction(30))
    warm_up = write_clip(tmp_path / "warm-up.mp4", n=4, rate=Fraction(30))
    assert run(capsys, "add", folder, clip, "--quiet")[1].startswith("clip: 6 frames at 30 Hz")
    assert run(capsys, "add", folder, warm_up, "--practice")[0] == 0
    return folder


def test_a_study_from_the_command_line(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("R1", "R2", "R3", "R4")
    status, out, _ = run(capsys, "assign", study, *names, "--json", "--url", "https://x.example")
    found = json.loads(out)
    assert (status, found["n_tasks"], found["short"]) == (0, 4 + 8, [])
    assert all(link.startswith("https://x.example/start#") for link in found["links"].values())
    assert json.loads(run(capsys, "assign", study, "--json")[1])["n_tasks"] == 0
    written = (study / "project.toml").read_text()
    (study / "project.toml").write_text(written.replace('url = ""', 'url = "https://y.example"'))
    assert "https://y.example/start#" in run(capsys, "link", study, "R1")[1]
    facts = describe(study)
    assert (facts["kind"], facts["videos"], facts["n_tasks"]) == ("annotation project", ["clip"], 4)
    assert {len(team) for team in facts["teams"].values()} == {2}
    assert "annotation project" in render(facts)[0]
    with open_project(study).database.read() as db:
        (gone, team), *_ = db.execute(
            "SELECT rater.name, team FROM task JOIN rater ON rater.id = rater JOIN video "
            "ON video.id = video WHERE role = 'rating'"
        )
    (other,) = {"A", "B"} - {team}
    assert "shut out" in run(capsys, "link", study, gone, "--remove")[1]
    assert "clip has fewer than the raters asked for" in run(capsys, "assign", study)[1]
    assert "/start#" in run(capsys, "link", study, facts["teams"][other][0])[1]
    out = run(capsys, "assign", study, "R5", "--team", team)[1]
    assert out.startswith("4 new tasks\n")
    assert "fewer" not in out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["init", "{study}"], "exists already"),
        (["init", "{tmp}/p", "--title", ""], "title needs"),
        (["init", "{tmp}/p", "--teams", "0"], "n_teams is 0"),
        (["add", "{tmp}", "x.mp4"], "project.toml does not exist"),
        (["add", "{study}", "{tmp}/clip.mp4"], "has a video clip already"),
        (["add", "{study}", "{tmp}/none.mp4"], "no session or video file"),
        (["add", "{study}", "{tmp}/clip.mp4", "--max-height-px", "1"], "expected 2 or more"),
        (["assign", "{study}", "R1", "R1"], "named twice"),
        (["assign", "{study}", "a b"], "is not allowed"),
        (["assign", "{study}"], "no raters"),
        (["assign", "{study}", "R1", "--url", "http://lab.example"], "show faces"),
        (["link", "{study}", "R9"], "there is no rater R9"),
        (["serve", "{study}", "--host", "0.0.0.0"], "without TLS would show faces"),
        (["serve", "{study}", "--host", "lab"], "is no address"),
        (
            ["serve", "{study}", "--host", "0.0.0.0", "--certificate", "x", "--key", "y"],
            "which one do raters type",
        ),
        (["serve", "{study}", "--port", "99999"], "cannot listen"),
        (["serve", "{study}", "--certificate", "x.pem"], "both --certificate and --key"),
        (
            ["serve", "{study}", "--port", "0", "--certificate", "{tmp}/x", "--key", "{tmp}/y"],
            "cannot be used",
        ),
    ],
)
def test_mistakes_are_one_clear_line(
    words: list[str],
    complaint: str,
    study: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(tmp_path.rglob("*"))
    status, _, err = run(capsys, *[word.format(study=study, tmp=tmp_path) for word in words])
    assert status == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert complaint in err
    assert [
        p for p in sorted(tmp_path.rglob("*")) if "-wal" not in p.name and "-shm" not in p.name
    ] == before


def test_a_failed_assignment_adds_nobody(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "assign", study, "R1")[0] == 1
    with open_project(study).database.read() as db:
        assert db.execute("SELECT count(*) FROM rater").fetchone()[0] == 0


def test_with_a_certificate_of_its_own(study: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext"]
    words += ["subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    command = [sys.executable, "-P", "-m", "annotation.cli", "serve", str(study), "--port", "0"]
    command += ["--certificate", str(certificate), "--key", str(key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url, _, token = server.stdout.readline().split()[1].partition("/start#")
        assert url.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=str(certificate))
        port = int(url.rpartition(":")[2])

        def ask(method: str, path: str, body: Any = None, **headers: str) -> Any:
            connection = HTTPSConnection("127.0.0.1", port, context=trusted, timeout=30)
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer

        answer = ask("POST", "/api/login", {"token": token}, Origin=url)
        cookie = answer.headers["Set-Cookie"]
        assert answer.status == 200
        assert cookie.startswith("__Host-mavfer=")
        for word in ("Secure", "HttpOnly", "SameSite=strict", "Path=/"):
            assert word in cookie
        assert "Domain" not in cookie
        assert ask("GET", "/admin", Cookie=cookie.partition(";")[0]).status == 200
        insecure = url.replace("https", "http")
        assert ask("POST", "/api/login", {"token": token}, Origin=insecure).status == 403
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0
