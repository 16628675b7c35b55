"""One subject whose room's light is switched again and again."""

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Literal

from ..errors import ConfigError
from .moment import Moment
from .rig import SimulatedRig
from .scene import SubjectScene


class RelitScene:
    """A subject under one light after the other; what is felt and how the head moves goes on.

    Parameters
    ----------
    rig : SimulatedRig
    lights : sequence of (time_s, light)
        When each light is switched on, from 0 on, rising.
    options : mapping
        The other arguments of `SubjectScene`.
    """

    kind: Literal["subject", "board"] = "subject"

    def __init__(
        self, rig: SimulatedRig, lights: Sequence[tuple[float, str]], **options: Any
    ) -> None:
        starts = [time_s for time_s, _ in lights]
        if not starts or starts[0] != 0 or any(b <= a for a, b in itertools.pairwise(starts)):
            raise ConfigError(
                f"lights are switched at {starts} s: expected times from 0 on that rise"
            )
        self.rig = rig
        self.stages = tuple(lights)
        self._starts_s = starts
        self._scenes = {
            light: SubjectScene(rig, light=light, **options)
            for light in dict.fromkeys(light for _, light in lights)
        }
        first = self._scenes[lights[0][1]]
        self.rate_hz, self.color_gain = first.rate_hz, first.color_gain
        self.color_rate_hz = min(scene.color_rate_hz for scene in self._scenes.values())

    def light_at(self, time_s: float) -> str:
        """Return the light at `time_s`."""
        return self.stages[bisect_right(self._starts_s, time_s) - 1][1]

    def describe(self) -> dict[str, Any]:
        """Return the parameters that determine every moment."""
        first = next(iter(self._scenes.values()))
        several = [list(stage) for stage in self.stages]
        light = self.stages[0][1] if len(self.stages) == 1 else several
        return {**first.describe(), "light": light}

    def moment(self, index: int) -> Moment:
        """Render moment `index`, at time index / rate, under the light of that time."""
        return self._scenes[self.light_at(index / self.rate_hz)].moment(index)
