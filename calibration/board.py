"""The checkerboard: 5 x 7 inner corners, 0.03 m squares by default."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import CalibrationError

_FORM = re.compile(r"(?:chess)?(\d+)x(\d+)x(\d*\.?\d+)")


@dataclass(frozen=True, slots=True)
class BoardSpec:
    """Inner corners and square size of a flat checkerboard.

    Attributes
    ----------
    columns, rows : int
        Inner corners along the board's x and y, at least 3 each.
    square_m : float
        Side of one square, metres.
    """

    columns: int = 5
    rows: int = 7
    square_m: float = 0.03

    def __post_init__(self) -> None:
        if min(self.columns, self.rows) < 3 or self.columns == self.rows or not self.square_m > 0:
            raise CalibrationError(
                f"board {self}: expected two different counts of at least 3 inner corners "
                "and a positive square size"
            )

    @classmethod
    def parse(cls, text: str) -> "BoardSpec":
        """Read ``5x7x0.03``: inner corners along x and y, square side in metres.

        Raises
        ------
        CalibrationError
            The text has another form, or describes no usable board.
        """
        found = _FORM.fullmatch(text.strip())
        if found is None:
            raise CalibrationError(f"board {text!r}: expected COLUMNSxROWSxMETRES, as in 5x7x0.03")
        return cls(int(found[1]), int(found[2]), float(found[3]))

    def __str__(self) -> str:
        return f"{self.columns}x{self.rows}x{self.square_m:g}"

    @property
    def n_corners(self) -> int:
        """Number of inner corners."""
        return self.columns * self.rows

    @property
    def points_m(self) -> NDArray[np.float64]:
        """Corners (N, 3), metres, board frame: row by row, x right, y down, z into the board."""
        y, x = np.mgrid[0 : self.rows, 0 : self.columns]
        points = np.zeros((self.n_corners, 3))
        points[:, 0], points[:, 1] = x.ravel() * self.square_m, y.ravel() * self.square_m
        return points
