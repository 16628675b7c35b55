"""What the manifest says of every recording when a session has ended."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .clock import ClockProbe
from .daemon_handle import DaemonHandle
from .errors import MavferError
from .manifest import RecordingSummary, SessionStatus
from .recorder import part_name
from .recording import open_recording
from .summary import summarise_recording, summarise_report


@dataclass(frozen=True, slots=True)
class LostPart:
    """A recording that ended with its daemon, while the session went on.

    Attributes
    ----------
    summary : RecordingSummary
        As it was while recording.
    error : MavferError
    """

    summary: RecordingSummary
    error: MavferError


def stem(handle: DaemonHandle) -> str:
    """Return the key in the manifest of the file a daemon writes now."""
    return Path(part_name(handle.name, handle.part)).stem


def first_summary(handle: DaemonHandle) -> RecordingSummary:
    """Describe the file that a daemon is to write."""
    host = handle.description.host if handle.description else None
    file = part_name(handle.name, handle.part)
    return RecordingSummary(
        file=file, address=handle.entry.address, host=host, control=handle.local_control
    )


def summarise_lost(folder: Path, lost: Mapping[str, LostPart]) -> dict[str, RecordingSummary]:
    """Summarise the files whose daemons died, as far as they are here."""
    return {
        key: _read(
            folder, replace(part.summary, status="failed", error=str(part.error), control=None)
        )
        for key, part in lost.items()
    }


def summarise(
    folder: Path, handle: DaemonHandle, session: SessionStatus, probes: list[ClockProbe]
) -> RecordingSummary:
    """Summarise the file that a daemon wrote last."""
    status: SessionStatus = "interrupted" if session == "interrupted" else "complete"
    summary = replace(first_summary(handle), status=status, control=None)
    if handle.failure is not None:
        summary = replace(summary, status="failed", error=str(handle.failure))
    if (folder / summary.file).exists() or handle.status is None:
        return _read(folder, summary)
    return summarise_report(summary, handle.status.streams, probes)


def _read(folder: Path, summary: RecordingSummary) -> RecordingSummary:
    path = folder / summary.file
    if not path.exists():
        return summary
    try:
        return summarise_recording(summary, open_recording(path))
    except (MavferError, OSError) as error:
        return replace(summary, present=True, status="failed", error=str(error))
