"""The page shows in a browser what the store holds, row by row, and runs nothing it was told."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import expect

from mavfer.browse.page import render_page
from mavfer.cli import main
from mavfer.derived import DERIVED_MARK
from mavfer.splits import Split
from mavfer.store import open_store
from mavfer.store_assembly import write_store
from mavfer.store_traces import LabelTrace
from mavfer.store_writer import FrameCrops, StoreLayout

from .stores import entry

HOSTILE = "w</script><script>window.hacked=1</script><img src=x onerror=window.hacked=2>"
SPLITS: dict[str, Split] = {"A": "train", "B": "test"}
PX, N = 32, 20


def flat(n: int) -> Iterator[FrameCrops]:
    """Crops whose brightness tells the row."""
    for row in range(n):
        color = np.full((PX, PX, 3), 10 * row + 20, np.uint8)
        plain = np.full((PX, PX), 800 + row, np.uint16)
        yield FrameCrops({"color": color, "depth": plain, "thermal": plain})


@pytest.fixture(scope="module")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    seconds = np.arange(N) * 250_000_000
    traces = [LabelTrace("valence", seconds, np.linspace(0, 0.5, N), rater="R1")]
    notes = {"consent": {"record": True, "share": False, "publish_pictures": True, "until": None}}
    path = tmp_path_factory.mktemp("browse") / "store.h5"
    entries = [
        entry("first", "A", N, 1, crops=flat(N), traces=traces, notes=notes),
        entry(HOSTILE.replace("/", "|"), "B", N, 2, crops=flat(N), category=HOSTILE),
        entry("zero", "B", 0, 3, crops=flat(0)),
    ]
    write_store(path, entries, layout=StoreLayout(crop_px=PX), splits=SPLITS)
    return path


@pytest.fixture(scope="module")
def opened(store_path: Path, browser: Any) -> Iterator[tuple[Any, list[str]]]:
    """The page in a browser, and everything it complained about or asked for."""
    out = store_path.parent / "look"
    assert main(["browse", str(store_path), "-o", str(out), "--quiet"]) == 0
    problems: list[str] = []

    def note_request(request: Any) -> None:
        if not request.url.startswith(("file:", "data:")):
            problems.append(request.url)

    shown = browser.new_page(viewport={"width": 1200, "height": 900})
    shown.on("console", lambda message: problems.append(message.text))
    shown.on("pageerror", lambda error: problems.append(str(error)))
    shown.on("request", note_request)
    shown.goto((out / "index.html").as_uri())
    yield shown, problems
    shown.close()


@pytest.fixture
def page(opened: tuple[Any, list[str]]) -> Iterator[Any]:
    shown, problems = opened
    shown.reload()
    shown.wait_for_selector("#crops canvas")
    yield shown
    assert problems == []


def brightness(page: Any) -> int:
    """Of the middle of the color crop on the screen."""
    script = f"""() => {{
        const dot = new OffscreenCanvas(1, 1).getContext('2d', {{willReadFrequently: true}});
        dot.drawImage(document.querySelector('#crops canvas'), {-PX // 2}, {-PX // 2});
        return dot.getImageData(0, 0, 1, 1).data[0];
    }}"""
    return int(page.evaluate(script))


def test_rows_are_scrubbed_by_keys_slider_and_plot(page: Any) -> None:
    assert page.inner_text("#name") == "first"
    assert page.locator("#crops canvas").count() == 3
    assert abs(brightness(page) - 20) <= 2
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert page.inner_text("#where") == f"row 12 of {N}, 2.750 s"
    assert abs(brightness(page) - (10 * 11 + 20)) <= 2
    page.locator("#row").fill("4")
    assert abs(brightness(page) - 60) <= 2
    assert "bad" in page.locator("#crops canvas").first.get_attribute("class")  # no face in row 4
    assert "no face" in page.inner_text("#frame")
    box = page.locator("#plots canvas").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] + 50, box["y"] + 20)
    page.mouse.up()
    assert page.inner_text("#where").startswith(f"row {N} of {N}")
    assert abs(brightness(page) - (10 * (N - 1) + 20)) <= 2


def test_it_plays_to_the_end_and_stops(page: Any) -> None:
    page.locator("#row").fill(str(N - 3))
    page.click("#play")
    expect(page.locator("#where")).to_contain_text(f"row {N} of", timeout=60_000)
    expect(page.locator("#play")).to_have_text("play")


def test_videos_are_found_and_hostile_names_are_only_text(page: Any) -> None:
    assert page.locator("#videos li").count() == 3
    page.fill("#filter", "B test hacked")
    assert page.locator("#videos li").count() == 1
    page.locator("#videos li").click()
    expect(page.locator("#name")).to_have_text(HOSTILE.replace("/", "|"))
    page.fill("#filter", "zero")
    page.locator("#videos li").click()
    expect(page.locator("#where")).to_have_text("no rows")
    assert page.evaluate("window.hacked") is None


def test_long_stores_show_every_nth_crop_and_all_labels(store_path: Path) -> None:
    text = render_page(open_store(store_path), ["first"], most_frames=6)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    (video,) = json.loads(found[1])["videos"]
    assert video["step"] == 4
    assert len(video["time_s"]) == len(video["valence"]) == N
    assert list(video["raters"]["valence"]) == ["R1"]
    (address,) = video["sheets"]["color"]
    encoded = address.partition(",")[2]
    jpeg = np.frombuffer(base64.b64decode(encoded), np.uint8)
    sheet = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert [int(sheet[PX // 2, i * PX + PX // 2, 0]) // 10 for i in range(5)] == [2, 6, 10, 14, 18]


def test_long_videos_are_spread_over_sheets(tmp_path: Path) -> None:
    path = tmp_path / "long.h5"
    video = entry("v", "A", 600, 1, crops=[FrameCrops({})] * 600)
    write_store(path, [video], layout=StoreLayout(crop_px=8), splits=SPLITS)
    text = render_page(open_store(path), ["v"], most_frames=600)
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    (shown,) = json.loads(found[1])["videos"]
    assert [len(shown["sheets"][m]) for m in ("color", "depth", "thermal")] == [3, 3, 3]


def test_contact_sheets_and_consent(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "look"
    arguments = ["browse", str(store_path), "-o", str(out), "--quiet"]
    assert main([*arguments, "--purpose", "publish", "--json"]) == 0
    assert sorted(json.loads(capsys.readouterr().out)["left_out"]) == sorted(
        [HOSTILE.replace("/", "|"), "zero"]
    )
    sheet = out / "contact-000.png"
    assert cv2.imread(str(sheet)).shape[0] == PX + 14
    assert DERIVED_MARK.encode() in sheet.read_bytes()
    assert b"first" in sheet.read_bytes()
    assert "hacked" not in (out / "index.html").read_text()
    assert main(arguments) == 1
    assert "exists already" in capsys.readouterr().err
    assert main([*arguments, "--overwrite", "--frames", "0"]) == 1
    assert "at least 1" in capsys.readouterr().err
    assert main(["browse", str(store_path), "-o", str(tmp_path / "x"), "--purpose", "share"]) == 1
    assert "no video may be shown for share" in capsys.readouterr().err
