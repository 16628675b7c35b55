"""What the MAVFER paper says of its own ratings: Table III and the counts of section IV."""

from dataclasses import dataclass

from .trace import Dimension


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of Table III, after zero-mean normalisation.

    Attributes
    ----------
    percent_positive : float
        Of the frames.
    correlation : float
        Mean correlation coefficient of the raters.
    alpha : float
        Cronbach's α.
    """

    percent_positive: float
    correlation: float
    alpha: float


TABLE_3: dict[Dimension, TableRow] = {
    "arousal": TableRow(45.4, 0.424, 0.72),
    "valence": TableRow(46.9, 0.479, 0.79),
}
N_SUBJECTS = 17
N_FRAMES = 27_000
"""More than; Figure 7 has the frames of each video."""
ACCEPTABLE_ALPHA, GOOD_ALPHA = 0.7, 0.8
