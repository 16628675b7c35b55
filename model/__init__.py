"""MRAN, URAN and the networks they are compared with: training, evaluation, use from Python.

``from model import MRAN`` gives the networks without the rest; torch is imported only then.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .library import MRAN, URAN

__all__ = ["MRAN", "URAN"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
