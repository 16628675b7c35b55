"""Real pictures of a heated marker board by a thermal camera and a webcam, as far as they allow.

Ten pairs, twelve ArUco markers on cardboard: no checkerboard, no known sizes, edges that heat has
blurred. They go through the solver as boards of 8 x 6 marker corners; the marker's side is the
unit of length. Our finding of corners takes no part.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration.board import BoardSpec
from calibration.cross_validation import cross_validate
from calibration.rig_solve import solve_rig

REAL = Path(__file__).parents[3] / "shared/data/speakingfaces_calib"
PLACES = (10, 7, 4, 1, 11, 8, 5, 2, 12, 9, 6, 3)
"""Markers row by row."""
PITCH = (1.436, 1.349)
"""Of the markers, in sides: what makes the webcam's pictures fit a plane best."""
SIDE_M = 0.04
RIGHT, DOWN = (1, 1, 0, 0), (0, 1, 1, 0)
"""Where a marker's four corners are; they were glued on turned by a quarter."""
MIN_MARKERS = 6


def flat():
    return np.array(
        [
            [place % 4 * PITCH[0] + RIGHT[corner], place // 4 * PITCH[1] + DOWN[corner]]
            for place in range(12)
            for corner in range(4)
        ]
    )


ROW_BY_ROW = np.lexsort(flat().T)


class MarkerBoard(BoardSpec):
    @property
    def points_m(self):
        return np.column_stack([SIDE_M * flat()[ROW_BY_ROW], np.zeros(48)])


def corners_px(grey):
    """All 48 corners, missing markers placed by the others' plane; None with too few of them."""
    options = cv2.aruco.DetectorParameters()
    options.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX
    options.cornerRefinementWinSize, options.adaptiveThreshWinSizeMax = 4, 61
    words = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_ARUCO_ORIGINAL)
    large = cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    found, numbers, _ = cv2.aruco.ArucoDetector(words, options).detectMarkers(large)
    if numbers is None or len(numbers) < MIN_MARKERS:
        return None
    plane = flat().reshape(12, 4, 2)
    places = [PLACES.index(number) for number in np.ravel(numbers)]
    seen = np.concatenate([(corner[0] + 0.5) / 2 - 0.5 for corner in found])
    homography, _ = cv2.findHomography(plane[places].reshape(-1, 2), seen, cv2.LMEDS)
    placed = cv2.perspectiveTransform(plane.reshape(-1, 1, 2), homography).astype(np.float32)
    ends = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-3)
    refined = cv2.cornerSubPix(grey, placed, (3, 3), (-1, -1), ends)
    return refined[:, 0].astype(float)[ROW_BY_ROW]


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not here: real thermal pictures")
def test_real_thermal_and_visible_pictures_are_calibrated_together():
    views = []
    for number in range(1, 11):
        hot = cv2.imread(str(REAL / f"{number}_0.png"), cv2.IMREAD_GRAYSCALE)
        pictures = {
            "color": cv2.imread(str(REAL / f"{number}_1.png"), cv2.IMREAD_GRAYSCALE),
            "thermal": 255 - hot,
        }
        found = {name: corners_px(picture) for name, picture in pictures.items()}
        views.append({name: corners for name, corners in found.items() if corners is not None})
    assert sum(len(view) == 2 for view in views) >= 8
    few_terms = {"k3", "p1", "p2"}
    solution = solve_rig(
        views,
        sizes_px={"color": (768, 512), "thermal": (464, 348)},
        board=MarkerBoard(8, 6, SIDE_M),
        fixed=dict.fromkeys(("color", "thermal"), few_terms),
    )
    assert solution.rms_px("color") < 1.0
    assert solution.rms_px("thermal") < 3.0  # blurred by heat, and no corner of a checkerboard
    # the thermal camera's lens of 24 degrees has 1092 px
    assert solution.state.cameras["thermal"].fx_px == pytest.approx(1092, rel=0.15)
    validation = cross_validate(solution, lambda state: state.cameras["thermal"].fx_px)
    held_out_px = list(validation.held_out_px["thermal"].values())
    assert np.median(held_out_px) < 6.0
    assert max(held_out_px) < 12.0
