"""Side by side: progress adds up, and a process that dies takes no name with it."""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from mavfer.part import PartReport, SourceFile
from mavfer.part_pool import BuildProgress, report_of


def test_sources_not_opened_yet_count_like_the_others() -> None:
    shown: list[tuple[int, int]] = []
    progress = BuildProgress(4, lambda done, total: shown.append((done, total)))
    progress.set(0, 10, 200)
    progress.set(1, 50, 100)
    progress.set(0, 200, 200)
    assert shown == [(5, 400), (30, 300), (125, 300)]


def test_a_dead_worker_is_reported_for_its_source() -> None:
    future: Future[PartReport] = Future()
    future.set_exception(BrokenProcessPool("killed"))
    report = report_of(future, SourceFile(Path("sessions/S01")))
    assert report.path == Path("sessions/S01")
    assert "worker process died" in str(report.error)
