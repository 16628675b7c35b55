"""Who rates what, in which order: k raters a video from one team, loads and orders balanced.

What was assigned once stays. Called again after raters or videos came or went, it fills what is
missing and touches nothing else.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import AnnotationError
from ..trace import Dimension

Pass = tuple[Dimension, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A rater as assignment sees one."""

    name: str
    team: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """One rater gets one video.

    Attributes
    ----------
    rater, video : str
    position : int
        Raters do their videos in the order of this.
    passes : tuple
        Dimensions to rate, in this order.
    """

    rater: str
    video: str
    position: int
    passes: tuple[Pass, ...]


def assign(
    members: Sequence[Member],
    duration_s: Mapping[str, float],
    existing: Sequence[Assigned],
    *,
    passes: tuple[Pass, ...],
    raters_per_video: int,
    seed: int,
) -> list[Assigned]:
    """Return what has to be added so that every video has its raters.

    A video goes to the team with the least to do per head, in it to the raters with the least to
    do, so that loads differ by little more than one video. Of the raters of a video, half start
    with the first dimension, half with the other (one more if they are odd in number), and so do
    every rater's videos as nearly as that leaves.

    Parameters
    ----------
    members : sequence of Member
        Who may rate now.
    duration_s : mapping of video to float
    existing : sequence of Assigned
        Of everybody, those who left included.
    passes : tuple of Pass
        In their plain order.
    raters_per_video, seed : int

    Raises
    ------
    AnnotationError
        No team is large enough.
    """
    teams: dict[str, list[str]] = {}
    for member in sorted(members, key=lambda each: each.name):
        teams.setdefault(member.team, []).append(member.name)
    team_of = {member.name: member.team for member in members}
    fit = {team for team, names in teams.items() if len(names) >= raters_per_video}
    load_s = dict.fromkeys(team_of, 0.0)
    first_plain = dict.fromkeys(team_of, 0)
    raters_of: dict[str, list[str]] = {name: [] for name in duration_s}
    plain_of = dict.fromkeys(duration_s, 0)
    for each in existing:
        if each.rater in load_s and each.video in duration_s:
            load_s[each.rater] += duration_s[each.video]
            raters_of[each.video].append(each.rater)
            plain = 1 if each.passes[:1] == passes[:1] else -1
            first_plain[each.rater] += plain
            plain_of[each.video] += plain

    added: list[Assigned] = []
    # The longest first: what is left over at the end is small.
    for video in sorted(duration_s, key=lambda name: (-duration_s[name], _draw(seed, "v", name))):
        present = raters_of[video]
        missing = raters_per_video - len(present)
        if missing <= 0:
            continue
        team = team_of[present[0]] if present else _least_busy(teams, fit, load_s, seed, video)
        if team is None:
            sizes = ", ".join(f"{name} has {len(names)}" for name, names in sorted(teams.items()))
            raise AnnotationError(
                f"{raters_per_video} raters a video need a team of as many: {sizes or 'no raters'}",
                remedy="add raters, or change raters_per_video or n_teams in project.toml",
            )
        free = [name for name in teams[team] if name not in present]
        chosen = sorted(free, key=lambda name: (load_s[name], _draw(seed, video, name)))[:missing]
        # Whoever has started with the plain order most often comes last and gets the other one.
        for name in sorted(chosen, key=lambda name: (first_plain[name], _draw(seed, name, video))):
            plain = plain_of[video] < 0 or (plain_of[video] == 0 and first_plain[name] <= 0)
            order = passes if plain else passes[::-1]
            added.append(Assigned(name, video, _draw(seed, name, video), order))
            load_s[name] += duration_s[video]
            first_plain[name] += 1 if plain else -1
            plain_of[video] += 1 if plain else -1
    return added


def name_teams(names: Sequence[str], n_teams: int, seed: int) -> list[Member]:
    """Draw equal teams ``A``, ``B``, … for new raters; `seed` decides."""
    if n_teams > len(names):
        raise AnnotationError(f"{len(names)} raters cannot make {n_teams} teams")
    drawn = sorted(names, key=lambda name: _draw(seed, "team", name))
    return [Member(name, team_name(i % n_teams)) for i, name in enumerate(drawn)]


def team_name(index: int) -> str:
    """Name team number `index`: A to Z, then T27."""
    return chr(ord("A") + index) if index < 26 else f"T{index + 1}"


def _least_busy(
    teams: Mapping[str, Sequence[str]],
    fit: set[str],
    load_s: Mapping[str, float],
    seed: int,
    video: str,
) -> str | None:
    def busy(team: str) -> tuple[float, int]:
        heads = teams[team]
        return sum(load_s[name] for name in heads) / len(heads), _draw(seed, team, video)

    return min(fit, key=busy, default=None)


def _draw(seed: int, *names: str) -> int:
    """Return a number that depends on `seed` and `names` alone, on every machine."""
    digest = hashlib.sha256("\0".join((str(seed), *names)).encode()).digest()
    return int.from_bytes(digest[:7], "big")
