"""The errors a user can act on: the root of every package's exception tree."""


class MavferError(Exception):
    """A condition the user can mend; shown as one line without a traceback.

    Parameters
    ----------
    message : str
        What happened, what was found and what was expected.
    remedy : str, optional
        What to do about it, in the imperative.
    """

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message


class MavferWarning(UserWarning):
    """Something a user should know and need not mend; shown as one line without its origin."""


class CaptureError(MavferError):
    """Root of the errors raised by ``capture``."""


class ConfigError(CaptureError, ValueError):
    """A rig, protocol or option file says something that cannot be meant."""


class SensorError(CaptureError, RuntimeError):
    """A sensor is missing, refuses a setting or stopped delivering."""


class RecordingError(CaptureError, ValueError):
    """A recording or session on disk is missing, damaged or contradictory."""


class ControlError(CaptureError, RuntimeError):
    """Controller and daemons failed to agree: no answer, refusal or wrong protocol."""
