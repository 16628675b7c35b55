"""The virtual rig: where the three cameras are and how they see.

Calibrations of two real Kinects, as published with iai_kinect2 (kinect2_bridge/data/<serial>,
Apache-2.0, https://github.com/code-iai/iai_kinect2), and an A65 above them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..camera import CameraModel
from ..errors import ConfigError
from ..transform import RigidTransform

CameraName = Literal["color", "infrared", "thermal"]
CAMERAS: tuple[CameraName, ...] = ("color", "infrared", "thermal")
DEFAULT_DEVICE = "196605135147"


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedRig:
    """Cameras of the virtual rig. The rig's frame is the infrared camera's.

    Attributes
    ----------
    color, infrared, thermal : CameraModel
        Depth comes from the infrared camera.
    T_color_infrared, T_thermal_infrared : RigidTransform
    depth_shift_mm : float
        True depth = measured depth + shift (iai_kinect2's sign).
    device : str
        Serial number of the Kinect whose calibration this is.
    scale : mapping of camera name to float
        Factor of each image's size; 1 is the real sensor.
    """

    color: CameraModel
    infrared: CameraModel
    thermal: CameraModel
    T_color_infrared: RigidTransform
    T_thermal_infrared: RigidTransform
    depth_shift_mm: float
    device: str
    scale: Mapping[str, float]

    def camera(self, name: str) -> CameraModel:
        """Return the camera model of `name`; depth is seen by the infrared camera."""
        return {
            "color": self.color,
            "infrared": self.infrared,
            "depth": self.infrared,
            "thermal": self.thermal,
        }[name]

    def T_camera_infrared(self, name: str) -> RigidTransform:  # noqa: N802 - the field's notation
        """Return the pose of the infrared frame in camera `name`."""
        return {
            "color": self.T_color_infrared,
            "infrared": RigidTransform.identity(),
            "depth": RigidTransform.identity(),
            "thermal": self.T_thermal_infrared,
        }[name]


@dataclass(frozen=True, slots=True, eq=False)
class _Kinect:
    color: CameraModel
    infrared: CameraModel
    T_color_infrared: RigidTransform
    depth_shift_mm: float


def _kinect_196605135147() -> _Kinect:
    color = CameraModel(
        1920,
        1080,
        1059.9465578241038,
        1053.9326808799726,
        954.88326677588441,
        523.73858291060583,
        (
            0.056268441170930321,
            -0.074199141308694802,
            0.0014250797540545752,
            -0.0016951722389720336,
            0.024107681263086548,
        ),
    )
    infrared = CameraModel(
        512,
        424,
        366.94757270064110,
        364.79117165721783,
        242.98551682775121,
        207.69853575457685,
        (
            0.096558110377123016,
            -0.28298244017989416,
            0.00015889951609432634,
            -0.00050751483524871712,
            0.10523948765859192,
        ),
    )
    rotation = np.array(
        [
            [0.99979883926593693, -0.016871335541758126, -0.010846153213119176],
            [0.016891097527572209, 0.99985583336600126, 0.0017330055664057141],
            [0.010815351441312036, -0.0019158603854556545, 0.99993967700666042],
        ]
    )
    translation_m = np.array(
        [-0.052052476112081990, -0.00046313865353939110, 0.00088806735554907584]
    )
    return _Kinect(color, infrared, RigidTransform(rotation, translation_m), -13.354238655403018)


def _kinect_299150235147() -> _Kinect:
    color = CameraModel(
        1920,
        1080,
        1066.0120360637927,
        1068.8708399911650,
        945.58752751085558,
        520.06994012356529,
        (
            0.059360108008991816,
            -0.062758287999836640,
            -0.0015766859436148536,
            -0.0011502971845708829,
            0.0077657531491476016,
        ),
    )
    infrared = CameraModel(
        512,
        424,
        366.38346288148574,
        367.14380707081017,
        255.64531890330468,
        203.98020160452,
        (
            0.10952761399998089,
            -0.31461678804886056,
            -0.0012613602146463686,
            -0.00071815538262097348,
            0.12565382780717374,
        ),
    )
    rotation = np.array(
        [
            [0.99999932279092762, 0.0011418659978192800, -0.00022485490683788145],
            [-0.0011422648685177200, 0.99999776014165309, -0.0017818368744440499],
            [0.00022281978425420061, 0.0017820925116285419, 0.99999838724751144],
        ]
    )
    translation_m = np.array(
        [-0.052017152124108991, -0.00024045118112262469, 0.00029454469402941368]
    )
    # no depth shift was published with this device
    return _Kinect(color, infrared, RigidTransform(rotation, translation_m), 0.0)


_KINECTS = {"196605135147": _kinect_196605135147, "299150235147": _kinect_299150235147}


def _a65() -> tuple[CameraModel, RigidTransform]:
    """A65 with the 13 mm lens (17 um pitch), 61 mm above the Kinect, tilted 3 degrees down.

    Distortion and mounting are assumptions of ours; no public calibration of an A65 is known.
    """
    camera = CameraModel(640, 512, 766.0, 766.8, 322.4, 254.1, (-0.211, 0.118, 5e-4, -3e-4, 0.0))
    pose = RigidTransform.from_rotvec(np.radians([3.2, 0.4, -0.5]), [0.004, 0.0615, -0.010])
    return camera, pose


def kinect2_rig(
    *, scale: float | Mapping[str, float] = 1.0, device: str = DEFAULT_DEVICE
) -> SimulatedRig:
    """Build the paper's rig: a Kinect v2 and an A65.

    Parameters
    ----------
    scale : float or mapping of "color", "infrared", "thermal" to float
        Factor of the image sizes, for cheap scenes; a camera that is not named keeps its size.
    device : str
        Serial number of a Kinect with a published calibration.

    Raises
    ------
    ConfigError
        Unknown device or camera name, or a factor outside (0, 1].
    """
    if device not in _KINECTS:
        raise ConfigError(f"no calibration of Kinect {device!r}: known are {', '.join(_KINECTS)}")
    factors: dict[str, float] = dict.fromkeys(CAMERAS, 1.0)
    named = dict.fromkeys(factors, scale) if isinstance(scale, int | float) else scale
    factors.update(named)
    if unknown := set(factors) - set(CAMERAS):
        raise ConfigError(f"scale names {sorted(unknown)}: expected {', '.join(CAMERAS)}")
    if not all(0.0 < factor <= 1.0 for factor in factors.values()):
        raise ConfigError(f"scale is {dict(factors)}: expected factors in (0, 1]")
    kinect = _KINECTS[device]()
    thermal, T_thermal_infrared = _a65()
    return SimulatedRig(
        color=kinect.color.scaled(factors["color"]),
        infrared=kinect.infrared.scaled(factors["infrared"]),
        thermal=thermal.scaled(factors["thermal"]),
        T_color_infrared=kinect.T_color_infrared,
        T_thermal_infrared=T_thermal_infrared,
        depth_shift_mm=kinect.depth_shift_mm,
        device=device,
        scale=factors,
    )
