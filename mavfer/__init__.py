"""From sessions and videos to clip stores, and the commands that span the packages."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .clips import ClipRef
    from .store import ClipStore, open_store

__all__ = ["ClipRef", "ClipStore", "open_store"]


def __getattr__(name: str) -> Any:
    """Load the reader on first use: commands answer --help without h5py."""
    if name in __all__:
        from . import clips, store

        return getattr(store if hasattr(store, name) else clips, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
