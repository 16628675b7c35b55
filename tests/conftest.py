"""What all tests share: hypothesis profiles, a small rig, one cache of loops, one browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from capture.simulation.rig import SimulatedRig, kinect2_rig

settings.register_profile("default", deadline=None, max_examples=60)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=100,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default")
)


WAITING = {"capture", "server", "live"}
"""Folders whose tests mostly wait: for sensors in real time, for pages, for the killed."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the whole pipeline first and what waits last.

    Of three workers that begin at the start of a third each (``--dist worksteal``), two then keep
    the two cores busy while the last one waits.
    """
    items.sort(
        key=lambda item: (
            "pipeline" not in item.path.parts,
            not WAITING.isdisjoint(item.path.parts),
        )
    )


@pytest.fixture(scope="session", autouse=True)
def _scene_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep rendered loops out of the user's cache; workers of one run share theirs."""
    root = tmp_path_factory.getbasetemp()
    shared = root.parent if os.environ.get("PYTEST_XDIST_WORKER") else root
    os.environ.setdefault("MAVFER_CACHE_DIR", str(shared / "mavfer-cache"))


@pytest.fixture(scope="session")
def small_rig() -> SimulatedRig:
    """The simulated rig with cameras just large enough for faces to be found."""
    return kinect2_rig(scale={"color": 0.4, "infrared": 0.5, "thermal": 0.4})


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data beside the checkout; tests skip where it is missing."""
    path = Path(__file__).parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"no real data: {path} does not exist")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by the one playwright that a process can have."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("NO CHROMIUM: PAGES ARE NOT TESTED IN A BROWSER (apt install chromium)")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()
