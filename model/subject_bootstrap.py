"""How far a score would move with other test subjects: they are drawn anew, whole."""

from collections.abc import Sequence

import numpy as np

from annotation.bootstrap import Interval, bootstrap_interval

from .evaluation import Evaluation
from .subject_moments import N_MOMENTS, Moments, ccc_of_moments, subject_moments

FEWEST_SUBJECTS = 5
"""With fewer, drawing them anew says little about anybody else."""


def ccc_interval(runs: Sequence[Moments]) -> Interval | None:
    """95 % interval of the pooled CCC, averaged over seeds, over subjects drawn with replacement.

    Seeds are held: what they add is the sd over seeds.

    Parameters
    ----------
    runs : sequence of Moments
        One a seed, of the same subjects.

    Returns
    -------
    Interval or None
        None with fewer than `FEWEST_SUBJECTS`.
    """
    return _interval(runs, ())


def ccc_intervals(evaluation: Evaluation) -> dict[str, dict[str, Interval]]:
    """Intervals of an evaluation's CCC by output, then over ``all`` frames and each group."""
    return {
        output: {
            group or "all": interval
            for group, moments in groups.items()
            if (interval := ccc_interval([moments]))
        }
        for output, groups in subject_moments(evaluation).items()
    }


def ccc_difference_interval(runs: Sequence[Moments], others: Sequence[Moments]) -> Interval | None:
    """95 % interval of a difference of CCC: the same subjects are drawn for both.

    Parameters
    ----------
    runs, others : sequence of Moments
        CCC of the first minus CCC of the second; subjects of only one of them are left out.
    """
    return _interval(runs, others) if runs and others else None


def _interval(runs: Sequence[Moments], others: Sequence[Moments]) -> Interval | None:
    each = [*runs, *others]
    if not each:
        return None
    subjects = sorted(set.intersection(*(set(moments) for moments in each)))
    if len(subjects) < FEWEST_SUBJECTS:
        return None
    sums = np.array([[moments[s] for moments in each] for s in subjects], np.float64)
    first = len(runs)

    def statistic(total: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
        found = ccc_of_moments(total.reshape(len(each), N_MOMENTS))
        return float(found[:first].mean() - (found[first:].mean() if others else 0.0))

    return bootstrap_interval(sums.reshape(len(subjects), -1), statistic)
