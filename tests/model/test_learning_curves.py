"""Curves of several seeds on one picture, and the step at which each began to say something."""

import re
from pathlib import Path

import cv2
import pytest
from matplotlib.axes import Axes

from model.config import ModelConfig, TrainConfig
from model.learning_curves import curve_of, draw_learning_curves
from model.plateau import plateau_left
from model.run_spec import RunScores, RunSpec


def finished(metrics: list[dict]) -> RunScores:
    spec = RunSpec(Path("s.h5"), "f", ModelConfig("uran", ("color",)), TrainConfig(), "small")
    return RunScores(spec, {}, {}, metrics, Path("p.parquet"))


def test_the_plateau_ends_with_the_first_validation_above_it() -> None:
    lines = [
        {"step": step, "validation": {"valence": {"ccc": value}}}
        for step, value in ((25, None), (50, 0.3), (75, 0.31), (100, 0.2))
    ]
    curve = curve_of(finished(lines), "valence")
    assert curve == [(25, 0.0), (50, 0.3), (75, 0.31), (100, 0.2)]
    assert plateau_left(curve) == 75
    assert plateau_left(curve[:2]) is None
    assert curve_of(finished([{"step": 25, "validation": {}}]), "valence") == []


def test_equal_curves_make_equal_pictures(tmp_path: Path) -> None:
    rows = {
        "color": [[(25, 0.0), (50, 0.4)], [(25, 0.1), (50, 0.5), (75, 0.6)]],
        "color & depth": [[(25, 0.2), (50, 0.3)]],
        "no validation": [[]],
    }
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths = draw_learning_curves(rows, tmp_path / name, "table4", title="table4: Modalities")
        assert {path.name for path in paths.values()} == {"table4-curves.png", "table4-curves.svg"}
        found.append([path.read_bytes() for path in paths.values()])
    assert found[0] == found[1]
    assert found[0][0].startswith(b"\x89PNG")
    svg = found[0][1].decode()
    assert "<svg" in svg
    assert "color &amp; depth" in svg


def test_the_mean_ends_with_the_first_seed_and_every_seed_is_drawn_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[list[int], list[float], str]] = []
    monkeypatch.setattr(
        Axes, "plot", lambda _self, x, y, *, color, **_: drawn.append((list(x), list(y), color))
    )
    low, high = [(25, 0.0), (50, 0.2), (75, 0.3)], [(25, 0.4), (50, 0.6)]
    draw_learning_curves({"a": [low, [], high]}, tmp_path, "table4", title="x")
    seed_of_low, seed_of_high, mean = drawn
    assert seed_of_low[:2] == ([25, 50, 75], [0.0, 0.2, 0.3])
    assert seed_of_high[:2] == ([25, 50], [0.4, 0.6])
    assert mean[0] == [25, 50]  # not 75, where the better seed is missing and it would fall
    assert mean[1] == pytest.approx([0.2, 0.4])
    assert seed_of_low[2] == seed_of_high[2] != mean[2]


def test_a_long_title_fits_a_picture_of_one_row(tmp_path: Path) -> None:
    title = "repairs: Repairs of the attention branch, MRAN"
    paths = draw_learning_curves({"alone": [[(25, 0.2)]]}, tmp_path, "repairs", title=title)
    image = cv2.imread(str(paths["curves_png"]))
    title_px = image[:40]
    assert title_px.min() < 100
    assert title_px[:, :4].min() == title_px[:, -4:].min() == 255  # nothing runs out of it


def test_every_column_names_its_steps_below_the_last_picture(tmp_path: Path) -> None:
    rows = {f"row {n}": [[(0, 0.0), (700, 0.4)]] for n in range(5)}  # four, and one below
    paths = draw_learning_curves(rows, tmp_path, "table4", title="x")
    svg = paths["curves_svg"].read_text(encoding="utf-8")
    assert len(re.findall(r">\s*600\s*<|<!-- 600 -->", svg)) == 4


@pytest.mark.parametrize("rows", [{}, {"a": [[]]}])
def test_without_validation_there_is_no_picture(tmp_path: Path, rows: dict) -> None:
    assert draw_learning_curves(rows, tmp_path, "table4", title="x") == {}
    assert list(tmp_path.iterdir()) == []
