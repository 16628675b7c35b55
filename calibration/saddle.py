"""Place a checkerboard corner by fitting what the camera must see around it.

Where four squares meet, the image is two straight edges crossing, blurred by the optics, under
smooth light: I(p) = (1 + q · (p - c)) (a + k erf(n1 · (p - c) / √2 s) erf(n2 · (p - c) / √2 s)).
Fitting that to all pixels of the neighbourhood uses every one of them where a gradient search
uses a few; the model is point-symmetric about c, so blur and oblique squares do not shift it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from capture.jit import jit

_N_PARAMETERS = 9
_MAX_STEPS = 25
_CONVERGED_PX = 1e-4
REACH = 0.45
"""Half width of the neighbourhood as a share of the squares around the corner."""
_MAX_SHIFT = 0.3
"""A corner that wanders farther than this share of a square is lost."""
_MIN_PIXELS = 14
_MIN_BLUR_PX, _MAX_BLUR_SHARE = 0.3, 0.4


@jit
def fit_saddles(
    image: NDArray[np.float32],
    start_px: NDArray[np.float64],
    along_px: NDArray[np.float64],
    down_px: NDArray[np.float64],
    fitted_px: NDArray[np.float64],
    std_px: NDArray[np.float64],
) -> None:
    """Fit every corner of a board.

    Parameters
    ----------
    image : (H, W) float32
        Linear intensities.
    start_px : (N, 2) float64
        Corners to within a third of a square.
    along_px, down_px : (N, 2) float64
        Sides of the squares at each corner: mean step to the neighbouring corners.
    fitted_px : (N, 2) float64
        Filled; the start where the fit failed.
    std_px : (N,) float64
        Filled with the standard deviation of each coordinate; NaN where the fit failed.
    """
    for index in range(len(start_px)):
        _fit_one(
            image,
            start_px[index],
            along_px[index],
            down_px[index],
            fitted_px[index],
            std_px[index : index + 1],
        )


@jit
def _fit_one(
    image: NDArray[np.float32],
    start_px: NDArray[np.float64],
    along_px: NDArray[np.float64],
    down_px: NDArray[np.float64],
    fitted_px: NDArray[np.float64],
    std_px: NDArray[np.float64],
) -> None:
    fitted_px[:] = start_px
    std_px[0] = np.nan
    pixels = _neighbourhood(image, start_px, along_px, down_px)
    side_px = min(math.hypot(along_px[0], along_px[1]), math.hypot(down_px[0], down_px[1]))
    if len(pixels) < _MIN_PIXELS:
        return
    state = np.zeros(_N_PARAMETERS)
    state[2] = math.atan2(along_px[0], -along_px[1])
    state[3] = math.atan2(down_px[0], -down_px[1])
    state[4] = max(0.6, 0.06 * side_px)
    state[5] = pixels[:, 2].mean()
    state[6] = _start_contrast(pixels, state)
    normal = np.zeros((_N_PARAMETERS, _N_PARAMETERS))
    gradient = np.zeros(_N_PARAMETERS)
    damping = 1e-3
    cost = _linearise(pixels, state, normal, gradient)
    for _ in range(_MAX_STEPS):
        damped = normal.copy()
        for i in range(_N_PARAMETERS):
            damped[i, i] += damping * normal[i, i] + 1e-12
        step = np.linalg.solve(damped, -gradient)
        trial = state + step
        trial[4] = min(max(trial[4], _MIN_BLUR_PX), _MAX_BLUR_SHARE * side_px)
        trial_normal = np.zeros_like(normal)
        trial_gradient = np.zeros_like(gradient)
        trial_cost = _linearise(pixels, trial, trial_normal, trial_gradient)
        if trial_cost <= cost:
            moved_px = math.hypot(step[0], step[1])
            state, cost, normal, gradient = trial, trial_cost, trial_normal, trial_gradient
            damping *= 0.2
            if moved_px < _CONVERGED_PX:
                break
        else:
            damping *= 8
            if damping > 1e8:
                break
    if not math.hypot(state[0], state[1]) <= _MAX_SHIFT * side_px:
        return
    for i in range(_N_PARAMETERS):
        normal[i, i] += 1e-12
    inverse = np.linalg.inv(normal)
    variance = cost / max(1, len(pixels) - _N_PARAMETERS)
    fitted_px[0] = start_px[0] + state[0]
    fitted_px[1] = start_px[1] + state[1]
    std_px[0] = math.sqrt(max(0.0, variance * (inverse[0, 0] + inverse[1, 1]) / 2))


@jit
def _neighbourhood(
    image: NDArray[np.float32],
    start_px: NDArray[np.float64],
    along_px: NDArray[np.float64],
    down_px: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return x, y from the start and intensity (P, 3) of the pixels in the four squares' halves."""
    height, width = image.shape
    area = along_px[0] * down_px[1] - along_px[1] * down_px[0]
    reach_x = REACH * (abs(along_px[0]) + abs(down_px[0]))
    reach_y = REACH * (abs(along_px[1]) + abs(down_px[1]))
    left, right = math.ceil(start_px[0] - reach_x), math.floor(start_px[0] + reach_x)
    top, bottom = math.ceil(start_px[1] - reach_y), math.floor(start_px[1] + reach_y)
    if left < 0 or top < 0 or right >= width or bottom >= height or abs(area) < 1e-6:
        return np.empty((0, 3))
    found = np.empty(((right - left + 1) * (bottom - top + 1), 3))
    count = 0
    for row in range(top, bottom + 1):
        for column in range(left, right + 1):
            x, y = column - start_px[0], row - start_px[1]
            s = (x * down_px[1] - y * down_px[0]) / area
            t = (y * along_px[0] - x * along_px[1]) / area
            if abs(s) <= REACH and abs(t) <= REACH:
                found[count, 0], found[count, 1] = x, y
                found[count, 2] = image[row, column]
                count += 1
    return found[:count]


