"""Pictures for anyone to see are of people who agree to that, or nothing is drawn."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mavfer.stages import STATE_FILE
from mavfer.store import open_store
from mavfer.store_assembly import write_store
from mavfer.store_writer import StoreLayout
from model import benchmark_cli, benchmark_figures
from model.evaluation import Evaluation
from model.light_figure import draw_by_light
from model.may_publish import publishable_videos
from model.result_table import Breakdown, Spread
from tests.model.conftest import CROP_PX, SUBJECTS, video_entry
from tests.model.test_light_figure import table

TINY = ["--steps", "1", "--seeds", "1", "--set", "width=0.05", "--set", "input_px=16"]


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Path]:
    def make(*agreeing: str, name: str = "people") -> Path:
        layout = StoreLayout(
            modalities=("color", "depth", "thermal"), crop_px=CROP_PX, clip_length=16, rate_hz=4.0
        )
        entries = []
        for seed, subject in enumerate(SUBJECTS):
            notes: dict[str, Any] = {"stages": [[0.0, "light dim"]]}
            notes["consent"] = {
                **{"record": True, "share": True, "until": None},
                "publish_pictures": subject in agreeing,
            }
            entries.append(replace(video_entry(subject, seed), notes=notes))
        path = tmp_path / f"{name}.h5"
        write_store(path, entries, layout=layout, splits=SUBJECTS)
        return path

    return make


def benchmark(store: Path, tmp_path: Path, *words: str) -> int:
    out = tmp_path / "out"
    return benchmark_cli.main([*words, "--store", str(store), "-o", str(out), "--quiet", *TINY])


def test_attention_is_published_of_those_who_agree(
    make_store: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[set[str]] = []
    draw = benchmark_figures.draw_attention

    def watched(evaluation: Evaluation, *args: Any, **kwargs: Any) -> None:
        shown.append({example.subject for example in evaluation.examples})
        draw(evaluation, *args, **kwargs)

    monkeypatch.setattr(benchmark_figures, "draw_attention", watched)
    store, pages = make_store("X1"), tmp_path / "pages"
    assert benchmark(store, tmp_path, "fig13") == 0
    assert benchmark(store, tmp_path, "fig13", "--publish", str(pages)) == 0
    assert shown == [{"X0", "X1"}, {"X1"}]
    told = "| pictures | of 1 of 2 test people: the others do not agree |"
    assert told in (pages / "fig13.md").read_text()


def test_where_nobody_agrees_nothing_is_trained_and_nothing_published(
    make_store: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, pages = make_store("T0"), tmp_path / "pages"  # who is not scored is not shown
    assert benchmark(store, tmp_path, "fig13", "--publish", str(pages)) == 1
    error = capsys.readouterr().err
    assert "none of the 2 test subjects of people.h5 agrees to pictures being published" in error
    assert error.strip().count("\n") == 0
    assert not pages.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("agreeing", "n_faces"), [((), 0), (("X0",), 1)])
def test_the_picture_by_light_shows_those_who_agree(
    make_store: Callable[..., Path], tmp_path: Path, agreeing: tuple[str, ...], n_faces: int
) -> None:
    part = Breakdown("light", "CCC by light", "", {"ridge": {"dim": Spread((0.25,))}})
    with open_store(make_store(*agreeing)) as store:
        assert publishable_videos(store) == {f"{name}-video" for name in agreeing}
        show = publishable_videos(store)
        paths = draw_by_light(table(part), store, tmp_path, "table4", show=show)
        assert paths["by_light_svg"].read_text().count("<image") == n_faces
        assert draw_by_light(table(part), store, tmp_path, "any")["by_light_svg"].is_file()
        assert (tmp_path / "any-by-light.svg").read_text().count("<image") == 1


def test_people_who_are_drawn_need_not_agree(
    make_store: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_store(name="mavfer-sim-small")
    plan = {"preset": "mavfer-sim-small", "version": 2}
    (tmp_path / STATE_FILE).write_text(json.dumps({"plan": plan}))
    with open_store(path) as store:
        assert publishable_videos(store) == set(store.videos)
