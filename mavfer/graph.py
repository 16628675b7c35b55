"""Which piece of work comes when: the graph of a build, and what of it is finished.

A source is opened, people are described in some of its images, its faces found segment by
segment; crops of a segment are cut as soon as the faces round it are found, and all of it is
stored as one part.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from capture.terminal import OnProgress

from .division import Division
from .errors import DatasetError
from .jobs import JOB_KINDS, Job, JobKind, JobResult
from .part import is_stored
from .work_folder import SourceFolder, is_whole


@dataclass(slots=True, eq=False)
class _Opened:
    """What is left to do of a source whose division is known.

    Attributes
    ----------
    division : Division
    people, faces, crops : set of int
        Segments that are not finished.
    held : list of int
        Segments of crops that wait for faces.
    done_half_rows, n_half_rows : int
        Faces and crops of a row count one each.
    """

    division: Division
    people: set[int]
    faces: set[int]
    crops: set[int]
    held: list[int]
    done_half_rows: int

    @property
    def n_half_rows(self) -> int:
        return 2 * self.division.n_rows


class BuildGraph:
    """The jobs of all sources; those of earlier sources come first.

    Parameters
    ----------
    folders : sequence of SourceFolder
        Of the sources, in their order; what is finished in them, and whole, is not done again.
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
        self._open: dict[int, _Opened] = {}
        self.errors: dict[int, str] = {}
        self.cpu_s: list[dict[str, float]] = [{} for _ in folders]
        self.n_reused = 0
        to_build = [source for source, folder in enumerate(folders) if not is_stored(folder)]
        self._n_to_build = len(to_build)
        for source in to_build:
            try:
                self._opened(source)
            except DatasetError:
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
        if job.kind == "open":
            self._opened(source)
        elif job.kind != "store":
            self._advance(source, job.kind, job.segment)

    def _opened(self, source: int) -> None:
        folder = self._folders[source]
        division = Division.load(folder)
        people = _missing(folder.people(k) for k in range(division.n_samples))
        faces = _missing(folder.faces(k) for k in range(len(division.faces)))
        crops = _missing(folder.crops(k) for k in range(len(division.crops)))
        done = [
            *(division.faces.rows(k) for k in range(len(division.faces)) if k not in faces),
            *(division.crops.rows(k) for k in range(len(division.crops)) if k not in crops),
        ]
        self.n_reused += len(done)
        opened = _Opened(division, people, faces, crops, sorted(crops), sum(map(len, done)))
        self._open[source] = opened
        if people and faces and crops:
            self._push_all("people", people, source)
        elif faces and crops:
            self._push_all("faces", faces, source)
        self._release(source)
        self._tell_progress()

    def _advance(self, source: int, kind: JobKind, segment: int) -> None:
        """Take note of a finished segment."""
        opened = self._open[source]
        match kind:
            case "people":
                opened.people.discard(segment)
                if not opened.people:
                    self._push_all("faces", opened.faces, source)
                return
            case "faces":
                opened.faces.discard(segment)
                opened.done_half_rows += len(opened.division.faces.rows(segment))
            case _:
                opened.crops.discard(segment)
                opened.done_half_rows += len(opened.division.crops.rows(segment))
        self._release(source)
        self._tell_progress()

    def _release(self, source: int) -> None:
        """Make ready what waited for nothing else: crops whose faces are found, then the part."""
        opened = self._open[source]
        ready = [k for k in opened.held if opened.faces.isdisjoint(opened.division.faces_needed(k))]
        self._push_all("crops", ready, source)
        opened.held = [k for k in opened.held if k not in {*ready}]
        if not opened.crops:
            self._push("store", source)

    def _push_all(self, kind: JobKind, segments: Iterable[int], source: int) -> None:
        for segment in segments:
            self._push(kind, source, segment)

    def _push(self, kind: JobKind, source: int, segment: int = 0) -> None:
        heapq.heappush(self._ready, (source, JOB_KINDS.index(kind), segment))

    def _tell_progress(self) -> None:
        if self._on_progress is not None:
            opened = self._open.values()
            known = sum(o.n_half_rows for o in opened)
            expected = round(known * self._n_to_build / len(opened))
            self._on_progress(sum(o.done_half_rows for o in opened) // 2, expected // 2)


def _missing(files: Iterable[Path]) -> set[int]:
    return {number for number, file in enumerate(files) if not is_whole(file)}
