"""One distribution owns the five roots, and its wheel holds them and nothing else."""

import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

ROOTS = ("annotation", "calibration", "capture", "mavfer", "model")
REPOSITORY = Path(__file__).parents[1]


def test_no_other_distribution_has_one_of_our_names():
    owners = importlib.metadata.packages_distributions()
    installed = {
        name: {file.parts[0] for file in importlib.metadata.files(name) or ()}
        for names in owners.values()
        for name in names
        if name != "mavfer"
    }
    assert {name for name, roots in installed.items() if roots & set(ROOTS)} == set()


def test_the_wheel_holds_the_five_packages_typed_and_licensed(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("mavfer-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == set(ROOTS)
    assert {f"{root}/py.typed" for root in ROOTS} <= set(names)
    assert any(name.endswith("licenses/NOTICE") for name in names)


def test_every_sensor_kind_is_found_by_its_entry_point():
    kinds = {point.name for point in importlib.metadata.entry_points(group="mavfer.sensors")}
    assert {"simulated-kinect2", "simulated-a65", "test-pattern"} <= kinds
