import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capture.simulation.expression import (
    ACTION_UNITS,
    ActionUnits,
    Expression,
    combine,
    lid_from_affect,
    units_from_affect,
    with_speech,
)
from capture.simulation.head import Head, head_of
from capture.simulation.identity import identity_from_seed

UNIT = st.floats(-1, 1)


@given(UNIT, UNIT)
def test_intensities_stay_in_range(valence: float, arousal: float) -> None:
    units = units_from_affect(valence, arousal)
    assert all(0 <= value <= 1 for value in units.as_tuple())
    assert 0.2 <= lid_from_affect(valence, arousal) <= 1.4
    who = identity_from_seed(1)
    shown = with_speech(combine(units, who.au_gain, who.au_rest), 1.0)
    assert all(0 <= value <= 1.15 for value in shown.as_tuple())


def test_the_four_corners_of_the_circumplex_look_as_meant() -> None:
    happy, sad = units_from_affect(0.9, 0.3), units_from_affect(-0.9, -0.5)
    assert happy.lip_corner_puller > 0.6 > happy.lip_corner_depressor
    assert sad.lip_corner_depressor > 0.6 > sad.lip_corner_puller
    assert sad.inner_brow_raiser > 0.3
    angry, surprised = units_from_affect(-0.9, 0.9), units_from_affect(0.0, 0.9)
    assert angry.brow_lowerer > 0.8
    assert surprised.jaw_drop > 0.4
    assert surprised.outer_brow_raiser > 0.6


def mouth_and_lids(head: Head, expression: Expression) -> dict[str, float]:
    points = head.deform(expression)[head.landmarks]
    return {
        "corner_rise": float(points[[48, 54], 1].mean() - points[[51, 57], 1].mean()),
        "mouth_gap": float(points[62, 1] - points[66, 1]),
        "lid_gap": float(points[[37, 38, 43, 44], 1].mean() - points[[40, 41, 46, 47], 1].mean()),
        "brow": float(points[17:27, 1].mean()),
    }


def test_muscles_move_the_landmarks() -> None:
    head = head_of(identity_from_seed(4))
    rest = mouth_and_lids(head, Expression(ActionUnits()))
    smile = mouth_and_lids(head, Expression(ActionUnits(lip_corner_puller=1)))
    gape = mouth_and_lids(head, Expression(ActionUnits(jaw_drop=1)))
    raised = mouth_and_lids(head, Expression(ActionUnits(outer_brow_raiser=1, inner_brow_raiser=1)))
    shut = mouth_and_lids(head, Expression(ActionUnits(), lid_opening=0))
    assert smile["corner_rise"] > rest["corner_rise"] + 0.004
    assert gape["mouth_gap"] > rest["mouth_gap"] + 0.015
    assert raised["brow"] > rest["brow"] + 0.003
    assert abs(shut["lid_gap"]) < 1e-4 < 0.006 < rest["lid_gap"]


def test_a_seed_is_a_person_and_tones_span_all_types() -> None:
    assert identity_from_seed(9) == identity_from_seed(9)
    people = [identity_from_seed(seed) for seed in range(60)]
    assert {who.fitzpatrick for who in people} == {1, 2, 3, 4, 5, 6}
    assert len({(who.hair, who.long_hair, who.iris) for who in people}) > 10
    assert identity_from_seed(9, tone=4.5).tone == 4.5
    gains = np.array([who.au_gain.as_tuple() for who in people])
    assert gains.shape == (60, len(ACTION_UNITS))
    assert gains.min() >= 0.7
    assert gains.max() <= 1.15
