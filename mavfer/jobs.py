"""The pieces of work that a build consists of, as they are handed to whoever does them.

Every piece is a pure function of its source and the plan, whoever runs it, in whatever order:
the rows a segment holds do not depend on the number of workers, and nothing is handed on from one
segment to the next but through the files. `job_work` does them.
"""

from dataclasses import dataclass
from typing import Literal

from .part import BuildPlan, SourceFile
from .work_folder import SourceFolder

JobKind = Literal["open", "people", "faces", "crops", "store"]
JOB_KINDS: tuple[JobKind, ...] = ("open", "people", "faces", "crops", "store")


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work.

    Attributes
    ----------
    kind : {"open", "people", "faces", "crops", "store"}
    source : int
        Number of the source in the build.
    segment : int
        Of "faces" and "crops"; the image's number of "people".
    """

    kind: JobKind
    source: int
    segment: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class JobCall:
    """A piece of work with all it takes to run it in another process or on another machine.

    Attributes
    ----------
    job : Job
    file : SourceFile
    folder : SourceFolder
        On a disk that all workers share.
    plan : BuildPlan
        Without labels where they are not needed: they may be large.
    plan_key : str
        Equal keys mean equal plans: the rig's lookup tables are costly and kept with the first.
    """

    job: Job
    file: SourceFile
    folder: SourceFolder
    plan: BuildPlan
    plan_key: str


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a piece of work has to tell.

    Attributes
    ----------
    job : Job
    cpu_s : float
    error : str or None
    """

    job: Job
    cpu_s: float = 0.0
    error: str | None = None


def run_job(call: JobCall) -> JobResult:
    """Run one piece of work; a failure becomes the result's error, so that the others go on."""
    # Whoever only hands work out needs none of the libraries that do it.
    from .job_work import run

    return run(call)


def warm_up(call: JobCall) -> JobResult:
    """Load what the work of this call's plan needs; does none of it."""
    from .job_work import warm_up

    return warm_up(call)