@jit
def _start_contrast(pixels: NDArray[np.float64], state: NDArray[np.float64]) -> float:
    """Return the mean product of intensity and the sign of the pattern: contrast with its sign."""
    total = 0.0
    for index in range(len(pixels)):
        first = math.cos(state[2]) * pixels[index, 0] + math.sin(state[2]) * pixels[index, 1]
        second = math.cos(state[3]) * pixels[index, 0] + math.sin(state[3]) * pixels[index, 1]
        sign = 1.0 if first * second > 0 else -1.0
        total += sign * (pixels[index, 2] - state[5])
    return total / len(pixels)


@jit
def _linearise(
    pixels: NDArray[np.float64],
    state: NDArray[np.float64],
    normal: NDArray[np.float64],
    gradient: NDArray[np.float64],
) -> float:
    """Add up the normal equations at x, y, two edge angles, blur, a, k, qx, qy; return the cost."""
    cos1, sin1, cos2, sin2 = (
        math.cos(state[2]),
        math.sin(state[2]),
        math.cos(state[3]),
        math.sin(state[3]),
    )
    width = math.sqrt(2.0) * state[4]
    peak = 2.0 / (math.sqrt(math.pi) * width)
    slope = np.zeros(_N_PARAMETERS)
    cost = 0.0
    for index in range(len(pixels)):
        x, y = pixels[index, 0] - state[0], pixels[index, 1] - state[1]
        first, second = cos1 * x + sin1 * y, cos2 * x + sin2 * y
        erf1, erf2 = math.erf(first / width), math.erf(second / width)
        bell1 = peak * math.exp(-((first / width) ** 2))
        bell2 = peak * math.exp(-((second / width) ** 2))
        light = 1.0 + state[7] * x + state[8] * y
        pattern = state[5] + state[6] * erf1 * erf2
        by_first = light * state[6] * bell1 * erf2
        by_second = light * state[6] * erf1 * bell2
        slope[0] = -(by_first * cos1 + by_second * cos2 + state[7] * pattern)
        slope[1] = -(by_first * sin1 + by_second * sin2 + state[8] * pattern)
        slope[2] = by_first * (cos1 * y - sin1 * x)
        slope[3] = by_second * (cos2 * y - sin2 * x)
        slope[4] = -(by_first * first + by_second * second) / state[4]
        slope[5] = light
        slope[6] = light * erf1 * erf2
        slope[7] = x * pattern
        slope[8] = y * pattern
        residual = light * pattern - pixels[index, 2]
        cost += residual * residual
        for i in range(_N_PARAMETERS):
            gradient[i] += slope[i] * residual
            for j in range(i + 1):
                normal[i, j] += slope[i] * slope[j]
                normal[j, i] = normal[i, j]
    return cost
