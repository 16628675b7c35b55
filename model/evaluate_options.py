"""Which options of ``mavfer-evaluate`` mean something beside which of its ways."""

import argparse
from collections.abc import Mapping

from .errors import ModelError

_ALONE: Mapping[str, str] = {"row": "predictions", "seconds": "live", "keys": "live"}
"""Options of one way only."""
_WITHOUT: Mapping[str, tuple[str, ...]] = {
    "predictions": ("stride", "batch_size", "device", "no_post_processing"),
    "video": ("stride", "split"),
    "live": ("stride", "split", "batch_size", "no_post_processing", "overwrite"),
}
"""Options that a way has no use for."""
_DEFAULTS: Mapping[str, object] = {"split": "test", "batch_size": 8, "device": "auto"}


def settled(args: argparse.Namespace) -> str | None:
    """Refuse options that would be ignored, and give the others their defaults.

    Parameters
    ----------
    args : Namespace
        Options that nobody gave are None or false.

    Returns
    -------
    str or None
        ``predictions``, ``video`` or ``live``; None: a run on a store.

    Raises
    ------
    ModelError
        Two ways at once, or an option that is not of the way.
    """
    asked = [way for way in _WITHOUT if getattr(args, way)]
    if len(asked) > 1:
        raise ModelError(f"--{' and --'.join(asked)} at once", remedy="choose one")
    way = asked[0] if asked else None
    for option, own in _ALONE.items():
        if getattr(args, option) is not None and way != own:
            raise ModelError(
                f"{_flag(option)} is about {_flag(own)} only",
                remedy=f"add {_flag(own)}, or leave it out",
            )
    given = [each for each in _WITHOUT.get(way or "", ()) if getattr(args, each) is not None]
    unused = [each for each in given if getattr(args, each) is not False]  # 0 was given, too
    if unused:
        raise ModelError(
            f"{_flag(str(way))} has no use for {', '.join(map(_flag, unused))}",
            remedy="leave it out" if len(unused) == 1 else "leave them out",
        )
    for option, value in _DEFAULTS.items():
        if getattr(args, option) is None:
            setattr(args, option, value)
    return way


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"
