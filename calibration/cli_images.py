"""``mavfer-calibrate images``: cameras from a folder of pictures."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture.terminal import EXIT_OK, add_common_options, print_result, progress

from .cli_options import add_board, add_lens_options, by_camera, lens

if TYPE_CHECKING:
    from .image_folder import FolderCalibration

_EXAMPLES = """\
examples:
  mavfer-calibrate images kinect2_calib -o cameras.yml            (iai_kinect2's file names)
  mavfer-calibrate images stereo --camera left='left*.jpg' --camera right='right*.jpg' \\
      --board 9x6x0.025 -o stereo.yml
  mavfer-calibrate import cameras.yml --into rig.yaml -o new.yaml

Pictures of one moment have the same numbers in their names. Without --camera: NNNN_color.*,
NNNN_ir.*, NNNN_thermal.*, as many of them as there are; NNNN_depth.* (mm) gives the depth shift.
"""


def images_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mavfer-calibrate images``."""
    parser = argparse.ArgumentParser(
        prog="mavfer-calibrate images",
        description="Calibrate one camera or several from pictures of a checkerboard.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of pictures")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="OpenCV's FileStorage to write: .yml, .xml or .json",
    )
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        metavar="NAME=PATTERN",
        help="which pictures are whose; may be repeated, the first is the reference",
    )
    add_board(parser)
    add_lens_options(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    add_common_options(parser)
    return parser


def run_images(args: argparse.Namespace) -> int:
    """Handle ``mavfer-calibrate images``."""
    from capture.files import OutputExistsError
    from capture.names import check_name

    from .board import BoardSpec
    from .errors import CalibrationError
    from .image_folder import IAI_PATTERNS, calibrate_folder
    from .opencv_file import write_opencv

    if args.output.suffix not in (".yml", ".yaml", ".xml", ".json"):
        raise CalibrationError(f"-o {args.output}: expected a .yml, .xml or .json file")
    if args.output.exists() and not args.overwrite:
        raise OutputExistsError(
            f"{args.output} exists already", remedy="choose another output or pass --overwrite"
        )
    patterns = {
        check_name(name, what="camera"): pattern
        for name, pattern in by_camera(args.camera, "--camera", None)
    }
    names = tuple(patterns or IAI_PATTERNS)
    with progress("pictures", enabled=not args.quiet) as on_progress:
        result = calibrate_folder(
            args.folder,
            board=BoardSpec.parse(args.board),
            patterns=patterns or None,
            models={name: lens(model) for name, model in by_camera(args.lens, "--lens", names)},
            fixed={name: set(k.split(",")) for name, k in by_camera(args.fix, "--fix", names)},
            board_warp=args.board_warp,
            on_progress=on_progress,
        )
    write_opencv(args.output, result.camera_set, overwrite=args.overwrite)
    document = _document(result)
    lines = _lines(document)
    print_result(
        args, {"output": str(args.output), **document}, [*lines, f"written: {args.output}"]
    )
    return EXIT_OK


def _document(result: "FolderCalibration") -> dict[str, Any]:
    from .quality import held_out_by_camera

    solution = result.solution
    held_out = held_out_by_camera(result.validation, solution)
    cameras = {}
    for name in solution.problem.cameras:
        camera = solution.state.cameras[name]
        rejected = {
            str(result.files[name][result.keys[view]].name): why
            for view, why in solution.rejected[name].items()
        }
        cameras[name] = {
            "size_px": [camera.width_px, camera.height_px],
            "f_px": [camera.fx_px, camera.fy_px],
            "c_px": [camera.cx_px, camera.cy_px],
            "distortion": list(camera.distortion),
            "rms_px": solution.rms_px(name),
            "n_pictures": len(result.files[name]),
            "n_found": result.n_found[name],
            "left_out": rejected,
        }
    places = {
        name: {
            "translation_mm": (1000 * solution.T_reference_camera(name).translation_m).tolist(),
            "held_out_px": held_out[name],
        }
        for name in solution.problem.cameras[1:]
    }
    shift = result.depth_shift
    return {
        "reference": solution.problem.cameras[0],
        "cameras": cameras,
        "transforms": places,
        "depth_shift_mm": None if shift is None else shift.shift_mm,
        "depth_shift_std_error_mm": None if shift is None else shift.std_error_mm,
    }


def _lines(document: dict[str, Any]) -> list[str]:
    lines = []
    for name, camera in document["cameras"].items():
        (fx, fy), (cx, cy) = camera["f_px"], camera["c_px"]
        lines.append(
            f"{name:10s} {camera['n_found']} of {camera['n_pictures']} pictures  reprojection "
            f"{camera['rms_px']:.3f} px rms  f {fx:.1f} {fy:.1f}  c {cx:.1f} {cy:.1f} px"
        )
        lines += [f"  left out: {file}: {why}" for file, why in camera["left_out"].items()]
    for name, place in document["transforms"].items():
        x, y, z = place["translation_mm"]
        held = place["held_out_px"]
        error = "too few views to hold any out" if held is None else f"{held:.3f} px"
        lines.append(
            f"{name} to {document['reference']}  {x:.2f} {y:.2f} {z:.2f} mm  held-out error {error}"
        )
    if document["depth_shift_mm"] is not None:
        lines.append(
            f"depth shift {document['depth_shift_mm']:+.2f} "
            f"± {document['depth_shift_std_error_mm']:.2f} mm"
        )
    return lines
