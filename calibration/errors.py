"""The errors of calibration that a user can act on."""

from capture.errors import MavferError


class CalibrationError(MavferError, ValueError):
    """A calibration file, board session or image cannot be used for what was asked."""
