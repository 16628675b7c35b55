import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.errors import ConfigError
from capture.simulation.board import BoardScene
from capture.simulation.scene import SubjectScene
from capture.simulation.scene_options import SceneOptions, parse_options


def test_an_unknown_option_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'subject_seed'"):
        parse_options(SceneOptions, {"subject_sed": 3}, where="sensor 'kinect2'")


@pytest.mark.parametrize(
    "options",
    [
        {"scene": "cat"},
        {"light": "noon"},
        {"period_s": 0.0},
        {"scale": 2.0},
        {"n_views": 0},
        {"subject_seed": "three"},
        {"subject_seed": -1},
        {"noise": 1},
    ],
)
def test_values_that_cannot_be_meant_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        parse_options(SceneOptions, options, where="test")


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=8)))
def test_any_table_gives_options_or_one_clear_error(options: dict[str, object]) -> None:
    try:
        outcome = repr(parse_options(SceneOptions, options, where="test"))
    except ConfigError as error:
        outcome = str(error)
    assert outcome


def test_the_key_depends_on_what_the_scene_depends_on() -> None:
    base = SceneOptions()
    assert base.fingerprint() == SceneOptions().fingerprint()
    assert base.fingerprint() != SceneOptions(light="dim").fingerprint()
    assert base.fingerprint() == SceneOptions(n_views=3).fingerprint()
    board = SceneOptions(scene="board")
    assert board.fingerprint() != SceneOptions(scene="board", n_views=3).fingerprint()
    assert board.fingerprint() == SceneOptions(scene="board", subject_seed=3).fingerprint()


def test_scenes_are_built_as_asked() -> None:
    subject = SceneOptions(scale=0.1, subject_seed=5, period_s=2.0).build()
    board = SceneOptions(scale=0.2, scene="board", n_views=2, hold_s=0.4).build()
    assert isinstance(subject, SubjectScene)
    assert isinstance(board, BoardScene)
    assert subject.behaviour.trace.period_s == 2.0
    assert board.moments_per_view == 12
    assert SceneOptions(scene="board", n_views=2, hold_s=0.4).n_moments == 24


def test_every_field_has_a_default() -> None:
    assert all(f.default is not dataclasses.MISSING for f in dataclasses.fields(SceneOptions))
