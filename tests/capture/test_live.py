import os
import sys
from contextlib import suppress
from dataclasses import replace

import pytest

import capture.live
from capture.live import StatusLine, status_lines
from capture.messages import Status, StreamStatus
from capture.snapshot import Snapshot

STATUSES = {
    "a65": Status(
        name="a65",
        state="recording",
        streams={"thermal": StreamStatus(stalled=True)},
        warnings=("thermal: nothing arrives any more; check cable and power",),
    )
}
RECORDING = Snapshot("recording", elapsed_s=3.0, statuses=STATUSES)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_is_redrawn_in_place_and_a_log_is_not(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(capture.live, "_INTERACTIVE_INTERVAL_S", 0.0)
    monkeypatch.setattr(capture.live, "_PLAIN_INTERVAL_S", 0.0)
    with StatusLine() as line:
        line.show(RECORDING)
        first = capsys.readouterr().err
        line.show(RECORDING)
        second = capsys.readouterr().err
    assert "SILENT" in first
    assert "WARNING a65" in first
    assert first.count("\n") == 3
    assert "\033" not in first
    assert second == ("\033[F\033[K" * 3 if terminal else "") + first


def test_a_log_is_told_rarely(capsys: pytest.CaptureFixture[str]) -> None:
    with StatusLine() as line:
        for _ in range(3):
            line.show(RECORDING)
    assert capsys.readouterr().err.count("SILENT") == 1


def test_a_terminal_that_is_gone_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = os.pipe()
    os.close(there)
    gone = os.fdopen(here, "w")
    monkeypatch.setattr("sys.stderr", gone)
    try:
        with StatusLine() as line:
            for phase in ("arming", "armed", "recording"):
                line.show(replace(RECORDING, phase=phase))
    finally:
        with suppress(BrokenPipeError):
            gone.close()


def test_what_the_controller_sees_is_shown_too() -> None:
    lines = status_lines(replace(RECORDING, warnings=("kinect2: silent for 5 s",)))
    assert lines[-1] == "  WARNING kinect2: silent for 5 s"
