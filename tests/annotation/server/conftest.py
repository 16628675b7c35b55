"""The real command in a process of its own, a project of short clips, and Debian's Chromium."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from annotation.project.add_video import add_video
from annotation.project.assign_store import add_raters, assign_tasks
from annotation.project.folder import Project, create_project
from annotation.project.people import new_token
from annotation.project.ratings import stored_ratings
from annotation.project.settings import Settings
from annotation.project.task import tasks_of

from ..project.barcode import write_beeps

DEADLINE_S = 60
N_FRAMES = 90
RATE_HZ = 30


@dataclass
class Served:
    """A project and the server over it, which may be killed and started again."""

    project: Project
    port: int = 0
    link: str = ""
    process: "subprocess.Popen[str] | None" = None
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-P", "-m", "annotation.cli", "serve", self.project.path]
        command += ["--port", self.port]
        self.process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("open http://127.0.0.1:"), line
        self.link = line.split()[1]
        self.port = urlsplit(self.link).port or 0

    def kill(self) -> None:
        """SIGKILL, as when the machine is cut off."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate(timeout=DEADLINE_S)

    def stop(self) -> None:
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.returncode == 0, errors
        assert "Traceback" not in errors

    def limit_disk(self, n_bytes: int | None) -> None:
        """Let no file of the server grow beyond `n_bytes`: to it, the disk is full."""
        assert self.process is not None
        hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)[1]
        soft = hard if n_bytes is None else n_bytes
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (soft, hard))

    def rater_link(self, name: str) -> str:
        return f"{self.origin}/start#{self.tokens[name]}"

    def task(self, rater: str, dimension: str = "valence", number: int = 0) -> int:
        with self.project.database.read() as db:
            (row,) = db.execute("SELECT id FROM rater WHERE name = ?", (rater,))
            fitting = [t.id for t in tasks_of(db, row["id"]) if dimension in t.dimensions]
        return fitting[number]

    def values(self, task: int, dimension: str = "valence") -> list[int | None]:
        """Per-frame values that the database has right now."""
        with self.project.database.read() as db:
            found = {r.dimension: r.value for r in stored_ratings(db, task=task, practice=True)}
        return [None if np.isnan(v) else int(v) for v in found[dimension]]  # type: ignore[index]

    def events(self, task: int) -> list[dict[str, Any]]:
        with self.project.database.read() as db:
            rows = db.execute(
                "SELECT event.* FROM event JOIN client USING (task, client) WHERE task = ? "
                "ORDER BY epoch, seq",
                (task,),
            )
            return [dict(row) for row in rows]


class Client:
    """Speaks HTTP and sends exactly what it is told."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.headers = {"Host": f"127.0.0.1:{served.port}"}

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        connection = HTTPConnection("127.0.0.1", self.served.port, timeout=30)
        text = body if isinstance(body, str) else json.dumps(body)
        sent = {**self.headers, **headers}
        if method != "GET":
            sent.setdefault("Origin", self.served.origin)
        try:
            connection.request(method, path, None if method == "GET" else text, sent)
            answer = connection.getresponse()
            told = answer.read()
            try:
                data = json.loads(told)
            except ValueError:
                data = told
            return answer.status, data, dict(answer.headers)
        finally:
            connection.close()

    def log_in(self, token: str) -> "Client":
        status, _, headers = self.ask("POST", "/api/login", {"token": token})
        assert status == 200
        self.headers["Cookie"] = headers["set-cookie"].partition(";")[0]
        return self


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds whose frames carry their number, with a beep each second."""
    folder = tmp_path_factory.mktemp("clips")
    return write_beeps(folder / "clip.mp4", n=N_FRAMES, rate=Fraction(RATE_HZ), every=RATE_HZ)


@pytest.fixture
def make_served(tmp_path: Path, clip: Path) -> Iterator[Callable[..., Served]]:
    """Start a server over a new project: one clip, raters R1 and R2, instructions read."""
    started: list[Served] = []

    def make(
        *,
        together: bool = False,
        codecs: tuple[Any, ...] = ("h264",),
        practice: bool = False,
        sound: bool = False,
    ) -> Served:
        settings = Settings(title="Test", together=together, raters_per_video=2, n_teams=1)
        project = create_project(tmp_path / f"project{len(started)}", settings)
        for number, codec in enumerate(codecs):
            named = tmp_path / f"clip{number}.mp4"
            shutil.copyfile(clip, named)
            add_video(project, named, codec=codec, sound=sound)
        if practice:
            named = tmp_path / "warm-up.mp4"
            shutil.copyfile(clip, named)
            add_video(project, named, role="practice")
        served = Served(project)
        with project.database.write() as db:
            names = ["R1", "R2"]
            ids = add_raters(db, names, settings, who="test")
            assign_tasks(db, settings, who="test")
            for name, rater in zip(names, ids, strict=True):
                served.tokens[name] = new_token(db, rater)
            if not practice:
                db.execute("UPDATE rater SET instructed_ns = 1")
        started.append(served)
        served.start()
        return served

    yield make
    for served in started:
        served.stop()
        served.project.database.close()


class Rating:
    """A rater's browser on one task."""

    def __init__(self, served: Served, context: Any, name: str) -> None:
        self.served, self.context, self.name = served, context, name
        self.mistakes: list[str] = []
        self.page = self.new_page()

    def new_page(self) -> Any:
        page = self.context.new_page()
        page.set_default_timeout(DEADLINE_S * 1000)
        page.on("pageerror", lambda error: self.mistakes.append(str(error)))
        page.on("console", self._hear)
        return page

    def _hear(self, said: Any) -> None:
        """Refused requests and a server that is away are answers, not mistakes."""
        if said.type == "error" and "Failed to load resource" not in said.text:
            self.mistakes.append(said.text)

    def log_in(self) -> None:
        self.page.goto(self.served.rater_link(self.name))
        self.page.click("#start")
        self.page.wait_for_selector("#tasks tr")
        assert "#" not in self.page.url

    def open(self, task: int, page: Any = None) -> None:
        page = page or self.page
        page.goto(f"{self.served.origin}/rate/{task}")
        self.ready(page)

    def ready(self, page: Any = None) -> None:
        (page or self.page).wait_for_selector("body[data-state=paused]")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def play_until(self, frame: int) -> None:
        """Wait until the playing video has shown `frame`, by the page's own clock."""
        self.page.wait_for_function(
            "f => Number(document.querySelector('video').currentTime) * 30 >= f", arg=frame
        )

    def paused(self) -> None:
        self.page.wait_for_selector("body[data-state=paused]")

    def saved(self) -> None:
        self.page.wait_for_selector("#saved[data-kind=saved]")


@pytest.fixture
def rate(browser: Any) -> Iterator[Callable[..., Rating]]:
    opened: list[Rating] = []

    def make(served: Served, name: str = "R1", **options: Any) -> Rating:
        context = browser.new_context(viewport={"width": 1280, "height": 720}, **options)
        rating = Rating(served, context, name)
        opened.append(rating)
        rating.log_in()
        return rating

    yield make
    for rating in opened:
        rating.context.close()
        assert not rating.mistakes


@pytest.fixture
def screenshots() -> Path | None:
    folder = os.environ.get("MAVFER_SCREENSHOTS")
    return None if folder is None else Path(folder)
