"""The board in a preview: a small picture, corners told in pixels of the full-size image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from capture.console.preview_tap import Picture
from capture.preview import full_size_px

from ..board import BoardSpec
from ..detect import find_board
from ..order import canonical_order
from ..rig import CAMERAS


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """What one camera saw at one moment.

    Attributes
    ----------
    camera : str
    size_px : tuple of int
        Width and height of the full-size image.
    corners_px : (N, 2) float64 or None
        In that image's pixels, in canonical order; None where the board is not seen whole.
    """

    camera: str
    size_px: tuple[int, int]
    corners_px: NDArray[np.float64] | None


def sight(picture: Picture, board: BoardSpec) -> Sighting | None:
    """Look for the board; None for streams that are no camera of the rig's.

    Only the quick half of the search is done: three pictures a second from every camera leave no
    time for the rest, and a board held still comes again.
    """
    preview, image = picture.preview, picture.image
    size_px = (preview.full_width_px, preview.full_height_px)
    if preview.stream not in CAMERAS or min(size_px) < 1:
        return None
    found = find_board(image, board, thorough=False)
    if found is None:
        return Sighting(preview.stream, size_px, None)
    corners_px = full_size_px(
        found.corners_px,
        size_px=(image.shape[1], image.shape[0]),
        full_px=size_px,
        picked=image.dtype == np.uint16,
    )
    return Sighting(preview.stream, size_px, canonical_order(corners_px, board))
