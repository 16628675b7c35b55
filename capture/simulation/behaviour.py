"""What a subject does at each moment: affect becomes expression, beside motion of its own."""

from dataclasses import dataclass, field

from .affect import AffectTrace
from .expression import Expression, combine, lid_from_affect, units_from_affect, with_speech
from .identity import Identity
from .motion import HeadPose, Motion


@dataclass(frozen=True, slots=True)
class SubjectState:
    """Everything that changes about a subject from moment to moment.

    Attributes
    ----------
    valence, arousal : float
    expression : Expression
    pose : HeadPose
    breath : float
        Phase of breathing, -1..1.
    """

    valence: float = 0.0
    arousal: float = 0.0
    expression: Expression = field(
        default_factory=lambda: Expression(units_from_affect(0.0, 0.0), 1.0)
    )
    pose: HeadPose = field(default_factory=HeadPose)
    breath: float = 0.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A subject in time; a pure function.

    Attributes
    ----------
    who : Identity
    trace : AffectTrace
        What is felt.
    motion : Motion
        Head, gaze, blinks and talking, which are unrelated to it.
    """

    who: Identity
    trace: AffectTrace
    motion: Motion

    def at(self, time_s: float) -> SubjectState:
        """Return the state at `time_s`."""
        valence, arousal = self.trace.at(time_s)
        shown = combine(units_from_affect(valence, arousal), self.who.au_gain, self.who.au_rest)
        shown = with_speech(shown, self.motion.talking(time_s))
        lids = lid_from_affect(valence, arousal) * self.motion.blink(time_s)
        return SubjectState(
            valence=valence,
            arousal=arousal,
            expression=Expression(shown, lids, self.motion.gaze_m(time_s)),
            pose=self.motion.pose(time_s),
            breath=self.motion.breathing(time_s),
        )
