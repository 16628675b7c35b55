"""Errors of the dataset pipeline."""

from capture.errors import MavferError


class DatasetError(MavferError, ValueError):
    """A source, a clip store or a request for one cannot be meant or cannot be used."""
