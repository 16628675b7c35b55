"""The simulated datasets: their size, and that nothing in them is confounded."""

import json
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mavfer.cli import build_parser
from mavfer.errors import DatasetError
from mavfer.sim_presets import LIGHTS, PRESETS, preset_named
from mavfer.store import open_store


def light_seconds(session) -> Counter[str]:
    ends = [time_s for time_s, _ in session.lights[1:]] + [session.n_frames / session.rate_hz]
    total: Counter[str] = Counter()
    for (start_s, light), end_s in zip(session.lights, ends, strict=True):
        total[light] += end_s - start_s
    return total


def test_the_large_preset_has_the_size_of_the_papers_dataset():
    preset = PRESETS["mavfer-sim"]
    sessions = list(preset.sessions())
    assert len(sessions) == len({s.subject for s in sessions}) == 17
    assert sum(s.n_frames for s in sessions) > 27_000
    assert {s.rate_hz for s in sessions} == {10.0}
    assert all(600 <= s.n_frames <= 2400 for s in sessions)
    splits = Counter(who.split for who in preset.people())
    assert splits["train"] + splits["validation"] == 12
    assert splits["test"] == 5
    assert sum(who.identity["long_hair"] for who in preset.people()) == 7


def test_the_small_preset_tests_on_more_than_twenty_people():
    assert Counter(who.split for who in PRESETS["mavfer-sim-small"].people())["test"] == 24


def test_the_small_preset_shows_everybody_in_every_light_for_the_longest_clip_of_fig_11():
    preset = PRESETS["mavfer-sim-small"]
    assert preset.n_clips == len(LIGHTS)
    assert all(session.n_frames == 32 for session in preset.sessions())


@pytest.mark.parametrize("name", ["mavfer-sim", "mavfer-sim-small"])
def test_light_says_nothing_about_the_person(name):
    for who in PRESETS[name].people():
        sessions = [s for s in PRESETS[name].sessions() if s.subject == who.name]
        seconds = sum((light_seconds(s) for s in sessions), Counter())
        assert set(seconds) == set(LIGHTS)
        assert max(seconds.values()) - min(seconds.values()) < 0.02 * sum(seconds.values())


@pytest.mark.parametrize("name", ["mavfer-sim", "mavfer-sim-small"])
def test_tone_age_and_glasses_are_spread_alike_in_every_split(name):
    people = PRESETS[name].people()
    by_split = {
        split: [who.identity for who in people if who.split == split]
        for split in ("train", "validation", "test")
    }
    for one, other in combinations(by_split.values(), 2):
        for key, whole in (("tone", 5.0), ("age", 1.0)):
            means = [np.mean([who[key] for who in split]) / whole for split in (one, other)]
            assert means[0] == pytest.approx(means[1], abs=0.02), key
        shares = [np.mean([who["glasses"] for who in split]) for split in (one, other)]
        assert shares[0] == pytest.approx(shares[1], abs=0.51 / min(len(one), len(other)))


def test_everybody_and_every_session_is_another_one():
    for preset in PRESETS.values():
        assert len({who.seed for who in preset.people()}) == len(preset.people())
        sessions = list(preset.sessions())
        assert len({s.trace_seed for s in sessions}) == len({s.name for s in sessions})


def test_the_command_offers_every_preset():
    (simulate,) = (
        action.choices["simulate"]
        for action in build_parser()._actions
        if isinstance(action.choices, dict)
    )
    (offered,) = (action.choices for action in simulate._actions if action.dest == "preset")
    assert set(offered) == set(PRESETS)


def test_an_unknown_preset_is_named():
    with pytest.raises(DatasetError, match="mavfer-sim"):
        preset_named("mavfer")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "sim"
    command = Path(sys.executable).with_name("mavfer")
    words = ["simulate", "--preset", "mavfer-sim-tiny", "-o", str(folder), "--json"]
    first = subprocess.run([command, *words], capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    again = subprocess.run([command, *words], capture_output=True, text=True)
    assert json.loads(again.stdout) == json.loads(first.stdout)  # nothing is made twice
    return folder


@pytest.mark.slow
def test_one_command_makes_a_labelled_store_that_is_split_by_people(tiny):
    preset = PRESETS["mavfer-sim-tiny"]
    with open_store(tiny / "mavfer-sim-tiny.h5") as store:
        splits = {video.subject: video.split for video in store.videos.values()}
        assert splits == {who.name: who.split for who in preset.people()}
        assert len(store.videos) == len(list(preset.sessions()))
        for session in preset.sessions():
            notes = store.videos[session.name].notes
            (light,) = light_seconds(session)
            assert notes["light"] == light
            assert notes["stages"] == [[0.0, f"light {light}"]]
        for session in preset.sessions():
            gold = store.labels(session.name, "valence")
            # What was felt in the last 0.4 s nobody had time to say.
            n_said = round((session.n_frames - 1) - 0.4 * session.rate_hz - 0.5)
            assert np.isfinite(gold[:n_said]).all()


@pytest.mark.slow
def test_a_folder_of_another_preset_is_refused(tiny):
    command = Path(sys.executable).with_name("mavfer")
    words = ["simulate", "--preset", "mavfer-sim-small", "-o", str(tiny)]
    done = subprocess.run([command, *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert "other settings" in done.stderr
