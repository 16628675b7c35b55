"""What a subject does at each moment: affect becomes expression, beside motion of its own."""

from dataclasses import dataclass, field

from .affect import AffectTrace
from .confounders import Confounders, cues_at
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
    flush, warmth : float
        Redness of the cheeks and warmth around the eyes, -1..1, 0 at rest.
    """

    valence: float = 0.0
    arousal: float = 0.0
    expression: Expression = field(
        default_factory=lambda: Expression(units_from_affect(0.0, 0.0), 1.0)
    )
    pose: HeadPose = field(default_factory=HeadPose)
    breath: float = 0.0
    flush: float = 0.0
    warmth: float = 0.0


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
    confounders : Confounders or None
        What hides it; without them all of it shows.
    """

    who: Identity
    trace: AffectTrace
    motion: Motion
    confounders: Confounders | None = None

    def at(self, time_s: float) -> SubjectState:
        """Return the state at `time_s`."""
        valence, arousal = self.trace.at(time_s)
        cues = cues_at(self.trace, time_s, self.confounders)
        felt = units_from_affect(cues.valence, cues.arousal)
        shown = combine(felt, self.who.au_gain, self.who.au_rest)
        shown = with_speech(shown, self.motion.talking(time_s))
        lids = lid_from_affect(cues.valence, cues.arousal) * self.motion.blink(time_s)
        return SubjectState(
            valence=valence,
            arousal=arousal,
            expression=Expression(shown, lids, self.motion.gaze_m(time_s), cues.fullness),
            pose=self.motion.pose(time_s),
            breath=self.motion.breathing(time_s),
            flush=cues.flush,
            warmth=cues.warmth,
        )
