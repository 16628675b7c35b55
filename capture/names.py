"""Names that become file names: subjects, sensors, recordings, sessions."""

import re

from .errors import ConfigError

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_name(name: str, *, what: str) -> str:
    """Return `name` if it can be a file name everywhere, else raise `ConfigError`."""
    if not _SAFE_NAME.fullmatch(name):
        raise ConfigError(
            f"{what} {name!r:.80} is not allowed",
            remedy="use up to 100 letters, digits, '.', '_' or '-', a letter or digit first",
        )
    return name
