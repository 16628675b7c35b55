"""What is written beside a calibration about how good it is."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from .coverage import coverage_warnings, covered_share
from .cross_validation import CrossValidation
from .depth_shift import DepthShift
from .rig_solve import REFERENCE, RigSolution
from .views import BoardView

DepthModel = Literal["scalar", "linear"]


def held_out_by_camera(
    validation: CrossValidation | None, solution: RigSolution
) -> dict[str, float | None]:
    """Pool the held-out errors of each camera's views."""
    errors_px = {} if validation is None else validation.held_out_px
    return {name: _pooled(errors_px.get(name, {})) for name in solution.problem.cameras[1:]}


def describe_quality(
    solution: RigSolution,
    shift: DepthShift,
    validation: CrossValidation | None,
    views: Sequence[BoardView],
    depth_model: DepthModel,
) -> dict[str, Any]:
    """Return JSON values for the calibration's ``quality``."""
    adjustment = solution.adjustment
    covered = {
        name: covered_share(
            (view[name] for view in solution.problem.views.values() if name in view),
            solution.state.cameras[name],
        )
        for name in solution.problem.cameras
    }
    cameras = {
        name: {
            "rms_px": round(solution.rms_px(name), 4),
            "covered_share": round(covered[name], 3),
            "corner_noise_px": round(adjustment.sigma_px[name], 4),
            "n_views": len(solution.residuals_px[name]),
            "std": {key: float(f"{value:.3g}") for key, value in adjustment.std[name].items()},
        }
        for name in solution.problem.cameras
    }
    held_out_px = held_out_by_camera(validation, solution)
    rejected = {
        f"{name} view {number}": reason
        for name, reasons in (*solution.rejected.items(), ("depth", shift.rejected))
        for number, reason in reasons.items()
    }
    rejected |= {f"view {i}": view.problem for i, view in enumerate(views) if view.problem}
    return {
        "cameras": cameras,
        "baseline_mm": {
            name: round(
                1000 * float(np.linalg.norm(solution.T_reference_camera(name).translation_m)), 3
            )
            for name in solution.problem.cameras[1:]
        },
        "held_out_rms_px": {
            f"{name}_to_{REFERENCE}": error_px for name, error_px in held_out_px.items()
        },
        "depth_shift_std_error_mm": round(shift.std_error_mm, 4),
        "depth_shift_n_views": len(shift.view_shift_mm),
        "depth_trends": {
            trend.against: {
                "slope": float(f"{trend.slope:.4g}"),
                "std_error": float(f"{trend.std_error:.3g}"),
                "unit": trend.unit,
                "effect_mm": round(trend.effect_mm, 3),
            }
            for trend in shift.trends
        },
        "rejected": rejected,
        "warnings": [
            *coverage_warnings(covered, solution.state.cameras),
            *_trend_warnings(shift, depth_model),
        ],
    }


def _trend_warnings(shift: DepthShift, model: DepthModel) -> list[str]:
    return [
        f"depth errs with {trend.against}: {trend.slope:+.2f} ± {trend.std_error:.2f} "
        f"{trend.unit}, {trend.effect_mm:+.1f} mm over the views"
        + ("; --depth-model linear takes it out" if trend.against == "distance" else "")
        for trend in shift.trends
        if trend.matters and not (trend.against == "distance" and model == "linear")
    ]


def _pooled(errors_px: Mapping[int, float]) -> float | None:
    if not errors_px:
        return None
    return round(float(np.sqrt(np.square(list(errors_px.values())).mean())), 4)
