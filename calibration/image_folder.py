"""Calibrate from a folder of pictures: iai_kinect2's recordings, or anybody's.

Pictures of one moment have the same numbers in their names: ``0007_color.png``, ``0007_ir.png``,
``0007_depth.png``; or ``left07.jpg`` and ``right07.jpg``.
"""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.terminal import OnProgress

from .adjustment_problem import LensModel
from .board import BoardSpec
from .cross_validation import CrossValidation, cross_validate
from .depth_shift import DepthShift, estimate_depth_shift
from .detect import find_board
from .errors import CalibrationError
from .intrinsics import MIN_VIEWS
from .opencv_file import CameraSet
from .rig_solve import RigSolution, solve_rig

IAI_PATTERNS: Mapping[str, str] = {
    "color": "*_color.*",
    "infrared": "*_ir.*",
    "thermal": "*_thermal.*",
}
DEPTH_PATTERN = "*_depth.*"
Key = tuple[int, ...]
"""The numbers in a picture's name: what pictures of one moment share."""


@dataclass(frozen=True, slots=True, eq=False)
class FolderCalibration:
    """Cameras calibrated from pictures.

    Attributes
    ----------
    solution : RigSolution
        Its view numbers index `keys`.
    keys : tuple of Key
    files : mapping of camera name to mapping of Key to Path
    n_found : mapping of camera name to int
        Pictures in which the board was found.
    validation : CrossValidation or None
        None with too few views to leave any out.
    depth_shift : DepthShift or None
        None without infrared camera or depth pictures.
    """

    solution: RigSolution
    keys: tuple[Key, ...]
    files: Mapping[str, Mapping[Key, Path]]
    n_found: Mapping[str, int]
    validation: CrossValidation | None
    depth_shift: DepthShift | None

    @property
    def camera_set(self) -> CameraSet:
        """What was found, for other programs; the first camera is the reference."""
        names = self.solution.problem.cameras
        return CameraSet(
            {name: self.solution.state.cameras[name] for name in names},
            {name: self.solution.T_reference_camera(name) for name in names[1:]},
            None if self.depth_shift is None else 1.0,
            None if self.depth_shift is None else self.depth_shift.shift_mm,
        )


def calibrate_folder(
    folder: Path,
    *,
    board: BoardSpec,
    patterns: Mapping[str, str] | None = None,
    models: Mapping[str, LensModel] | None = None,
    fixed: Mapping[str, AbstractSet[str]] | None = None,
    board_warp: bool = False,
    on_progress: OnProgress = lambda done, total: None,
) -> FolderCalibration:
    """Calibrate the cameras whose pictures of a checkerboard lie in `folder`.

    Parameters
    ----------
    folder : Path
    board : BoardSpec
    patterns : mapping of camera name to file pattern, optional
        The first camera is the reference frame. By default iai_kinect2's names, with
        ``*_thermal.*`` beside them; cameras without pictures are left out.
    models, fixed, board_warp
        As in `Problem`.
    on_progress : callable
        Told (pictures searched, pictures in all).

    Raises
    ------
    CalibrationError
        No pictures, two of one camera with the same numbers, one that cannot be read or has
        another size than the rest, or too few with the board in them.
    """
    files = _find_files(folder, patterns or IAI_PATTERNS, required=patterns is not None)
    keys = tuple(sorted({key for of_camera in files.values() for key in of_camera}))
    jobs = [(name, key) for name in files for key in files[name]]
    sizes_px: dict[str, tuple[int, int]] = {}
    corners: list[dict[str, NDArray[np.float64]]] = [{} for _ in keys]

    def search(job: tuple[str, Key]) -> tuple[tuple[int, int], NDArray[np.float64] | None]:
        image = read_picture(files[job[0]][job[1]])
        found = find_board(image, board)
        return (image.shape[1], image.shape[0]), None if found is None else found.corners_px

    with ThreadPoolExecutor(max_workers=cpu_count()) as pool:
        for done, (job, (size_px, found)) in enumerate(
            zip(jobs, pool.map(search, jobs), strict=True), start=1
        ):
            name, key = job
            if sizes_px.setdefault(name, size_px) != size_px:
                raise CalibrationError(
                    f"{files[name][key]} is {size_px[0]}x{size_px[1]}, the {name} pictures before "
                    f"{sizes_px[name][0]}x{sizes_px[name][1]}",
                    remedy="keep pictures of one camera and one mode in a folder",
                )
            if found is not None:
                corners[keys.index(key)][name] = found
            on_progress(done, len(jobs))
    n_found = {name: sum(name in view for view in corners) for name in files}
    poorest = min(n_found, key=lambda name: n_found[name])
    if n_found[poorest] < MIN_VIEWS:
        counts = ", ".join(f"{name} {n_found[name]} of {len(files[name])}" for name in files)
        raise CalibrationError(
            f"{folder}: the board was found in: {counts}; expected at least {MIN_VIEWS} for each",
            remedy="check --board; tilt the board and fill the image with it",
        )
    solution = solve_rig(
        corners,
        sizes_px=sizes_px,
        board=board,
        reference=next(iter(files)),
        models=models,
        fixed=fixed,
        board_warp=board_warp,
    )
    return FolderCalibration(
        solution=solution,
        keys=keys,
        files=files,
        n_found=n_found,
        validation=cross_validate(solution, lambda _: 0.0) if len(files) > 1 else None,
        depth_shift=_depth_shift(folder, solution, keys, files, board),
    )


