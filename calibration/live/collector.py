"""Decides when a view of the board is taken: seen, held still, and in a new place."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .sighting import Sighting

STILL_S = 0.8
"""Held still for so long, a view is taken; the calibration wants about a second."""
_RECENT_S = 2.5
"""Cameras that sent no picture for so long are left out."""
_STILL_SHARE = 0.002
"""Of the image's width: corners of a board at rest wander by less in previews."""
_NEW_SHARE = 0.02
"""Of the image's width: how far the corners must lie from those of every earlier view."""

Motion = Literal["absent", "moving", "holding", "taken", "known"]


@dataclass(frozen=True, slots=True, eq=False)
class TakenView:
    """One place of the board.

    Attributes
    ----------
    corners_px : mapping of camera name to (N, 2) float64
    """

    corners_px: Mapping[str, NDArray[np.float64]]


@dataclass(slots=True)
class _Recent:
    size_px: tuple[int, int]
    seen: deque[tuple[float, NDArray[np.float64] | None]] = field(default_factory=deque)


class ViewCollector:
    """Takes views from sightings of all cameras; use from one thread.

    Attributes
    ----------
    views : list of TakenView
    sizes_px : dict of camera name to (width, height)
        Of the cameras heard of so far.
    motion : str
        "absent": no camera sees the board whole; "moving"; "holding": at rest, not long enough
        yet; "taken": this view has just been taken; "known": at rest where it has been before.
    held_s : float
        For how long it has been at rest.
    """

    def __init__(self) -> None:
        self.views: list[TakenView] = []
        self.sizes_px: dict[str, tuple[int, int]] = {}
        self.motion: Motion = "absent"
        self.held_s = 0.0
        self._recent: dict[str, _Recent] = {}
        self._rest_since_s: float | None = None
        self._took = False

    def see(self, sighting: Sighting, now_s: float) -> bool:
        """Take in one camera's sighting; True when it completed a view."""
        recent = self._recent.setdefault(sighting.camera, _Recent(sighting.size_px))
        self.sizes_px[sighting.camera] = sighting.size_px
        recent.seen.append((now_s, sighting.corners_px))
        for other in self._recent.values():
            while other.seen and now_s - other.seen[0][0] > _RECENT_S:
                other.seen.popleft()
        return self._judge(now_s)

    def corners_px(self, camera: str) -> NDArray[np.float64] | None:
        """Return where a camera sees the board now, (N, 2), or None."""
        recent = self._recent.get(camera)
        return recent.seen[-1][1] if recent and recent.seen else None

    def _judge(self, now_s: float) -> bool:
        now = {name: px for name in self._recent if (px := self.corners_px(name)) is not None}
        if not now:
            self.motion, self._rest_since_s, self._took, self.held_s = "absent", None, False, 0.0
            return False
        since_s = [self._at_rest_since_s(name, px) for name, px in now.items()]
        rest_s = now_s - max(since_s)
        # one camera alone sees slow motion across its depth last: all must be at rest
        if any(self._moves(name) for name in now):
            self.motion, self._took, self.held_s = "moving", False, 0.0
            return False
        self.held_s = rest_s
        if rest_s < STILL_S:
            self.motion = "taken" if self._took else "holding"
            return False
        if self._took:
            self.motion = "taken"
            return self._complete(now)
        view = TakenView(now)
        if not all(self._differs(view, earlier) for earlier in self.views):
            self.motion = "known"
            return False
        self.views.append(view)
        self.motion, self._took = "taken", True
        return True

    def _complete(self, now: Mapping[str, NDArray[np.float64]]) -> bool:
        """Let cameras whose pictures came later join the view that was just taken."""
        taken = self.views[-1].corners_px
        if set(now) <= set(taken):
            return False
        self.views[-1] = TakenView({**now, **taken})
        return True

    def _at_rest_since_s(self, camera: str, corners_px: NDArray[np.float64]) -> float:
        """Return the time of the first of the pictures, up to now, that agree with the last."""
        limit_px = _STILL_SHARE * self._recent[camera].size_px[0]
        since_s = self._recent[camera].seen[-1][0]
        for at_s, earlier_px in reversed(self._recent[camera].seen):
            if earlier_px is None or _shift_px(earlier_px, corners_px) > limit_px:
                break
            since_s = at_s
        return since_s

    def _moves(self, camera: str) -> bool:
        """Say whether the last two pictures that show the board differ."""
        found = [px for _, px in self._recent[camera].seen if px is not None][-2:]
        limit_px = _STILL_SHARE * self._recent[camera].size_px[0]
        return len(found) == 2 and _shift_px(found[0], found[1]) > limit_px

    def _differs(self, view: TakenView, earlier: TakenView) -> bool:
        shares = [
            _shift_px(px, earlier.corners_px[name]) / self._recent[name].size_px[0]
            for name, px in view.corners_px.items()
            if name in earlier.corners_px
        ]
        return not shares or max(shares) > _NEW_SHARE


def _shift_px(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Largest corner distance; the board looks the same upside down."""
    either = (first, first[::-1])
    return min(float(np.linalg.norm(px - second, axis=1).max()) for px in either)
