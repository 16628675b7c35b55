"""The errors of labels, traces and agreement that a user can act on."""

from capture.errors import MavferError


class AnnotationError(MavferError, ValueError):
    """A trace, a label file or a rating is missing, damaged or contradictory."""
