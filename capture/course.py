"""Where a session is in its protocol, and what the operator remarked: pure bookkeeping.

Times are controller ns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .messages import MarkKind
from .protocol import Protocol, Stage

NEXT = "next"
"""What an operator types to move on to the next stage."""
DEFAULT_LABEL = "marker"
"""Label of a remark without words."""


@dataclass(frozen=True, slots=True)
class SessionMark:
    """A remark, or the beginning of a stage.

    Attributes
    ----------
    kind : {"marker", "stage"}
    label : str
    time_ns : int
    """

    kind: MarkKind
    label: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class StageProgress:
    """The present stage, for whoever watches.

    Attributes
    ----------
    name, instruction : str
    number, count : int
        First stage is 1.
    elapsed_s : float
    duration_s : float or None
        None: until the operator moves on.
    """

    name: str
    instruction: str
    number: int
    count: int
    elapsed_s: float
    duration_s: float | None


class Course:
    """Moves through the stages of a protocol, or through none.

    Stages with a duration begin where the one before was planned to end, not where somebody
    happened to look.

    Parameters
    ----------
    protocol : Protocol or None
    duration_s : float or None
        Of a session without a protocol.
    """

    def __init__(self, protocol: Protocol | None, duration_s: float | None) -> None:
        self._stages: Sequence[Stage] = protocol.stage if protocol else ()
        self._duration_s = duration_s
        self._index = 0
        self._since_ns = 0
        self._end_ns: int | None = None

    @property
    def end_ns(self) -> int | None:
        """When the session ends by plan, as far as is known now."""
        return self._end_ns

    @property
    def has_plan(self) -> bool:
        """Whether the session has an end other than the operator's."""
        return bool(self._stages) or self._duration_s is not None

    def begin(self, start_ns: int) -> list[SessionMark]:
        """Start at `start_ns`."""
        self._since_ns = start_ns
        if self._duration_s is not None:
            self._end_ns = start_ns + round(self._duration_s * 1e9)
        if not self._stages:
            return []
        self._plan_end()
        return [SessionMark("stage", self._stages[0].name, start_ns)]

    def resume(
        self, start_ns: int, marks: Sequence[SessionMark], now_ns: int, *, anew: bool
    ) -> list[SessionMark]:
        """Take the course up again at `now_ns`.

        Parameters
        ----------
        start_ns : int
        marks : sequence of SessionMark
            What happened so far.
        now_ns : int
        anew : bool
            Nobody has recorded meanwhile: the present stage begins anew. Otherwise time went on.
        """
        begun = [mark for mark in marks if mark.kind == "stage"]
        self.begin(start_ns)
        if not self._stages:
            return []
        if begun:
            names = [stage.name for stage in self._stages]
            self._index, self._since_ns = names.index(begun[-1].label), begun[-1].time_ns
        if anew:
            self._since_ns = now_ns
        self._plan_end()
        return [SessionMark("stage", self._stages[self._index].name, now_ns)] if anew else []

    def advance(self, now_ns: int, remarks: Sequence[str] = ()) -> list[SessionMark]:
        """Return what happened until `now_ns`: stages that began, and the operator's `remarks`."""
        marks = self._finished_stages(now_ns)
        for remark in remarks:
            label = remark.strip()
            if label == NEXT and self._stages:
                marks += self._move_on(now_ns)
            else:
                marks.append(SessionMark("marker", label or DEFAULT_LABEL, now_ns))
        return marks

    def progress(self, now_ns: int) -> StageProgress | None:
        """Describe the present stage; None without a protocol."""
        if self._index >= len(self._stages):
            return None
        stage = self._stages[self._index]
        return StageProgress(
            name=stage.name,
            instruction=stage.instruction,
            number=self._index + 1,
            count=len(self._stages),
            elapsed_s=max(0, now_ns - self._since_ns) * 1e-9,
            duration_s=stage.duration_s,
        )

    def _finished_stages(self, now_ns: int) -> list[SessionMark]:
        marks: list[SessionMark] = []
        while self._index < len(self._stages):
            duration_s = self._stages[self._index].duration_s
            if duration_s is None or now_ns < (until_ns := self._until_ns(duration_s)):
                break
            if self._index + 1 == len(self._stages):
                break  # the session ends then; `end_ns` says so
            marks += self._move_on(until_ns)
        return marks

    def _until_ns(self, duration_s: float) -> int:
        return self._since_ns + round(duration_s * 1e9)

    def _move_on(self, at_ns: int) -> list[SessionMark]:
        self._index += 1
        if self._index >= len(self._stages):
            self._index = len(self._stages) - 1
            self._end_ns = at_ns
            return []
        self._since_ns = at_ns
        self._plan_end()
        return [SessionMark("stage", self._stages[self._index].name, at_ns)]

    def _plan_end(self) -> None:
        """Know the end when all that is left has a duration."""
        left_s = [stage.duration_s for stage in self._stages[self._index :]]
        known_s = [duration_s for duration_s in left_s if duration_s is not None]
        complete = len(known_s) == len(left_s)
        self._end_ns = self._until_ns(sum(known_s)) if complete else None
