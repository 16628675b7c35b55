"""A board session of the simulated rig's daemons through the page, in a real browser."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from calibration.rig import load_rig_calibration
from capture.session import read_manifest

DEADLINE_S = 240
SENSORS = (("kinect2", "simulated-kinect2"), ("a65", "simulated-a65"))
OPTIONS = 'scene = "board"\nscale = 0.3\nn_views = 12\nhold_s = 1.8\nboard_seed = 0\n'
N_WANTED = 8
LIVE = "import sys; from calibration.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def guide(tmp_path):
    """The command in a process of its own: link, and where its files go."""
    rig = tmp_path / "rig.toml"
    text = 'schema_version = 1\nname = "board rig"\n'
    for name, kind in SENSORS:
        text += f'[[sensor]]\nname = "{name}"\nkind = "{kind}"\n[sensor.options]\n{OPTIONS}'
    rig.write_text(text)
    command = [sys.executable, "-P", "-c", LIVE, "live", "--rig", "rig.toml", "-o", "rig.yaml"]
    command += ["--report", "calibration", "--views", str(N_WANTED)]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline()
        assert line.startswith("open http://127.0.0.1:"), process.stderr.read()
        yield line.split()[1], tmp_path
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.returncode == 0, errors
        assert "Traceback" not in errors


@pytest.fixture
def page(guide, browser):
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(DEADLINE_S * 1000)
    mistakes = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on("console", lambda said: mistakes.append(said.text) if is_mistake(said) else None)
    page.goto(guide[0])
    yield page
    page.close()
    assert not mistakes


def is_mistake(message):
    return message.type == "error" and "status of 400" not in message.text


def picture(page, name):
    if folder := os.environ.get("MAVFER_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")


def test_without_the_link_nothing_is_shown_or_done(guide):
    link, folder = guide
    for path in ("/", "/?token=wrong", "/report", "/static/live.js", "/api/begin"):
        order = b"{}" if path.startswith("/api") else None
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(link.partition("/?")[0] + path, data=order, timeout=DEADLINE_S)
        with refused.value as answer:
            assert answer.code == 403, path
    assert not list((folder / "sessions").glob("*"))


@pytest.mark.timeout(600)
def test_the_page_guides_to_enough_views_and_calibrates(page, guide):
    _, folder = guide
    assert "token" not in page.url
    page.wait_for_selector("#word >> text=READY")
    assert page.is_disabled("#calibrate")
    page.click("#begin")
    page.wait_for_selector("body[data-phase=recording]")
    page.wait_for_selector("#n-views >> text=/^[2-9] of/")
    for camera in ("color", "infrared", "thermal"):
        page.wait_for_selector(f"figure[data-stream={camera}] .rate >> text=/^[1-9]/")
    page.wait_for_selector("#checks >> text=/of 6 views before it can be told/")
    picture(page, "guide")
    page.wait_for_selector("#word >> text=ENOUGH VIEWS")
    assert page.locator(".check.met").count() == 3
    picture(page, "guide-enough")
    page.click("#calibrate")
    page.wait_for_selector("#verdict >> text=Verdict")
    picture(page, "guide-done")
    with page.expect_popup() as popup:
        page.click("#report")
    popup.value.wait_for_selector("h1 >> text=Rig calibration")
    assert popup.value.locator("img").first.evaluate("image => image.naturalWidth") > 100
    popup.value.close()

    (session,) = (folder / "sessions").iterdir()
    manifest = read_manifest(session)
    assert (manifest.kind, manifest.status) == ("board", "complete")
    rig = load_rig_calibration(folder / "rig.yaml")
    assert rig.provenance["session"] == session.name
    assert rig.provenance["n_views"] >= N_WANTED
    assert f"Verdict: {rig.quality['verdict']}" in page.inner_text("#verdict")

    page.click("#begin")  # its outputs exist now, and nothing is opened for naught
    page.wait_for_selector("#notice.error >> text=exists already")
    assert page.inner_text("#word") != "OPENING"
