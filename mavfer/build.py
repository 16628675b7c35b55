"""Building a clip store: every source to a part, then all parts to one file."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from capture.files import check_output
from capture.terminal import OnProgress

from .build_checks import check_sources, known_subjects, require_labels, unlabelled
from .errors import DatasetError
from .executors import WorkerLostError, open_executor
from .graph import BuildGraph
from .jobs import JOB_KINDS, Job, JobCall, JobResult
from .labelling import Labelling
from .part import BuildPlan, PartReport, SourceFile, load_report
from .source_identity import source_identity
from .splits import assign_left
from .store_assembly import assemble_store
from .work_folder import SourceFolder, remove_work, source_folder, work_folder

_MOST_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did.

    Attributes
    ----------
    parts : tuple of PartReport
        In the order of the sources.
    stage_cpu_s : mapping of str to float
        CPU seconds by kind of job, of this run.
    n_reused : int
        Segments that an earlier, interrupted run had finished.
    """

    parts: tuple[PartReport, ...]
    stage_cpu_s: Mapping[str, float]
    n_reused: int


class SourcesFailedError(DatasetError):
    """Some sources could not be built.

    Attributes
    ----------
    reports : tuple of PartReport
        Of all sources, good and bad.
    """

    def __init__(self, reports: Sequence[PartReport]) -> None:
        failed = [report for report in reports if report.error]
        names = "".join(f"\n  {report.path}: {report.error}" for report in failed)
        super().__init__(
            f"{len(failed)} of {len(reports)} sources failed, no store was written:{names}\n",
            remedy="mend or leave them out, or store the others with --skip-bad; what was "
            "finished is kept beside the output and not done again",
        )
        self.reports = tuple(reports)


def build_store(
    path: Path,
    sources: Sequence[SourceFile],
    plan: BuildPlan,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    skip_bad: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> BuildReport:
    """Build the store at `path` from all `sources`, or go on with an interrupted build of it.

    What the workers finish is kept in a hidden folder beside `path` until the store is written;
    this process alone writes the store.

    Parameters
    ----------
    workers : int
        Processes; 1 works in this one.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers take the place of `workers`; they must see
        `sources` and the folder of `path` under the same names.
    skip_bad : bool
        Store what worked although some sources failed.
    on_progress : callable, optional
        Called with rows done and rows expected.

    Raises
    ------
    SourcesFailedError
        A source failed and `skip_bad` is false, or all did.
    DatasetError
        Too few subjects for the splits, two sources of one id, labels about no moment of any
        source, or no scheduler.
    OutputExistsError
        `path` exists and `overwrite` is false; checked before any work.
    """
    check_output(path, overwrite=overwrite)
    check_sources(sources, plan)
    if not skip_bad:
        require_labels(sources, plan)
    path = path.absolute()
    with work_folder(path) as work:
        files = [replace(source, path=source.path.absolute()) for source in sources]
        today = date.today()  # noqa: DTZ011 - the subject's calendar day
        folders = [source_folder(work, source_identity(file, plan, today=today)) for file in files]
        graph = BuildGraph(folders, on_progress)
        graph.errors.update(unlabelled(sources, plan))
        _run(graph, files, folders, plan, workers=workers, scheduler=scheduler)
        reports = [
            PartReport(source.path, error=graph.errors[i], cpu_s=sum(graph.cpu_s[i].values()))
            if i in graph.errors
            else replace(load_report(folders[i], source.path), cpu_s=sum(graph.cpu_s[i].values()))
            for i, source in enumerate(sources)
        ]
        good = [i for i, report in enumerate(reports) if report.error is None]
        if not good or (len(good) < len(reports) and not skip_bad):
            raise SourcesFailedError(reports)
        left, (known, _) = {reports[i].subject for i in good}, known_subjects(sources)
        assemble_store(
            path,
            [folders[i].part for i in good],
            layout=plan.layout,
            splits=assign_left(left, known, plan.split),
            provenance={**plan.provenance, "options": _options(plan)},
            overwrite=overwrite,
        )
        remove_work(work)
    stages: dict[str, float] = {
        kind: sum(spent.get(kind, 0.0) for spent in graph.cpu_s) for kind in JOB_KINDS
    }
    return BuildReport(tuple(reports), stages, graph.n_reused)


def _run(
    graph: BuildGraph,
    files: Sequence[SourceFile],
    folders: Sequence[SourceFolder],
    plan: BuildPlan,
    *,
    workers: int,
    scheduler: str | None,
) -> None:
    """Have all jobs of the graph done."""
    key, lean = uuid.uuid4().hex, replace(plan, labelling=Labelling())
    attempts: Counter[Job] = Counter()
    running: dict[Future[JobResult], Job] = {}
    executor, warm = open_executor(workers=workers, scheduler=scheduler), False
    try:
        while True:
            while len(running) < 2 * executor.n_parallel and (job := graph.next_job()):
                file, needed = files[job.source], lean
                if job.kind == "store":
                    needed = replace(plan, labelling=plan.labelling.only(file.id))
                call = JobCall(job, file, folders[job.source], needed, key)
                running[executor.submit(call)] = job
            if not running:
                return
            if not warm:
                executor.warm_up(call, busy=len(running))
                warm = True
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                job = running.pop(future)
                try:
                    result = executor.result(future)
                except WorkerLostError as error:
                    attempts[job] += 1
                    if attempts[job] < _MOST_ATTEMPTS:
                        graph.give_back(job)
                        continue
                    result = JobResult(
                        job,
                        error=f"not built: {error} {_MOST_ATTEMPTS} times over the same rows, "
                        "perhaps out of memory; try fewer --workers",
                    )
                graph.finish(result)
    finally:
        executor.close(wait=bool(running))  # else they end while the store is put together


def _options(plan: BuildPlan) -> dict[str, Any]:
    split = asdict(plan.split)
    return {
        "layout": asdict(plan.layout),
        "tolerance_ns": plan.tolerance_ns,
        "label_lag_s": plan.labelling.lag_ns / 1e9,
        "fill_gaps_s": plan.fill_gaps_s,
        "identity": plan.identity,
        "segment_rows": plan.segment_rows,
        "split": {k: sorted(v) if isinstance(v, frozenset) else v for k, v in split.items()},
    }
