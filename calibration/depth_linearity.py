"""Is one number enough? What the depth differences depend on, and the line if they do.

Time-of-flight depth may err with distance ("wiggling"), towards the image's rim and with the
brightness of the surface. Each is tested by one slope a view (over distance: one line through
the views), so that the sample is views and the error honest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SIGNIFICANT_SIGMAS = 3.0
_RELEVANT_MM = 1.0
"""Effects below this drown in what the sensor itself leaves open."""
_MIN_VIEWS = 6
_MIN_SPREAD = {"distance": 150.0, "radius": 0.03, "amplitude": 0.3}
"""Millimetres, tangent of the angle to the axis, factors of two: less cannot show a slope."""
_UNITS = {
    "distance": "mm/m",
    "radius": "mm per unit of the ray's tangent",
    "amplitude": "mm per doubling",
}


@dataclass(frozen=True, slots=True, eq=False)
class PlaneSamples:
    """Pixels of one view on the board.

    Attributes
    ----------
    difference_mm : (P,) float64
        Plane minus measured.
    measured_mm : (P,) float64
    radius : (P,) float64
        Tangent of the angle between ray and optical axis.
    amplitude : (P,) float64 or None
        Infrared counts.
    """

    difference_mm: NDArray[np.float64]
    measured_mm: NDArray[np.float64]
    radius: NDArray[np.float64]
    amplitude: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class Trend:
    """How the difference changes with something.

    Attributes
    ----------
    against : {"distance", "radius", "amplitude"}
    slope, std_error : float
    unit : str
    effect_mm : float
        Slope times the range that the views covered.
    n_views : int
    """

    against: str
    slope: float
    std_error: float
    unit: str
    effect_mm: float
    n_views: int

    @property
    def matters(self) -> bool:
        """Larger than its error allows to be chance, and than the sensor's own noise."""
        certain = abs(self.slope) > _SIGNIFICANT_SIGMAS * self.std_error
        return certain and abs(self.effect_mm) >= _RELEVANT_MM


@dataclass(frozen=True, slots=True)
class LinearDepth:
    """True depth = scale · measured + shift.

    Attributes
    ----------
    scale, shift_mm : float
    scale_std_error, shift_std_error_mm : float
    """

    scale: float
    shift_mm: float
    scale_std_error: float
    shift_std_error_mm: float


def find_trends(views: Sequence[PlaneSamples]) -> tuple[Trend, ...]:
    """Test the differences against distance, radius and amplitude, where the views allow it."""
    trends = []
    line = fit_linear(views)
    if line is not None:
        distances_mm = [float(np.median(view.measured_mm)) for view in views]
        slope, std_error = 1000 * (line.scale - 1), 1000 * line.scale_std_error
        effect_mm = slope * np.ptp(distances_mm) / 1000
        trends.append(
            Trend("distance", slope, std_error, _UNITS["distance"], float(effect_mm), len(views))
        )
    trends += _within_views(views, "radius", lambda view: view.radius)
    trends += _within_views(views, "amplitude", _log_amplitude)
    return tuple(trends)


def fit_linear(views: Sequence[PlaneSamples]) -> LinearDepth | None:
    """Draw a line through the views' median differences over distance; None if they are alike."""
    measured_mm = np.array([np.median(view.measured_mm) for view in views])
    difference_mm = np.array([np.median(view.difference_mm) for view in views])
    if len(views) < _MIN_VIEWS or np.ptp(measured_mm) < _MIN_SPREAD["distance"]:
        return None
    centre_mm = measured_mm.mean()
    design = np.stack([np.ones(len(views)), measured_mm - centre_mm], axis=1)
    (level_mm, slope), *_ = np.linalg.lstsq(design, difference_mm, rcond=None)
    residual_mm = difference_mm - design @ [level_mm, slope]
    variance = residual_mm @ residual_mm / (len(views) - 2)
    level_variance = variance / len(views)
    slope_variance = variance / np.square(design[:, 1]).sum()
    return LinearDepth(
        scale=float(1 + slope),
        shift_mm=float(level_mm - slope * centre_mm),
        scale_std_error=float(np.sqrt(slope_variance)),
        shift_std_error_mm=float(np.sqrt(level_variance + slope_variance * centre_mm**2)),
    )


def _log_amplitude(view: PlaneSamples) -> NDArray[np.float64] | None:
    return None if view.amplitude is None else np.log2(np.maximum(view.amplitude, 1.0))


def _within_views(
    views: Sequence[PlaneSamples],
    against: str,
    values_of: Callable[[PlaneSamples], NDArray[np.float64] | None],
) -> list[Trend]:
    """Pool one slope a view; the views' scatter gives the error."""
    slopes, spreads = [], []
    for view in views:
        values = values_of(view)
        if values is None or values.std() < _MIN_SPREAD[against]:
            continue
        inside = np.abs(view.difference_mm - np.median(view.difference_mm)) < _robust_limit(view)
        centred = values[inside] - values[inside].mean()
        slopes.append(float(centred @ view.difference_mm[inside]) / float(centred @ centred))
        spreads.append(float(np.quantile(values, 0.95) - np.quantile(values, 0.05)))
    if len(slopes) < _MIN_VIEWS:
        return []
    slope = float(np.mean(slopes))
    std_error = float(np.std(slopes, ddof=1) / np.sqrt(len(slopes)))
    effect_mm = slope * float(np.median(spreads))
    return [Trend(against, slope, std_error, _UNITS[against], effect_mm, len(slopes))]


def _robust_limit(view: PlaneSamples) -> float:
    """Four deviations: mixed pixels and holes' rims stay out."""
    centred = np.abs(view.difference_mm - np.median(view.difference_mm))
    return max(4 * 1.4826 * float(np.median(centred)), 1.0)
