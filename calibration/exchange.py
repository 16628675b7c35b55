"""A rig calibration out of what other programs know of its cameras, and for them."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from .crop_window import compute_crop_window
from .errors import CalibrationError
from .iai import import_iai
from .opencv_file import CameraSet, read_opencv
from .rig import CAMERAS, RigCalibration
from .ros_camera_info import read_camera_info


def read_source(text: str, *, quarter_pixel: bool) -> CameraSet:
    """Read one source: an iai_kinect2 folder, a file of several cameras, or ``camera=FILE``.

    Raises
    ------
    CalibrationError
        It is none of these.
    """
    name, equals, file = text.partition("=")
    if not equals:
        path = Path(text)
        return import_iai(path, quarter_pixel=quarter_pixel) if path.is_dir() else read_opencv(path)
    if name not in CAMERAS:
        raise CalibrationError(
            f"{text}: no camera {name!r}", remedy=f"write one of {', '.join(CAMERAS)} before '='"
        )
    try:
        return CameraSet({name: read_camera_info(Path(file))})
    except CalibrationError as not_ros:
        try:
            return read_opencv(Path(file), name=name)
        except CalibrationError as not_opencv:
            raise CalibrationError(
                f"{file} is neither ROS camera info ({not_ros.message}) nor OpenCV's "
                f"({not_opencv.message})"
            ) from not_opencv


def compose_rig(
    sources: Sequence[CameraSet],
    *,
    base: RigCalibration | None = None,
    z_min_m: float | None = None,
    names: Sequence[str] = (),
) -> RigCalibration:
    """Put a rig calibration together; later sources replace what earlier ones and `base` say.

    Parameters
    ----------
    sources : sequence of CameraSet
        Transforms are to the color camera.
    base : RigCalibration, optional
        Gives what the sources lack.
    z_min_m : float, optional
        Nearest depth of the crop window; by default that of `base`.
    names : sequence of str
        Of the sources, for the provenance.

    Raises
    ------
    CalibrationError
        A camera or a transform is known to nobody.
    """
    cameras = dict(base.cameras) if base else {}
    transforms = (
        {"infrared": base.T_color_infrared, "thermal": base.T_color_thermal} if base else {}
    )
    scale, shift_mm = (base.depth_scale, base.depth_shift_mm) if base else (1.0, 0.0)
    for source in sources:
        foreign = sorted(set(source.cameras) - set(CAMERAS))
        if foreign:
            raise CalibrationError(
                f"camera {foreign[0]!r} is none of a rig's: {', '.join(CAMERAS)}"
            )
        reference = next(iter(source.cameras), "color")
        if source.T_reference_camera and reference != "color":
            raise CalibrationError(f"transforms are to {reference}, expected to color")
        cameras |= source.cameras
        transforms |= source.T_reference_camera
        scale = source.depth_scale if source.depth_scale is not None else scale
        shift_mm = source.depth_shift_mm if source.depth_shift_mm is not None else shift_mm
    lacking = [f"the {name} camera" for name in CAMERAS if name not in cameras]
    lacking += [f"the place of {name}" for name in CAMERAS[1:] if name not in transforms]
    if lacking:
        raise CalibrationError(
            f"nobody says {', '.join(lacking)}",
            remedy="pass --into an existing rig calibration, or more sources",
        )
    nearest_m = z_min_m if z_min_m is not None else base.crop_window.z_min_m if base else None
    window = compute_crop_window(
        cameras["color"], cameras["infrared"], transforms["infrared"], z_min_m=nearest_m
    )
    return RigCalibration(
        cameras={name: cameras[name] for name in CAMERAS},
        T_color_infrared=transforms["infrared"],
        T_color_thermal=transforms["thermal"],
        depth_shift_mm=shift_mm,
        depth_scale=scale,
        crop_window=window,
        quality={},  # what is known of errors was known of the old values
        provenance={
            "imported_from": list(names),
            "into": dict(base.provenance) if base else None,
            "software_version": version("mavfer"),
        },
    )


def camera_set(rig: RigCalibration) -> CameraSet:
    """Return a rig calibration as other programs see it."""
    return CameraSet(
        {name: rig.cameras[name] for name in CAMERAS},
        {"infrared": rig.T_color_infrared, "thermal": rig.T_color_thermal},
        rig.depth_scale,
        rig.depth_shift_mm,
    )
