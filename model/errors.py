"""What a user of the networks can act on."""

from capture.errors import MavferError, MavferWarning


class ModelError(MavferError, ValueError):
    """A network, a training run or an evaluation was asked for something that cannot be."""


class ModelWarning(MavferWarning):
    """Something was asked for that can be, and is not what it may be taken for."""


class NoClipsError(ModelError):
    """What is to be evaluated has no clip that shows a face."""


class CheckpointError(ModelError):
    """A checkpoint is missing, damaged, foreign or of another network."""
