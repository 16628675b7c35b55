"""What the page's recorder decides, against the server's own derivation, in a real browser."""

import json
import random
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import annotation.server
from annotation.project.derive import derive
from annotation.project.event import Event

VECTORS = Path(__file__).parents[1] / "project" / "derive_vectors.json"
N_FRAMES = 40
_PLAY = """async ({ steps, nFrames, values }) => {
  const { Ratings } = await import("/static/ratings.js");
  const { Recorder } = await import("/static/recorder.js");
  let now = 0;
  const events = [];
  const ratings = new Ratings(nFrames, ["valence", "arousal"], values);
  const recorder = new Recorder(ratings, (event) => events.push({ ...event }), () => now);
  for (const [what, ...rest] of steps) {
    now += 40;
    recorder[what](...rest);
  }
  return { events, values: ratings.values, position: recorder.position };
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture(scope="module")
def page(browser: Any) -> Iterator[Any]:
    """A page that can import the modules of ours."""
    folder = Path(annotation.server.__file__).parent
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/static/ratings.js")
        yield page
        page.close()
        server.shutdown()
        thread.join()


def test_the_page_derives_as_the_server_does(page: Any) -> None:
    vectors: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))
    found = page.evaluate(
        """async (vectors) => {
          const { Ratings } = await import("/static/ratings.js");
          return vectors.map((vector) => {
            const ratings = new Ratings(vector.n_frames, ["valence"]);
            for (const page of vector.pages) {
              ratings.beginPage();
              for (const [kind, frame, value] of page) {
                const dimension = kind === "set" ? "valence" : null;
                ratings.apply({ kind, frame, dimension, value: value ?? null });
              }
            }
            return ratings.values.valence;
          });
        }""",
        vectors,
    )
    assert found == [vector["value"] for vector in vectors]


def told(events: list[dict[str, Any]]) -> list[Event]:
    return [Event(seq=seq, at_us=seq, **event) for seq, event in enumerate(events)]


def derived(events: list[dict[str, Any]]) -> dict[str, list[int | None]]:
    found = derive([told(events)], n_frames=N_FRAMES, dimensions=["valence", "arousal"])
    return {
        name: [None if np.isnan(v) else int(v) for v in each.value] for name, each in found.items()
    }


def test_takes_write_from_the_first_touch_and_reviews_write_nothing(page: Any) -> None:

    def play(*steps: list[Any]) -> dict[str, Any]:
        asked = {"steps": list(steps), "nFrames": N_FRAMES, "values": {}}
        result: dict[str, Any] = page.evaluate(_PLAY, asked)
        return result

    def shown(first: int, last: int) -> list[list[Any]]:
        return [["shown", frame] for frame in range(first, last + 1)]

    first = [
        *(["touch", "valence", 2], ["play", 0, 1], *shown(1, 9)),
        *(["touch", "valence", 5], *shown(10, 19), ["pause", "pause"]),
    ]
    result = play(*first)
    expected = [2] * 9 + [5] * 11 + [None] * 20
    assert result["values"]["valence"] == expected == derived(result["events"])["valence"]
    assert result["values"]["arousal"] == [None] * N_FRAMES

    # Looking again changes nothing; beyond what was said the slider's position is carried on.
    review = [["look", 5], ["play", 5, 1], *shown(6, 29), ["pause", "pause"]]
    result = play(*first, *review)
    expected = [2] * 9 + [5] * 21 + [None] * 10
    assert result["values"]["valence"] == expected == derived(result["events"])["valence"]

    # From the touch on the take writes, also over what was said, and leaves the rest.
    again = [
        *(["look", 3], ["play", 3, 0.5], *shown(4, 6), ["touch", "valence", -7]),
        *(*shown(7, 14), ["pause", "blur"]),
    ]
    result = play(*first, *again)
    expected = [2] * 6 + [-7] * 9 + [5] * 5 + [None] * 20
    assert result["values"]["valence"] == expected == derived(result["events"])["valence"]
    # Afterwards the slider shows what is said of the frame that is looked at.
    assert play(*first, *again, ["look", 17])["position"]["valence"] == 5

    # A gap in the middle is filled, what is behind it is not.
    island = [
        ["look", 30],
        ["touch", "valence", 1],
        ["play", 30, 1],
        *shown(31, 39),
        ["pause", "end"],
    ]
    result = play(*first, *island, *review[:2], *shown(6, 39), ["pause", "end"])
    expected = [2] * 9 + [5] * 21 + [1] * 10
    assert result["values"]["valence"] == expected == derived(result["events"])["valence"]

    # The browser left frames out: what was on the slider counts for them, too.
    result = play(
        ["touch", "valence", 4], ["play", 0, 1], ["shown", 3], ["shown", 9], ["pause", "x"]
    )
    assert (
        result["values"]["valence"]
        == [4] * 10 + [None] * 30
        == derived(result["events"])["valence"]
    )


def test_whatever_a_rater_does_page_and_server_agree(page: Any) -> None:
    rng = random.Random(7)
    for _ in range(60):
        steps: list[list[Any]] = []
        n_takes = rng.randint(1, 8)
        for take in range(n_takes):
            frame = rng.randrange(N_FRAMES)
            steps.append(["look", frame])
            if rng.random() < 0.3:
                steps.append(["touch", rng.choice(["valence", "arousal"]), rng.randint(-10, 10)])
            if rng.random() < 0.2:
                steps.append(["judge", frame])
                continue
            steps.append(["play", frame, rng.choice([0.5, 0.75, 1])])
            for _ in range(rng.randint(0, 30)):
                if rng.random() < 0.25:
                    name = rng.choice(["valence", "arousal"])
                    steps.append(["touch", name, rng.randint(-10, 10)])
                frame = min(N_FRAMES - 1, frame + rng.choice([0, 1, 1, 1, 2]))
                steps.append(["shown", frame])
            if take < n_takes - 1 or rng.random() < 0.7:
                steps.append(["pause", "pause"])
        result = page.evaluate(_PLAY, {"steps": steps, "nFrames": N_FRAMES, "values": {}})
        found = derived(result["events"])
        if steps[-1][0] in ("pause", "judge"):
            assert result["values"] == found, steps
        else:  # a page that died: the server may know half a second less, and nothing else
            for name, values in found.items():
                differ = [k for k in range(N_FRAMES) if values[k] != result["values"][name][k]]
                assert len(differ) <= 26, steps
