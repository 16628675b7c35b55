"""Who rates what: the paper's plan, balance in general, and what happens when people leave."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import AnnotationError
from annotation.project.assignment import Assigned, Member, Pass, assign, name_teams

PASSES: tuple[Pass, ...] = (("valence",), ("arousal",))
SIX = name_teams([f"R{i}" for i in range(1, 7)], 2, seed=0)


def plan(
    members: list[Member],
    videos: dict[str, float],
    existing: list[Assigned] | None = None,
    k: int = 3,
) -> list[Assigned]:
    return assign(members, videos, existing or [], passes=PASSES, raters_per_video=k, seed=0)


def test_the_papers_protocol() -> None:
    videos = {f"v{i:02d}": 60.0 for i in range(20)}
    found = plan(SIX, videos)
    team_of = {member.name: member.team for member in SIX}
    assert Counter(team_of.values()) == {"A": 3, "B": 3}
    for video in videos:
        raters = [each.rater for each in found if each.video == video]
        assert len(set(raters)) == 3
        assert len({team_of[name] for name in raters}) == 1
    assert set(Counter(each.rater for each in found).values()) == {10}
    for rater in team_of:
        mine = [each for each in found if each.rater == rater]
        assert sum(each.passes == PASSES for each in mine) in (4, 5, 6)
        assert len({each.position for each in mine}) == 10
    orders = {
        rater: [e.video for e in sorted(found, key=lambda e: e.position) if e.rater == rater]
        for rater in team_of
    }
    assert len({tuple(order) for order in orders.values()}) == 6
    assert found == plan(SIX, videos)


@given(
    n_teams=st.integers(1, 3),
    size=st.integers(1, 5),
    k=st.integers(1, 4),
    durations=st.lists(st.floats(1, 600), min_size=1, max_size=25),
)
def test_loads_and_orders_are_balanced(
    n_teams: int, size: int, k: int, durations: list[float]
) -> None:
    members = name_teams([f"R{i}" for i in range(n_teams * size)], n_teams, seed=3)
    videos = {f"v{i}": duration for i, duration in enumerate(durations)}
    if k > size:
        with pytest.raises(AnnotationError, match="team"):
            plan(members, videos, k=k)
        return
    found = plan(members, videos, k=k)
    assert all(count == k for count in Counter(each.video for each in found).values())
    load = {member.name: 0.0 for member in members}
    for each in found:
        load[each.rater] += videos[each.video]
    assert max(load.values()) - min(load.values()) <= 2 * max(durations)
    for video in videos:
        plain = [each.passes == PASSES for each in found if each.video == video]
        assert abs(2 * sum(plain) - k) <= 1


def test_who_leaves_is_replaced_from_the_team_and_nothing_else_changes() -> None:
    members = name_teams([f"R{i}" for i in range(8)], 2, seed=0)
    videos = {f"v{i}": 10.0 for i in range(8)}
    first = plan(members, videos)
    gone = members[0]
    rest = members[1:]
    added = plan(rest, videos, first)
    lost = {each.video for each in first if each.rater == gone.name}
    assert {each.video for each in added} == lost
    assert {m.team for m in rest if m.name in {each.rater for each in added}} == {gone.team}
    assert plan(rest, videos, first + added) == []
    more = plan(rest, {**videos, "new": 5.0}, first + added)
    assert [each.video for each in more] == ["new"] * 3


def test_a_team_that_is_too_small_is_named() -> None:
    with pytest.raises(AnnotationError, match="A has 2, B has 2"):
        plan(name_teams(["a", "b", "c", "d"], 2, seed=0), {"v": 1.0})
    with pytest.raises(AnnotationError, match="2 teams"):
        name_teams(["a"], 2, seed=0)
