"""The calibration a simulated rig really has: truth to compare an estimate with."""

from capture.simulation.rig import SimulatedRig

from .crop_window import compute_crop_window
from .rig import RigCalibration


def ideal_calibration(rig: SimulatedRig) -> RigCalibration:
    """Return the exact `RigCalibration` of a simulated rig, its crop window computed as usual."""
    T_color_thermal = rig.T_color_infrared @ rig.T_thermal_infrared.inverse()
    return RigCalibration(
        cameras={"color": rig.color, "infrared": rig.infrared, "thermal": rig.thermal},
        T_color_infrared=rig.T_color_infrared,
        T_color_thermal=T_color_thermal,
        depth_shift_mm=rig.depth_shift_mm,
        crop_window=compute_crop_window(rig.color, rig.infrared, rig.T_color_infrared),
        provenance={
            "source": "truth of a simulated rig",
            "devices": dict.fromkeys(("color", "depth", "infrared"), rig.device),
        },
    )
