"""Splits: whole subjects, the same on every machine, never a person in two of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mavfer.errors import DatasetError
from mavfer.splits import SPLITS, SplitPlan, assign_left, assign_splits

PAPER = SplitPlan(fractions=(12, 0, 5))


def test_the_papers_17_subjects_split_12_to_5() -> None:
    assigned = assign_splits([f"S{i:02}" for i in range(17)], PAPER)
    assert sorted(assigned.values()) == ["test"] * 5 + ["train"] * 12


def test_seed_deals_anew_and_order_does_not_matter() -> None:
    subjects = [f"S{i:02}" for i in range(20)]
    first = assign_splits(subjects, SplitPlan())
    assert assign_splits(subjects[::-1] * 2, SplitPlan()) == first
    assert assign_splits(subjects, SplitPlan(seed=1)) != first


@given(
    subjects=st.sets(st.text("abcäñ0-9_", min_size=1, max_size=5), min_size=3, max_size=40),
    fractions=st.tuples(*[st.floats(0.05, 1)] * 3),
    seed=st.integers(0, 2**31),
)
def test_every_subject_has_one_split_and_every_split_a_subject(
    subjects: set[str], fractions: tuple[float, float, float], seed: int
) -> None:
    assigned = assign_splits(subjects, SplitPlan(fractions=fractions, seed=seed))
    assert assigned.keys() == subjects
    counts = [list(assigned.values()).count(split) for split in SPLITS]
    assert min(counts) >= 1
    shares = [len(subjects) * f / sum(fractions) for f in fractions]
    assert all(abs(n - max(x, 1)) <= 2 for n, x in zip(counts, shares, strict=True))


def test_named_subjects_are_obeyed() -> None:
    plan = SplitPlan(validation=frozenset({"B"}), test=frozenset({"C"}))
    assert assign_splits("ABCD", plan) == {
        "A": "train", "B": "validation", "C": "test", "D": "train",
    }  # fmt: skip


def test_everything_may_train() -> None:
    assert assign_splits(["only"], SplitPlan(fractions=(1, 0, 0))) == {"only": "train"}


@pytest.mark.parametrize(
    ("subjects", "plan", "message"),
    [
        ("AB", SplitPlan(), "2 subject\\(s\\) \\(A, B\\) cannot fill the 3 splits"),
        ("A", PAPER, "1 subject"),
        ("AB", SplitPlan(test=frozenset("Z")), "no session of Z"),
        ("AB", SplitPlan(test=frozenset("AB")), "nobody is left to train"),
    ],
)
def test_impossible_wishes_are_refused(subjects: str, plan: SplitPlan, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        assign_splits(subjects, plan)


@pytest.mark.parametrize("fractions", [(0, 0, 0), (-1, 1, 1), (float("nan"), 1, 1)])
def test_senseless_fractions_are_refused(fractions: tuple[float, float, float]) -> None:
    with pytest.raises(DatasetError, match="split fractions"):
        SplitPlan(fractions=fractions)


def test_a_subject_cannot_be_named_twice() -> None:
    with pytest.raises(DatasetError, match="A named for both"):
        SplitPlan(validation=frozenset("A"), test=frozenset("A"))


def test_who_is_left_stays_where_everybody_would_have_been_dealt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    everybody = [f"S{i:02}" for i in range(12)]
    dealt = assign_splits(everybody, SplitPlan())
    for gone in everybody:
        left = set(everybody) - {gone}
        if list(dealt.values()).count(dealt[gone]) > 1:
            assert assign_left(left, everybody, SplitPlan()) == {s: dealt[s] for s in left}
    assert not caplog.records
    left = {subject for subject in everybody if dealt[subject] != "test"}
    assert assign_left(left, everybody, SplitPlan()) == assign_splits(left, SplitPlan())
    assert "nobody of test is left" in caplog.text


def test_named_subjects_who_are_not_left_move_nobody() -> None:
    plan = SplitPlan(validation=frozenset({"A", "B"}), test=frozenset({"C"}))
    assert assign_left({"B", "D"}, "ABCD", plan) == {"B": "validation", "D": "train"}
    assert assign_left({"D", "E"}, "ABCDE", plan) == {"D": "train", "E": "train"}


@pytest.mark.parametrize("other", ["anna", "Anna ", " An na", "ＡNNA"])
def test_one_person_in_two_spellings_is_not_two_people(other: str) -> None:
    with pytest.raises(DatasetError, match="nothing but case or space"):
        assign_splits(["Anna", other, "Ben"], SplitPlan())


def test_a_lenient_plan_leaves_splits_empty() -> None:
    assert assign_splits("AB", SplitPlan(lenient=True)) == {"A": "train", "B": "train"}
    published = SplitPlan((1, 0, 0), validation=frozenset("A"), test=frozenset("B"), lenient=True)
    assert assign_splits("AB", published) == {"A": "validation", "B": "test"}
    with pytest.raises(DatasetError, match="no session of B"):
        assign_splits("A", published)
