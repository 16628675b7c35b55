"""Side by side: progress adds up, and a process that dies takes no name with it."""

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from mavfer.part import BuildPlan, PartReport, SourceFile
from mavfer.part_pool import BuildProgress, build_in_processes, report_of
from mavfer.splits import SplitPlan
from mavfer.store_writer import StoreLayout


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


def test_an_interruption_ends_the_sources_that_wait(laboratory, face_calibration, tmp_path) -> None:
    sources = [SourceFile(laboratory.sessions[0])] * 12
    parts = [tmp_path / f"{index}.h5" for index in range(len(sources))]
    plan = BuildPlan(
        layout=StoreLayout(modalities=("color",), rate_hz=4.0),
        split=SplitPlan((1.0, 0.0, 0.0)),
        rig=face_calibration,
    )

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_in_processes(sources, parts, plan, 1, BuildProgress(len(sources), interrupt))
    assert not any(part.exists() for part in parts[3:])
