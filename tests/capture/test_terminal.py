"""What every command does when things end badly: one line, a status, nothing left behind."""

import argparse
import errno
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from capture import terminal
from capture.errors import MavferError, MavferWarning
from capture.files import atomic_output

Handler = Callable[[argparse.Namespace], int]


def run(handler: Handler, **options: object) -> int:
    return terminal.run_command(handler, argparse.Namespace(verbose=False, **options))


def failing(error: BaseException) -> Handler:
    def handler(_args: argparse.Namespace) -> int:
        raise error

    return handler


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MavferError("no board", remedy="hold it still"), "no board (hold it still)"),
        (OSError(errno.ENOSPC, "No space left on device", "x.h5"), "x.h5: No space left"),
        (OSError(errno.EFBIG, "File too large"), "another disk"),
        (PermissionError(errno.EACCES, "Permission denied", "out"), "check its permissions"),
        (FileExistsError(errno.EEXIST, "File exists", "out"), "a folder is needed"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "f/out"), "a folder is needed"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "out"), "a file is needed"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), "a shorter name"),
        (OSError("no errno at all"), "no errno at all"),
        (MemoryError(), "out of memory"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(capsys, error, said) -> None:
    assert run(failing(error)) == terminal.EXIT_FAILED
    line = capsys.readouterr().err
    assert line.startswith("error: ")
    assert line.count("\n") == 1
    assert said in line


def test_a_warning_of_ours_is_one_line_and_others_say_where() -> None:
    shown: list[str] = []

    def handler(_args: argparse.Namespace) -> int:
        for category in (MavferWarning, UserWarning):
            shown.append(warnings.formatwarning("clips last 8 s", category, "data.py", 7))
        return 0

    usual = warnings.formatwarning
    assert run(handler) == 0
    assert shown[0] == "warning: clips last 8 s\n"
    assert shown[1].startswith("data.py:7: UserWarning: clips last 8 s")
    assert warnings.formatwarning is usual


def test_ctrl_c_has_a_status_of_its_own(capsys) -> None:
    assert run(failing(KeyboardInterrupt())) == terminal.EXIT_INTERRUPTED
    assert capsys.readouterr().err == "interrupted\n"


def test_sigterm_takes_half_written_outputs_away(capsys, tmp_path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def handler(_args: argparse.Namespace) -> int:
        with atomic_output(tmp_path / "store.h5") as partial:
            partial.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGTERM)
        return 0

    assert run(handler) == terminal.EXIT_TERMINATED
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == "terminated\n"
    assert signal.getsignal(signal.SIGTERM) is before


def test_names_that_are_no_text_are_refused(capsys) -> None:
    for value in (Path(os.fsdecode(b"a\xff")), [Path("good"), Path(os.fsdecode(b"\xfe"))]):
        assert run(lambda _args: 0, path=value) == terminal.EXIT_FAILED
        assert "is not UTF-8" in capsys.readouterr().err


_PROGRAM = """\
import argparse, sys
from capture import terminal
args = argparse.Namespace(verbose=False, json=False)
def handler(args):
    terminal.print_result(args, {}, ["größe ☃"] * 100_000)
    return 0
sys.exit(terminal.run_command(handler, args))
"""


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = textwrap.dedent(_PROGRAM)
    return subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, program],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_reader_that_leaves_is_no_failure() -> None:
    done = shell('{ "$0" -c "$1"; echo "status $?" >&2; } | head -1')
    assert (done.stdout, done.stderr) == ("größe ☃\n", "status 0\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_under_standard_output_is_one_line() -> None:
    done = shell('"$0" -c "$1" > /dev/full')
    assert done.returncode == terminal.EXIT_FAILED
    assert done.stderr.startswith("error: No space left on device")
    assert done.stderr.count("\n") == 1


def test_output_may_be_closed_or_know_no_umlauts() -> None:
    closed = shell('"$0" -c "$1" >&-')
    assert (closed.returncode, closed.stderr) == (0, "")
    plain = shell('"$0" -c "$1"', PYTHONIOENCODING="ascii")
    assert plain.returncode == 0
    assert plain.stdout.startswith(r"gr\xf6\xdfe \u2603")


def test_progress_ends_with_what_the_command_tells(capsys, monkeypatch) -> None:
    monkeypatch.setattr(terminal, "_PLAIN_PROGRESS_INTERVAL_S", 0.0)
    said = iter(("3 clips/s", "4 clips/s"))
    with terminal.progress("training", detail=lambda: next(said)) as on_progress:
        on_progress(1, 4)
        on_progress(2, 4)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("training   25%  1/4")
    assert lines[0].endswith("3 clips/s")
    assert lines[1].endswith("4 clips/s")