def read_picture(path: Path) -> NDArray[np.generic]:
    """Read a picture as it is stored: (H, W) of 8 or 16 bits, or (H, W, 3) BGR."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise CalibrationError(f"{path} cannot be read as a picture")
    if image.ndim == 3 and image.shape[2] != 3:
        image = image[..., 0] if image.shape[2] < 3 else image[..., :3]
    return np.asarray(image)


def _find_files(
    folder: Path, patterns: Mapping[str, str], *, required: bool
) -> dict[str, dict[Key, Path]]:
    if not folder.is_dir():
        raise CalibrationError(f"{folder} is no folder", remedy="pass a folder of pictures")
    files = {name: _by_key(folder, name, pattern) for name, pattern in patterns.items()}
    lacking = [name for name, found in files.items() if not found]
    if lacking and (required or len(lacking) == len(files)):
        raise CalibrationError(
            f"{folder}: no pictures {', '.join(patterns[name] for name in lacking)}",
            remedy="say which are whose, e.g. --camera left='l*.jpg' --camera right='r*.jpg'",
        )
    return {name: found for name, found in files.items() if found}


def _by_key(folder: Path, name: str, pattern: str) -> dict[Key, Path]:
    found: dict[Key, Path] = {}
    for path in sorted(folder.glob(pattern)):
        key = tuple(int(digits) for digits in re.findall(r"\d+", path.stem))
        if key in found:
            raise CalibrationError(
                f"{path.name} and {found[key].name} are both {name} pictures of one moment",
                remedy="number pictures of different moments differently",
            )
        found[key] = path
    return found


def _depth_shift(
    folder: Path,
    solution: RigSolution,
    keys: Sequence[Key],
    files: Mapping[str, Mapping[Key, Path]],
    board: BoardSpec,
) -> DepthShift | None:
    state = solution.state
    depth = _by_key(folder, "depth", DEPTH_PATTERN)
    used = [
        number
        for number, view in solution.problem.views.items()
        if "infrared" in view and keys[number] in depth
    ]
    if not used:
        return None
    infrared = state.T_camera_reference["infrared"]
    return estimate_depth_shift(
        {number: read_picture(depth[keys[number]]).astype(np.float32) for number in used},
        {number: infrared @ state.T_reference_board[number] for number in used},
        infrared=state.cameras["infrared"],
        board=board,
        amplitude={
            number: read_picture(files["infrared"][keys[number]]).astype(np.float32)
            for number in used
        },
    )
