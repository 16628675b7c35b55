"""What a virtual subject feels: valence and arousal as functions of time."""

from dataclasses import dataclass
from typing import Literal

from .counter import between

_DWELL_S = 4.5
_BOUNDARY_JITTER_S = 0.75
_TRANSITION_S = 1.0
_LEVEL = 0.9
_STREAM = {"valence": 1, "arousal": 2}


def smoothstep(x: float) -> float:
    """Rise smoothly from 0 at x <= 0 to 1 at x >= 1."""
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


@dataclass(frozen=True, slots=True)
class AffectTrace:
    """Held levels in U(-0.9, 0.9), 3 to 6 s long, joined by smooth transitions of 1 s.

    Valence and arousal are independent. Any time can be asked for directly: nothing is
    accumulated, so frames may be made in any order.

    Attributes
    ----------
    seed : int
    period_s : float or None
        Repeat without a seam after this time; None never repeats.
    """

    seed: int
    period_s: float | None = None

    def at(self, time_s: float) -> tuple[float, float]:
        """Return (valence, arousal) at `time_s`."""
        return self._dimension("valence", time_s), self._dimension("arousal", time_s)

    def _dimension(self, name: Literal["valence", "arousal"], time_s: float) -> float:
        stream = _STREAM[name]
        n_levels, dwell_s = 0, _DWELL_S
        if self.period_s is not None:
            n_levels = max(2, round(self.period_s / _DWELL_S))
            dwell_s = self.period_s / n_levels
            time_s %= self.period_s
        jitter_s = _BOUNDARY_JITTER_S * min(dwell_s / _DWELL_S, 1.0)

        def key(k: int) -> int:
            return k % n_levels if n_levels else k

        def level(k: int) -> float:
            return between(-_LEVEL, _LEVEL, self.seed, stream, key(k))

        def boundary_s(k: int) -> float:
            return k * dwell_s + between(-jitter_s, jitter_s, self.seed, stream + 10, key(k))

        nearest = round(time_s / dwell_s)
        width_s = min(_TRANSITION_S, dwell_s / 2)
        rise = smoothstep((time_s - boundary_s(nearest)) / width_s + 0.5)
        return level(nearest - 1) * (1 - rise) + level(nearest) * rise
