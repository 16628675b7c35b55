"""Thirty raters at once: a server, thirty threads that report as pages do, an admin who looks.

Every half second each rater posts what a page would: slider movements and how far the video has
come, a few events at a time. The admin's page is open too. The peer is the floor: at the same time
a process of its own commits four rows to a database of its own on the same disk, without a network
or a server.

Seconds: MAVFER_BENCH_ANNOTATION_S, 600 by default.
"""

import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from annotation.project.add_video import add_video
from annotation.project.assign_store import add_raters, assign_tasks
from annotation.project.encode import encode_video
from annotation.project.folder import Project, create_project
from annotation.project.people import new_token
from annotation.project.settings import Settings
from annotation.project.task import tasks_of

from .figure import emit

_DURATION_S = float(os.environ.get("MAVFER_BENCH_ANNOTATION_S", "600"))
_N_RATERS = 30
_EVERY_S = 0.5
_VIDEO_S = 60
_RATE_HZ = 30
_WARM_UP_SHARE = 0.1


def main() -> None:
    """Run the server and its raters, print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        project, tokens = _prepare(Path(folder))
        command = [sys.executable, "-P", "-m", "annotation.cli", "serve", str(project.path)]
        floor = subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.bench_annotation", folder, str(_DURATION_S)],
            stdout=subprocess.PIPE,
            text=True,
        )
        with (
            floor,
            subprocess.Popen(
                [*command, "--port", "0"], stdout=subprocess.PIPE, text=True
            ) as server,
        ):
            link = next(iter(server.stdout or ())).split()[1]
            try:
                raters, growth_mb = _load(server.pid, link, tokens)
            finally:
                server.terminate()
            floor_ms = float(next(iter(floor.stdout or ())))
        latencies_ms = np.concatenate([rater.latencies_ms for rater in raters])
        with project.database.read() as db:
            stored = db.execute("SELECT count(*) FROM event").fetchone()[0]
        sent = sum(rater.n_sent for rater in raters)
        peer = {"peer": floor_ms, "peer_name": "sqlite commit alone, at the same time"}
        p50, p95, p99 = np.percentile(latencies_ms, [50, 95, 99])
        emit("annotation", "event_post_p50_ms", p50, unit="ms")
        emit("annotation", "event_post_p95_ms", p95, unit="ms", **peer)
        emit("annotation", "event_post_p99_ms", p99, unit="ms")
        emit("annotation", "posts_per_s", len(latencies_ms) / _DURATION_S, unit="1/s")
        emit("annotation", "events_sent", sent, unit="1")
        emit("annotation", "events_lost", sent - stored, unit="1")
        emit("annotation", "rss_growth_mb", growth_mb, unit="MB")


@dataclass
class _Rater:
    """One page: posts, remembers how long it took, sends again what was not confirmed."""

    netloc: str
    token: str
    task: int
    seed: int
    n_sent: int = 0
    latencies_ms: list[float] = field(default_factory=list)

    def run(self, until_s: float) -> None:
        rng = random.Random(self.seed)
        connection = HTTPConnection(self.netloc, timeout=60)
        cookie = _log_in(connection, self.netloc, self.token)
        headers = {"Cookie": cookie, "Origin": f"http://{self.netloc}"}
        client = f"bench-client-{self.seed}"

        def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            data: dict[str, Any] = json.loads(answer.read())
            if answer.status != 200:
                raise RuntimeError(f"{answer.status}: {data}")
            return data

        post(f"/api/tasks/{self.task}/open", {"client": client, "tab": client, "take_over": True})
        connection.request("GET", f"/video/{self.task}", headers={"Cookie": cookie})
        connection.getresponse().read()
        events, frame, value, acked = [self._event(0, "play", 0)], 0, 0, -1
        next_s = time.monotonic() + rng.random() * _EVERY_S
        while next_s < until_s:
            time.sleep(max(0.0, next_s - time.monotonic()))
            next_s += _EVERY_S
            frame += round(_EVERY_S * _RATE_HZ)
            if frame >= _VIDEO_S * _RATE_HZ:
                frame = 0
                events.append(self._event(len(events), "play", 0))
            for _ in range(rng.randint(0, 5)):
                value = max(-10, min(10, value + rng.choice((-1, 1))))
                move = {"dimension": "valence", "value": value, "hand": True}
                events.append(self._event(len(events), "set", frame, **move))
            events.append(self._event(len(events), "seen", frame))
            started_s = time.perf_counter()
            told = post(
                f"/api/tasks/{self.task}/events", {"client": client, "events": events[acked + 1 :]}
            )
            self.latencies_ms.append((time.perf_counter() - started_s) * 1e3)
            acked = told["acked"]
        self.n_sent = len(events)
        connection.close()

    def _event(self, seq: int, kind: str, frame: int, **more: Any) -> dict[str, Any]:
        at_us = round(time.monotonic() * 1e6)
        return {"seq": seq, "kind": kind, "frame": frame, "at_us": at_us, **more}


def _prepare(folder: Path) -> tuple[Project, dict[int, str]]:
    """Make a project of one video in which each of thirty raters has a task."""
    clip = folder / "clip.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), np.uint8)
    n_frames = _VIDEO_S * _RATE_HZ
    encode_video(
        clip,
        (noise[k % 60] for k in range(n_frames)),
        n_frames=n_frames,
        rate_hz=Fraction(_RATE_HZ),
        size_px=(64, 48),
        codec="h264",
    )
    settings = Settings(title="bench", raters_per_video=_N_RATERS, n_teams=1)
    project = create_project(folder / "project", settings)
    add_video(project, clip)
    with project.database.write() as db:
        ids = add_raters(db, [f"R{i}" for i in range(_N_RATERS)], settings, who="bench")
        assign_tasks(db, settings, who="bench")
        db.execute("UPDATE rater SET instructed_ns = 1")
        tokens = {
            next(task.id for task in tasks_of(db, rater) if task.dimensions == ("valence",)): (
                new_token(db, rater)
            )
            for rater in ids
        }
    project.database.close()
    return project, tokens


def _load(pid: int, link: str, tokens: dict[int, str]) -> tuple[list[_Rater], float]:
    """Let everybody rate; return the raters and how much the server grew after warming up."""
    netloc = urlsplit(link).netloc
    begin_s = time.monotonic()
    until_s = begin_s + _DURATION_S
    raters = [
        _Rater(netloc, token, task, seed) for seed, (task, token) in enumerate(tokens.items())
    ]
    threads = [threading.Thread(target=rater.run, args=(until_s,)) for rater in raters]
    threads.append(threading.Thread(target=_watch, args=(netloc, link, until_s)))
    for thread in threads:
        thread.start()
    time.sleep(_WARM_UP_SHARE * _DURATION_S)
    before_mb = _rss_mb(pid)
    for thread in threads:
        thread.join()
    return raters, _rss_mb(pid) - before_mb


def _watch(netloc: str, link: str, until_s: float) -> None:
    """Look as the admin's page does."""
    cookie = _log_in(HTTPConnection(netloc, timeout=60), netloc, link.partition("#")[2])
    turn = 0
    while time.monotonic() < until_s:
        connection = HTTPConnection(netloc, timeout=60)
        for path in ("overview", "ratings") if turn % 4 == 0 else ("overview",):
            connection.request("GET", f"/api/admin/{path}", headers={"Cookie": cookie})
            answer = connection.getresponse()
            if answer.read() and answer.status != 200:
                raise RuntimeError(f"admin's page: {answer.status}")
        connection.close()
        turn += 1
        time.sleep(min(5.0, max(0.0, until_s - time.monotonic())))


def _log_in(connection: HTTPConnection, netloc: str, token: str) -> str:
    body = json.dumps({"token": token})
    connection.request("POST", "/api/login", body, {"Origin": f"http://{netloc}"})
    answer = connection.getresponse()
    answer.read()
    return answer.headers["Set-Cookie"].partition(";")[0]


def _commit_floor_ms(folder: Path, duration_s: float) -> float:
    """95th percentile of what it takes to commit four rows, tried all the time the load lasts."""
    times_ms: list[float] = []
    until_s = time.monotonic() + duration_s
    with closing(sqlite3.connect(folder / "floor.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, detail TEXT)")
        while time.monotonic() < until_s:
            started_s = time.perf_counter()
            db.execute("BEGIN IMMEDIATE")
            rows = [(4 * len(times_ms) + i, "set 1234 valence 5") for i in range(4)]
            db.executemany("INSERT INTO event VALUES (?, ?)", rows)
            db.execute("COMMIT")
            times_ms.append((time.perf_counter() - started_s) * 1e3)
            time.sleep(_EVERY_S / 5)
    return float(np.percentile(times_ms, 95))


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    print(_commit_floor_ms(Path(sys.argv[1]), float(sys.argv[2])))
