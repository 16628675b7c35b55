"""What hides a feeling: cues correlate as stated, and each shows in its modality alone."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from capture.errors import ConfigError
from capture.simulation.affect import AffectTrace
from capture.simulation.behaviour import SubjectState
from capture.simulation.confounders import Confounders, cues_at, shadow_at, smooth_field
from capture.simulation.expression import Expression, units_from_affect
from capture.simulation.glasses import GLASS_C
from capture.simulation.rig import SimulatedRig
from capture.simulation.scene import SubjectScene

NOTHING = Confounders(shadow=0.0, depth_error_mm=0.0, skin_error_k=0.0)


def cue_table(confounders: Confounders) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    felt, shown = [], []
    for seed in range(60):
        trace = AffectTrace(seed)
        for time_s in np.arange(0, 120, 6.1):
            felt.append(trace.at(time_s)[0])
            shown.append(asdict(cues_at(trace, time_s, confounders)))
    return np.array(felt), {name: np.array([cue[name] for cue in shown]) for name in shown[0]}


def test_every_cue_follows_valence_as_far_as_stated() -> None:
    wanted = {"flush": 0.3, "fullness": 0.6, "warmth": 0.9}
    felt, cues = cue_table(Confounders(display=0.5, **wanted))
    for name, correlation in {"valence": 0.5, **wanted}.items():
        assert np.corrcoef(felt, cues[name])[0, 1] == pytest.approx(correlation, abs=0.07), name
        assert np.abs(cues[name]).max() <= 1


def test_what_disturbs_one_cue_does_not_disturb_another() -> None:
    felt, cues = cue_table(Confounders(display=0.5, flush=0.5, fullness=0.5, warmth=0.5))
    rest = {name: cue - 0.5 * felt for name, cue in cues.items() if name != "arousal"}
    names = list(rest)
    for k, one in enumerate(names):
        for other in names[k + 1 :]:
            assert abs(np.corrcoef(rest[one], rest[other])[0, 1]) < 0.12, (one, other)


def test_without_confounders_all_that_is_felt_shows() -> None:
    trace = AffectTrace(3)
    cues = cues_at(trace, 2.5, None)
    assert (cues.valence, cues.arousal) == trace.at(2.5)
    assert (cues.flush, cues.fullness, cues.warmth) == (0, 0, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("display", 1.1), ("flush", -0.1), ("depth_error_mm", 50.0), ("warmth", float("nan"))],
)
def test_impossible_confounders_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        Confounders(**{name: value})


def state(**cues: float) -> SubjectState:
    fullness = cues.pop("fullness", 0.0)
    return SubjectState(
        expression=Expression(units_from_affect(0, 0), 1.0, fullness=fullness), **cues
    )


def changed(scene: SubjectScene, **cues: float) -> dict[str, float]:
    """Share of pixels of each image that a cue changes, without noise."""
    rest, shown = scene.render(state(), 4), scene.render(state(**cues), 4)
    return {
        name: float(np.mean(rest.images[name].astype(int) != shown.images[name].astype(int)))
        for name in rest.images
    }


@pytest.fixture(scope="module")
def ideal(small_rig: SimulatedRig) -> SubjectScene:
    return SubjectScene(small_rig, subject_seed=4, noise=False, confounders=NOTHING)


def test_flush_is_seen_by_color_alone(ideal: SubjectScene) -> None:
    share = changed(ideal, flush=1.0)
    assert share.pop("color") > 0.002
    assert set(share.values()) == {0.0}


def test_warmth_is_seen_by_thermal_alone(ideal: SubjectScene) -> None:
    share = changed(ideal, warmth=1.0)
    assert share.pop("thermal") > 0.001
    assert set(share.values()) == {0.0}


def test_fullness_is_millimetres_of_depth_and_moves_no_landmark(ideal: SubjectScene) -> None:
    hollow = ideal.render(state(fullness=-1.0), 4)
    full = ideal.render(state(fullness=1.0), 4)
    nearer = hollow.truth.depth_m - full.truth.depth_m
    assert 0.004 < nearer.max() < 0.012
    assert hollow.truth.landmarks_m is not None
    assert full.truth.landmarks_m is not None
    moved = np.linalg.norm(full.truth.landmarks_m - hollow.truth.landmarks_m, axis=1)
    assert moved[17:].max() < 0.001


def test_errors_are_fixed_for_a_session_and_differ_between_sessions(
    small_rig: SimulatedRig,
) -> None:
    def errors_mm(trace_seed: int, index: int) -> np.ndarray:
        hidden = replace(NOTHING, depth_error_mm=3.0)
        scene = SubjectScene(
            small_rig, subject_seed=4, trace_seed=trace_seed, noise=False, confounders=hidden
        )
        moment = scene.render(state(), index)
        true_mm = 1000 * moment.truth.depth_m - small_rig.depth_shift_mm
        return moment.images["depth"].astype(float) - true_mm

    first, later, other = errors_mm(1, 0), errors_mm(1, 9), errors_mm(2, 0)
    assert np.abs(first - later).max() <= 1  # rounding
    assert first.std() == pytest.approx(3.0, rel=0.35)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.3


def test_smooth_fields_have_the_stated_deviation_over_draws() -> None:
    draws = [smooth_field(20, 20, grain=6.0, seed=seed, stream=0) for seed in range(300)]
    assert np.std(draws) == pytest.approx(1.0, rel=0.1)
    assert np.mean(draws) == pytest.approx(0.0, abs=0.1)


def test_shadows_only_ever_take_light() -> None:
    box = np.array([10, 20, 90, 120])
    left = np.stack(
        [
            shadow_at(t, share=0.5, centre_px=(50, 70), radius_px=30, seed=3, box=box)
            for t in np.arange(0, 30, 0.3)
        ]
    )
    assert left.shape[1:] == (100, 80, 1)
    assert left.min() >= 0.5
    assert left.max() == 1
    assert left.min() < 0.8
    # an edge crosses the face; the light of all of it never jumps
    assert np.abs(np.diff(left.mean(axis=(1, 2)), axis=0)).max() < 0.15


def test_glass_hides_the_eyes_from_thermal_and_not_from_color(small_rig: SimulatedRig) -> None:
    bare = SubjectScene(small_rig, subject_seed=4, noise=False)
    worn = SubjectScene(
        small_rig, subject_seed=4, noise=False, identity=replace(bare.identity, glasses=True)
    )
    one, two = (scene.render(SubjectState(), 4) for scene in (bare, worn))
    eye = one.truth.landmarks_px["thermal"][36:42].mean(axis=0).round().astype(int)
    seen_c = [float(m.truth.temperature_c[eye[1], eye[0]]) for m in (one, two)]
    assert seen_c[0] > 33
    assert seen_c[1] == pytest.approx(GLASS_C, abs=0.1)
    np.testing.assert_array_equal(one.images["depth"], two.images["depth"])
    pupil = one.truth.landmarks_px["color"][36:42].mean(axis=0).round().astype(int)
    levels = [int(m.images["color"][pupil[1], pupil[0]].mean()) for m in (one, two)]
    assert abs(levels[0] - levels[1]) < 25
