"""Builds that are killed: nothing finished is done again, nothing torn is left, nothing differs."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import h5py
import numpy as np
import pytest

from mavfer.build import SourcesFailedError, build_store
from mavfer.errors import DatasetError
from mavfer.part import BuildPlan, SourceFile
from mavfer.source_identity import source_identity
from mavfer.splits import SplitPlan
from mavfer.store import open_store
from mavfer.store_writer import StoreLayout
from mavfer.work_folder import load_arrays, work_folder

EVERYTHING_TRAINS = SplitPlan((1.0, 0.0, 0.0))
SEGMENT_ROWS = 5
N_SEGMENTS = 3 * 2 * 4  # sessions, faces and crops, pieces of 18 rows
DEADLINE_S = 120.0


@pytest.fixture(scope="module")
def plan(face_calibration) -> BuildPlan:
    return BuildPlan(
        StoreLayout(crop_px=32), EVERYTHING_TRAINS, rig=face_calibration, segment_rows=SEGMENT_ROWS
    )


@pytest.fixture(scope="module")
def files(laboratory) -> list[SourceFile]:
    return [SourceFile(path) for path in laboratory.sessions]


@pytest.fixture(scope="module")
def undisturbed(files, plan, tmp_path_factory) -> Path:
    """The store that one process makes in one go; leaves kernels compiled and models loaded."""
    path = tmp_path_factory.mktemp("undisturbed") / "store.h5"
    report = build_store(path, files, plan)
    assert report.n_reused == 0
    assert not list(path.parent.glob(".*"))
    return path


def contents(path: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(note)
    return found


def assert_equal_stores(one: Path, other: Path) -> None:
    expected, found = contents(one), contents(other)
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert open_store(one).fingerprint == open_store(other).fingerprint


def finished(work: Path) -> dict[Path, tuple[int, int]]:
    """Finished files with what changes when one is written again."""
    stats = {}
    for path in (*work.glob("*/*.npz"), *work.glob("*/part.h5")):
        try:
            stats[path] = (path.stat().st_ino, path.stat().st_mtime_ns)
        except FileNotFoundError:
            continue  # crops go when their video is stored
    return stats


def wait_until(condition, process_alive) -> None:
    end_s = time.monotonic() + DEADLINE_S
    while not condition() and process_alive():
        assert time.monotonic() < end_s, "the build makes no progress"
        time.sleep(0.002)


def build_and_be_killed(
    path: Path, files: Sequence[SourceFile], plan: BuildPlan, *, after: int, delay_s: float
) -> None:
    """Kill a build a moment after `after` more of its files are finished."""
    work = path.with_name(f".{path.name}.parts")
    before = finished(work)
    process = multiprocessing.get_context("fork").Process(
        target=build_store, args=(path, files, plan)
    )
    process.start()
    wait_until(lambda: len(finished(work).keys() - before) >= after, process.is_alive)
    time.sleep(delay_s)
    process.kill()
    process.join()
    left = finished(work)
    for file, stamp in before.items():
        # A finished video's crops are gone; everything else is there as it was.
        assert left.get(file, stamp) == stamp, f"{file} was made again"
        if file not in left and work.exists():
            assert (file.parent / "part.h5").exists()
    for file in left:
        if file.suffix == ".npz":
            load_arrays(file)  # every byte is checked
        else:
            h5py.File(file).close()


def test_killed_ten_times_a_build_ends_as_if_nothing_had_been(
    undisturbed, files, plan, tmp_path
) -> None:
    path, rng = tmp_path / "store.h5", random.Random(7)
    kills = 0
    while not path.exists():
        build_and_be_killed(
            path, files, plan, after=rng.randint(1, 4), delay_s=rng.choice([0, 0.002, 0.01, 0.03])
        )
        if not path.exists():
            kills += 1
        if kills == 10:
            break
    assert kills == 10, "the build ended before it was killed ten times"
    report = build_store(path, files, plan)
    assert 0 < report.n_reused <= N_SEGMENTS
    assert_equal_stores(undisturbed, path)
    assert [p.name for p in tmp_path.iterdir()] == ["store.h5"]


def test_killed_while_the_parts_are_put_together_no_half_store_is_left(
    undisturbed, files, plan, tmp_path
) -> None:
    path = tmp_path / "store.h5"
    work = path.with_name(f".{path.name}.parts")
    process = multiprocessing.get_context("fork").Process(
        target=build_store, args=(path, files, plan)
    )
    process.start()
    wait_until(lambda: any(tmp_path.glob(".store.h5.*.partial")), process.is_alive)
    process.kill()
    process.join()
    if not path.exists():  # else the rename was faster than the kill
        assert len(list(work.glob("*/part.h5"))) == len(files)
        report = build_store(path, files, plan)
        assert report.stage_cpu_s == dict.fromkeys(report.stage_cpu_s, 0.0)
    assert_equal_stores(undisturbed, path)
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".parts"] == ["store.h5"]


def test_the_command_is_killed_with_its_workers_and_goes_on(
    undisturbed, files, laboratory, tmp_path
) -> None:
    path = tmp_path / "store.h5"
    work = path.with_name(f".{path.name}.parts")
    command = [
        *(sys.executable, "-m", "mavfer.build_cli", *map(str, laboratory.sessions)),
        *("--calibration", str(laboratory.calibration), "--split", "none", "--crop-px", "32"),
        *("--segment-rows", str(SEGMENT_ROWS), "--workers", "2", "-o", str(path), "--quiet"),
    ]
    process = subprocess.Popen(command, start_new_session=True)
    wait_until(lambda: len(list(work.glob("*/faces-*.npz"))) >= 2, lambda: process.poll() is None)
    workers = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and parent_of(int(entry.name)) == process.pid
    ]
    process.kill()
    process.wait()
    before = finished(work)
    end_s = time.monotonic() + DEADLINE_S
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < end_s, "workers outlive their command"
        time.sleep(0.01)
    assert not path.exists()
    assert subprocess.run(command, check=False).returncode == 0
    assert before
    with h5py.File(path) as one, h5py.File(undisturbed) as other:
        assert one.attrs["fingerprint"] == other.attrs["fingerprint"]
    assert_equal_stores(undisturbed, path)


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return -1


def test_a_worker_killed_by_the_system_is_replaced(undisturbed, files, plan, tmp_path) -> None:
    path = tmp_path / "store.h5"
    killed: list[int] = []

    def kill_a_worker(_done: int, _total: int) -> None:
        for child in multiprocessing.active_children() if not killed else []:
            os.kill(child.pid, signal.SIGKILL)
            killed.append(child.pid)
            return

    build_store(path, files, plan, workers=2, on_progress=kill_a_worker)
    assert killed
    assert_equal_stores(undisturbed, path)


def test_ctrl_c_keeps_what_is_finished(undisturbed, files, plan, tmp_path) -> None:
    path = tmp_path / "store.h5"

    def interrupt(done: int, _total: int) -> None:
        if done > 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_store(path, files, plan, workers=2, on_progress=interrupt)
    assert not path.exists()
    report = build_store(path, files, plan)
    assert report.n_reused >= 2
    assert_equal_stores(undisturbed, path)


def test_another_plan_begins_anew_and_another_build_is_kept_out(files, plan, tmp_path) -> None:
    path = tmp_path / "store.h5"
    broken = SourceFile(tmp_path / "no-session")
    with pytest.raises(SourcesFailedError, match="is kept beside the output"):
        build_store(path, [files[0], broken], plan)
    other = BuildPlan(
        StoreLayout(crop_px=40), EVERYTHING_TRAINS, rig=plan.rig, segment_rows=SEGMENT_ROWS
    )
    with work_folder(path), pytest.raises(DatasetError, match="another process is building"):
        build_store(path, [files[0]], plan)
    assert build_store(path, [files[0]], other).n_reused == 0
    path.unlink()
    with pytest.raises(SourcesFailedError):
        build_store(path, [files[0], broken], plan)
    # The good one is stored as a part already: nothing of it is left to do.
    again = build_store(path, [files[0], broken], plan, skip_bad=True)
    assert again.parts[0].cpu_s == 0
    assert again.parts[1].error is not None


@pytest.fixture(scope="module")
def left_behind(files, plan, tmp_path_factory) -> Path:
    """The output of a build that failed by another source: one is finished beside it."""
    path = tmp_path_factory.mktemp("left") / "store.h5"
    with pytest.raises(SourcesFailedError):
        build_store(path, [files[0], SourceFile(path.parent / "no-session")], plan)
    return path


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("report.json", "cut off"),
        ("report.json", "garbage"),
        ("part.h5", "cut off"),
        ("part.h5", "garbage"),
        ("division.npz", "empty"),
        ("division.npz", "cut off"),
        ("faces-00001.npz", "cut off"),
    ],
)
def test_damaged_work_is_done_again(
    left_behind, files, plan, tmp_path, name: str, damage: str
) -> None:
    path = tmp_path / "store.h5"
    (work,) = left_behind.parent.glob(".*.parts")
    shutil.copytree(work, tmp_path / work.name)
    (part,) = tmp_path.glob("*/*/part.h5")
    damaged = part.with_name(name)
    whole = damaged.read_bytes()
    if name.endswith(".npz"):
        part.unlink()
    damaged.write_bytes({"empty": b"", "cut off": whole[:-9], "garbage": b"\xff" * 999}[damage])
    report = build_store(path, files[:1], plan)
    assert report.parts[0].n_frames == 18
    with h5py.File(path) as store:
        made_of = store["videos"][files[0].id].attrs["content_sha256"]
    with h5py.File(next(work.glob("*/part.h5"))) as undamaged:
        assert made_of == undamaged["video"].attrs["content_sha256"]
    assert [p.name for p in tmp_path.iterdir()] == ["store.h5"]


def test_work_damaged_in_the_middle_is_one_error_then_done_again(
    left_behind, files, plan, tmp_path
) -> None:
    (work,) = left_behind.parent.glob(".*.parts")
    shutil.copytree(work, tmp_path / work.name)
    (part,) = tmp_path.glob("*/*/part.h5")
    part.unlink()
    faces = part.with_name("faces-00001.npz")
    content = bytearray(faces.read_bytes())
    content[len(content) // 2] ^= 1
    faces.write_bytes(content)
    path = tmp_path / "store.h5"
    with pytest.raises(
        SourcesFailedError, match=r"faces-00001\.npz (was damaged|is missing).*anew"
    ):
        build_store(path, files[:1], plan)
    assert build_store(path, files[:1], plan).parts[0].n_frames == 18


def test_work_finished_before_a_consent_ended_is_not_used_after(laboratory, plan, tmp_path) -> None:
    session = tmp_path / laboratory.sessions[0].name
    shutil.copytree(laboratory.sessions[0], session)
    manifest = json.loads((session / "session.json").read_text())
    manifest["consent"]["until"] = "2030-01-01"
    (session / "session.json").write_text(json.dumps(manifest))
    before, last, after = (
        source_identity(SourceFile(session), plan, today=day)
        for day in (date(2029, 6, 1), date(2030, 1, 1), date(2030, 1, 2))
    )
    assert before == last
    assert after != last
