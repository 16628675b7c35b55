"""How the rows of a source are divided into pieces of work, and which of them need which."""

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .work_folder import SourceFolder, load_arrays, save_arrays


@dataclass(frozen=True, slots=True)
class Segments:
    """Rows cut into segments of one length; the last may be shorter.

    Attributes
    ----------
    n_rows, segment_rows : int
    """

    n_rows: int
    segment_rows: int

    def __len__(self) -> int:
        return max(math.ceil(self.n_rows / self.segment_rows), 1)

    def rows(self, segment: int) -> range:
        """Rows of one segment."""
        first = segment * self.segment_rows
        return range(first, min(first + self.segment_rows, self.n_rows))

    def of_rows(self, rows: range) -> range:
        """Segments that hold some of these rows; at least one."""
        first = rows.start // self.segment_rows
        return range(first, max((rows.stop - 1) // self.segment_rows, first) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """What the job "open" decides about a source.

    Attributes
    ----------
    n_rows : int
    n_samples : int
        Images that tell who the subject is.
    faces, crops : Segments
    context : (len(crops), 2) int64
        First row, and the one after the last, whose faces the alignment of a segment of crops
        follows from.
    """

    n_samples: int
    faces: Segments
    crops: Segments
    context: NDArray[np.int64]

    @property
    def n_rows(self) -> int:
        """Rows of the source."""
        return self.faces.n_rows

    def sample_row(self, sample: int) -> int:
        """Row of one of the images that tell who the subject is; spread over the source."""
        return int((sample + 0.5) * self.n_rows / self.n_samples)

    def context_rows(self, segment: int) -> range:
        """Rows whose faces a segment of crops follows from."""
        return range(*cast("list[int]", self.context[segment].tolist()))

    def faces_needed(self, segment: int) -> range:
        """Segments of faces that must be finished before a segment of crops."""
        return self.faces.of_rows(self.context_rows(segment))

    def save(self, folder: SourceFolder) -> None:
        """Write what `load` reads."""
        numbers = (self.n_rows, self.n_samples, self.faces.segment_rows, self.crops.segment_rows)
        save_arrays(folder.division, {"numbers": np.array(numbers), "context": self.context})

    @classmethod
    def load(cls, folder: SourceFolder) -> "Division":
        """Read what the job "open" found."""
        arrays = load_arrays(folder.division)
        n_rows, n_samples, face_rows, crop_rows = arrays["numbers"].tolist()
        return cls(
            n_samples, Segments(n_rows, face_rows), Segments(n_rows, crop_rows), arrays["context"]
        )


def divide(
    time_ns: NDArray[np.int64], *, n_samples: int, face_rows: int, crop_rows: int, reach_ns: int
) -> Division:
    """Divide a source whose rows have these times, (N,) int64 and increasing.

    Parameters
    ----------
    n_samples : int
        Images that tell who the subject is.
    face_rows, crop_rows : int
        Rows of a segment.
    reach_ns : int
        How far away in time a face may be that the alignment of a row follows from.
    """
    faces, crops = Segments(len(time_ns), face_rows), Segments(len(time_ns), crop_rows)
    context = np.zeros((len(crops), 2), np.int64)
    for segment in range(len(crops)):
        if rows := crops.rows(segment):
            first_ns, last_ns = int(time_ns[rows[0]]) - reach_ns, int(time_ns[rows[-1]]) + reach_ns
            context[segment] = (
                np.searchsorted(time_ns, first_ns),
                np.searchsorted(time_ns, last_ns, side="right"),
            )
    return Division(n_samples, faces, crops, context)
