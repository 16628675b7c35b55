"""Which piece of work comes when: the graph of a build, and what of it is finished.

A source is opened, its faces are found segment by segment, aligned over the whole video, its
crops cut segment by segment, and all of it stored as one part.
"""

import heapq
from collections.abc import Sequence
from pathlib import Path

from capture.terminal import OnProgress

from .jobs import JOB_KINDS, Job, JobKind, JobResult, Segments
from .work_folder import SourceFolder


class BuildGraph:
    """The jobs of all sources; those of earlier sources come first.

    Parameters
    ----------
    folders : sequence of SourceFolder
        Of the sources, in their order; what is finished in them is not done again.
    on_progress : callable, optional
        Called with rows done and rows expected; faces and crops of a row count half each, sources
        not opened yet as much as the others.

    Attributes
    ----------
    errors : dict of int to str
        Sources that failed, and why.
    cpu_s : list of dict of str to float
        CPU time of every source by kind of job, of this run.
    n_reused : int
        Segments that an earlier run had finished.
    """

    def __init__(
        self, folders: Sequence[SourceFolder], on_progress: OnProgress | None = None
    ) -> None:
        self._folders = folders
        self._on_progress = on_progress
        self._ready: list[tuple[int, int, int]] = []
        self._pending = [0] * len(folders)
        self._rows: dict[int, tuple[int, int]] = {}
        self.errors: dict[int, str] = {}
        self.cpu_s: list[dict[str, float]] = [{} for _ in folders]
        self.n_reused = 0
        self._n_to_build = sum(not folder.part.exists() for folder in folders)
        for source, folder in enumerate(folders):
            if not folder.part.exists():
                if folder.rows.exists():
                    self._opened(source)
                else:
                    self._push("open", source)

    def next_job(self) -> Job | None:
        """Take the next job that can be done now; None if there is none at the moment."""
        while self._ready:
            source, kind, segment = heapq.heappop(self._ready)
            if source not in self.errors:
                return Job(JOB_KINDS[kind], source, segment)
        return None

    def give_back(self, job: Job) -> None:
        """Return a job that was taken and not done."""
        heapq.heappush(self._ready, (job.source, JOB_KINDS.index(job.kind), job.segment))

    def finish(self, result: JobResult) -> None:
        """Take note of a job's end; what it was waited for becomes ready."""
        job, source = result.job, result.job.source
        spent = self.cpu_s[source]
        spent[job.kind] = spent.get(job.kind, 0.0) + result.cpu_s
        if result.error is not None:
            self.errors.setdefault(source, result.error)
            return
        if source in self.errors:
            return
        match job.kind:
            case "open":
                self._opened(source)
            case "align":
                self._aligned(source)
            case "faces" | "crops":
                n_rows = len(Segments.load(self._folders[source]).rows(job.segment))
                self._count(source, n_rows)
                self._pending[source] -= 1
                if not self._pending[source]:
                    self._push("align" if job.kind == "faces" else "store", source)
            case "store":
                pass

    def _opened(self, source: int) -> None:
        folder = self._folders[source]
        segments = Segments.load(folder)
        self._rows[source] = (0, 2 * segments.n_rows)
        if folder.alignment.exists():
            self.n_reused += len(segments)
            self._count(source, segments.n_rows)
            self._aligned(source)
            return
        self._push_segments("faces", source, [folder.faces(k) for k in range(len(segments))])

    def _aligned(self, source: int) -> None:
        folder = self._folders[source]
        segments = Segments.load(folder)
        self._push_segments("crops", source, [folder.crops(k) for k in range(len(segments))])

    def _push_segments(self, kind: JobKind, source: int, files: list[Path]) -> None:
        segments = Segments.load(self._folders[source])
        missing = [k for k, file in enumerate(files) if not file.exists()]
        self.n_reused += len(files) - len(missing)
        self._count(source, sum(len(segments.rows(k)) for k in set(range(len(files))) - {*missing}))
        self._pending[source] = len(missing)
        for segment in missing:
            self._push(kind, source, segment)
        if not missing:
            self._push("align" if kind == "faces" else "store", source)

    def _push(self, kind: JobKind, source: int, segment: int = 0) -> None:
        heapq.heappush(self._ready, (source, JOB_KINDS.index(kind), segment))

    def _count(self, source: int, n_rows: int) -> None:
        done, total = self._rows[source]
        self._rows[source] = (done + n_rows, total)
        if self._on_progress is not None:
            known = sum(total for _, total in self._rows.values())
            expected = round(known * self._n_to_build / len(self._rows))
            self._on_progress(sum(d for d, _ in self._rows.values()) // 2, expected // 2)
