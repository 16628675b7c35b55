"""May a session start? Only when every daemon's clock is known well enough."""

import math

from .clock import ClockMap

MAX_UNCERTAINTY_NS = 1_000_000
"""A thirtieth of a frame of the fastest sensor: well below what pairing frames needs."""
MAX_SKEW_PPM = 200.0
"""Quartz clocks differ by tens; more is a clock that is being steered, or a bad fit."""
MIN_BURSTS = 3


def clock_complaint(clock: ClockMap, n_bursts: int) -> str | None:
    """Say why a session must not start by this clock; None when it may.

    Parameters
    ----------
    clock : ClockMap
        A daemon's host clock to the controller's, as fitted online.
    n_bursts : int
        Bursts of probes answered so far.
    """
    if n_bursts < MIN_BURSTS or not math.isfinite(clock.uncertainty_ns):
        return f"its clock has answered {n_bursts} bursts of probes, expected {MIN_BURSTS}"
    if clock.uncertainty_ns > MAX_UNCERTAINTY_NS:
        return (
            f"its clock is known to ±{clock.uncertainty_ns / 1e6:.2f} ms, "
            f"expected ±{MAX_UNCERTAINTY_NS / 1e6:g} ms or better"
        )
    if abs(clock.skew_ppm) > MAX_SKEW_PPM:
        return f"its clock runs {clock.skew_ppm:+.0f} ppm off, expected within {MAX_SKEW_PPM:g}"
    return None
