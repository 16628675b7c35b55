"""``mavfer-calibrate import`` and ``export``: calibrations of and for other programs."""

import argparse
from pathlib import Path

from capture.terminal import EXIT_OK, add_common_options, print_result

_IMPORT_EXAMPLES = """\
examples:
  mavfer-calibrate import kinect2_bridge/data/0123 --quarter-pixel --into rig.yaml -o new.yaml
  mavfer-calibrate import thermal=ost.yaml --into rig.yaml -o new.yaml        (ROS camera info)
  mavfer-calibrate import rig.yml -o rig.yaml                  (OpenCV, as export --opencv writes)

Later sources replace what earlier ones and --into say. The crop window is computed anew; figures of
quality, which were those of other values, are dropped.
"""
_EXPORT_EXAMPLES = """\
example:
  mavfer-calibrate export rig.yaml --ros camera_info --opencv rig.yml --iai kinect2_bridge/data/mine
"""


def import_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mavfer-calibrate import``."""
    parser = argparse.ArgumentParser(
        prog="mavfer-calibrate import",
        description="Make a rig calibration of what iai_kinect2, ROS or OpenCV files say.",
        epilog=_IMPORT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="folder of iai_kinect2's files, OpenCV file of several cameras, or CAMERA=FILE with "
        "ROS camera info or OpenCV's of one",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="RIG.yaml", help="calibration to write"
    )
    parser.add_argument("--into", type=Path, metavar="RIG.yaml", help="gives what sources lack")
    parser.add_argument(
        "--quarter-pixel",
        action="store_true",
        help="undo the quarter pixel by which iai_kinect2's own tools misplace infrared",
    )
    parser.add_argument(
        "--z-min-m", type=float, metavar="Z", help="nearest depth the crop window must hold for"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    add_common_options(parser)
    return parser


def export_parser() -> argparse.ArgumentParser:
    """Return the parser of ``mavfer-calibrate export``."""
    parser = argparse.ArgumentParser(
        prog="mavfer-calibrate export",
        description="Write a rig calibration as other programs read it.",
        epilog=_EXPORT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("calibration", type=Path, metavar="RIG.yaml", help="to be written")
    parser.add_argument("--iai", type=Path, metavar="DIR", help="iai_kinect2's four files")
    parser.add_argument(
        "--ros", type=Path, metavar="DIR", help="ROS camera info, CAMERA.yaml for each camera"
    )
    parser.add_argument(
        "--opencv", type=Path, metavar="FILE", help="OpenCV's FileStorage: .yml, .xml or .json"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    add_common_options(parser)
    return parser


def run_import(args: argparse.Namespace) -> int:
    """Handle ``mavfer-calibrate import``."""
    from .exchange import compose_rig, read_source
    from .info import describe_rig_calibration
    from .rig import load_rig_calibration, save_rig_calibration

    base = load_rig_calibration(args.into) if args.into else None
    sources = [read_source(text, quarter_pixel=args.quarter_pixel) for text in args.sources]
    rig = compose_rig(sources, base=base, z_min_m=args.z_min_m, names=args.sources)
    save_rig_calibration(args.output, rig, overwrite=args.overwrite)
    facts = describe_rig_calibration(args.output)
    window = rig.crop_window
    lines = [
        f"{name}: {camera['size_px'][0]}x{camera['size_px'][1]}, f {camera['focal_px']}, "
        f"centre {camera['centre_px']}, {camera['model']}"
        for name, camera in facts["cameras"].items()
    ]
    lines.append(
        f"crop window {window.width_px}x{window.height_px} at {window.x_px},{window.y_px} "
        f"for z >= {window.z_min_m:g} m"
    )
    print_result(args, {"output": str(args.output), **facts}, [*lines, f"written: {args.output}"])
    return EXIT_OK


def run_export(args: argparse.Namespace) -> int:
    """Handle ``mavfer-calibrate export``."""
    from capture.files import OutputExistsError, all_or_none

    from .errors import CalibrationError
    from .exchange import camera_set
    from .iai import FILES, export_iai
    from .opencv_file import write_opencv
    from .rig import CAMERAS, load_rig_calibration
    from .ros_camera_info import write_camera_info

    rig = load_rig_calibration(args.calibration)
    outputs = [args.opencv] if args.opencv else []
    outputs += [args.iai / name for name in FILES] if args.iai else []
    outputs += [args.ros / f"{name}.yaml" for name in CAMERAS] if args.ros else []
    if not outputs:
        raise CalibrationError("export to what?", remedy="pass --iai, --ros or --opencv")
    if args.opencv and args.opencv.suffix not in (".yml", ".yaml", ".xml", ".json"):
        raise CalibrationError(f"--opencv {args.opencv}: expected a .yml, .xml or .json file")
    for path in outputs:
        if path.exists() and not args.overwrite:
            raise OutputExistsError(
                f"{path} exists already", remedy="choose another output or pass --overwrite"
            )
    with all_or_none(outputs):
        if args.iai:
            export_iai(args.iai, rig, overwrite=args.overwrite)
        if args.ros:
            for name in CAMERAS:
                path = args.ros / f"{name}.yaml"
                write_camera_info(path, name, rig.cameras[name], overwrite=args.overwrite)
        if args.opencv:
            write_opencv(args.opencv, camera_set(rig), overwrite=args.overwrite)
    written = [str(path) for path in outputs]
    print_result(args, {"written": written}, [f"written: {path}" for path in written])
    return EXIT_OK
