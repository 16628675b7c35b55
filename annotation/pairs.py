"""Every two raters of a session, and what cannot be said of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .agreement import cc, ccc, mse, rmse, sagr
from .pooling import SessionRatings, Sums, mean_from_sums, mean_sums


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Two raters on one session.

    Attributes
    ----------
    undefined : str
        Why `cc` or `ccc` is NaN; empty if both are defined.
    """

    session: str
    first: str
    second: str
    n_moments: int
    mse: float
    rmse: float
    cc: float
    ccc: float
    sagr: float
    undefined: str


def compare_pairs(ratings: SessionRatings) -> list[PairAgreement]:
    """Compare every two raters of a session."""
    return [
        _compare(
            ratings.session,
            (ratings.raters[i], ratings.raters[j]),
            (ratings.values[i], ratings.values[j]),
        )
        for i, j in combinations(range(len(ratings.raters)), 2)
    ]


def compare_pooled(sessions: Sequence[SessionRatings]) -> list[PairAgreement]:
    """Compare each pair of raters once, over all sessions that both judged."""
    both: dict[tuple[str, str], list[tuple[NDArray[np.float64], NDArray[np.float64]]]] = {}
    for each in sessions:
        for i, j in combinations(range(len(each.raters)), 2):
            names = (each.raters[i], each.raters[j])
            both.setdefault(names, []).append((each.values[i], each.values[j]))
    return [
        _compare(
            "",
            names,
            (np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])),
        )
        for names, parts in both.items()
    ]


def _compare(
    session: str, names: tuple[str, str], values: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> PairAgreement:
    x, y = values
    known = np.isfinite(x) & np.isfinite(y)
    n_moments = int(np.sum(known))
    result = PairAgreement(
        session, *names, n_moments, mse(x, y), rmse(x, y), cc(x, y), ccc(x, y), sagr(x, y), ""
    )
    if np.isfinite(result.cc) and np.isfinite(result.ccc):
        return result
    if n_moments < 2:
        why = f"{n_moments} common moments"
    else:
        still = [
            name
            for name, row in zip(names, values, strict=True)
            if np.all(row[known] == row[known][0])
        ]
        why = f"{' and '.join(still)} never moved" if still else "too little movement"
    return replace(result, undefined=why)


def pair_sums(pairs: Sequence[PairAgreement], name: str) -> Sums:
    """Reduce field `name` to the sums of its mean over pairs, weighted by moments."""
    return mean_sums([getattr(pair, name) for pair in pairs], [pair.n_moments for pair in pairs])


def pair_mean(pairs: Sequence[PairAgreement], name: str) -> float:
    """Mean of field `name` over the pairs for which it is defined, weighted by moments."""
    return mean_from_sums(pair_sums(pairs, name))


def undefined_pairs(pairs: Sequence[PairAgreement]) -> list[str]:
    """Say in words which correlations could not be computed, and why."""
    return [
        f"CC{'' if np.isfinite(pair.ccc) else ' and CCC'} of {pair.first} and {pair.second} on "
        f"{pair.session}: {pair.undefined}"
        for pair in pairs
        if pair.undefined
    ]
