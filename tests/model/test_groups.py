"""Frames by light, whether a video has one or changes it."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mavfer.store import ClipStore, open_store
from mavfer.store_assembly import write_store
from mavfer.store_writer import StoreLayout, VideoEntry
from model.evaluation import Evaluation, VideoPrediction
from model.groups import frame_groups

TIME_S = np.arange(12) / 4.0


def store_of(path: Path, entry: VideoEntry, notes: list[dict]) -> ClipStore:
    layout = StoreLayout(
        modalities=("color", "depth", "thermal"), crop_px=32, clip_length=4, rate_hz=4.0
    )
    entries = [
        replace(entry, id=f"v{k}", subject=f"S{k}", notes=each) for k, each in enumerate(notes)
    ]
    splits = {each.subject: "test" for each in entries}
    write_store(path, entries, layout=layout, splits=splits)
    return open_store(path)


def test_a_frame_is_in_the_light_that_was_switched_on_last(
    film_entry: VideoEntry, tmp_path: Path
) -> None:
    changing = [[0.5, "light dim"], [1.0, "question 1"], [2.0, "light dark"], [2.5, "light dim"]]
    notes = [{"stages": changing}, {"light": "side"}, {"stages": [[0.0, "rest"]]}, {}]
    with store_of(tmp_path / "s.h5", film_entry, notes) as store:
        lights = frame_groups(store)["light"]
        assert set(lights) == {"v0", "v1"}
        names = lights["v0"][:12].tolist()
        assert names == ["", "", *["dim"] * 6, "dark", "dark", "dim", "dim"]
        assert set(lights["v1"].tolist()) == {"side"}
        tables = {"light": {"v3": "noon"}, "glasses": {"v3": "yes"}, "empty": {}}
        found = frame_groups(store, tables)
        assert set(found) == {"light", "glasses"}
        assert set(found["light"]) == {"v3"}
        assert set(found["glasses"]["v3"].tolist()) == {"yes"}
    with store_of(tmp_path / "t.h5", film_entry, [{}]) as store:
        assert frame_groups(store) == {}


def test_groups_are_scored_frame_by_frame() -> None:
    rng = np.random.default_rng(0)
    gold = rng.uniform(-1, 1, (12, 1)).astype(np.float32)
    predicted = np.where(np.arange(12)[:, None] < 6, gold, -gold)
    video = VideoPrediction(
        "v0", "S0", (TIME_S * 1e9).astype(np.int64), gold, predicted, np.zeros(12, bool)
    )
    lights = np.array([*["dim"] * 6, *["dark"] * 4, "", ""])
    found = Evaluation(("valence",), (video,), 4, groups={"light": {"v0": lights}}).by_group()
    assert list(found["light"]) == ["dark", "dim"]
    assert found["light"]["dim"]["valence"]["ccc"] == 1
    assert found["light"]["dark"]["valence"]["cc"] < -0.99
    assert [found["light"][name]["valence"]["n"] for name in ("dim", "dark")] == [6, 4]
