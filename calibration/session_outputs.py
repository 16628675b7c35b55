"""From a board session to files: the calibration, its report, iai_kinect2's copies."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capture.files import OutputExistsError, all_or_none
from capture.session import Session, open_session
from capture.terminal import OnProgress

from .errors import CalibrationError
from .iai import FILES, export_iai
from .report import OVERLAY_NAME, REPORT_NAME, write_report
from .report_html import PAGE_NAME, write_report_page
from .rig import save_rig_calibration
from .session_calibration import SessionCalibration, calibrate_session


@dataclass(frozen=True, slots=True)
class Outputs:
    """What is to be written.

    Attributes
    ----------
    calibration : Path
    report, iai : Path or None
        Folders.
    overwrite : bool
    """

    calibration: Path
    report: Path | None = None
    iai: Path | None = None
    overwrite: bool = False

    @property
    def files(self) -> list[Path]:
        """Every file that will be there."""
        files = [self.calibration]
        if self.report is not None:
            files += [self.report / name for name in (PAGE_NAME, REPORT_NAME, OVERLAY_NAME)]
        if self.iai is not None:
            files += [self.iai / name for name in FILES]
        return files

    def require_free(self) -> None:
        """Raise `OutputExistsError` when a file is there that may not be replaced."""
        for path in self.files:
            if path.exists() and not self.overwrite:
                raise OutputExistsError(
                    f"{path} exists already", remedy="choose another output or pass --overwrite"
                )


def open_board_session(path: Path) -> Session:
    """Open a session that shows the board.

    Raises
    ------
    CalibrationError
        It is another kind of session.
    """
    session = open_session(path)
    if session.manifest.kind != "board":
        raise CalibrationError(
            f"{path} is a {session.manifest.kind} session, expected a board session",
            remedy="record one with mavfer-capture record --kind board",
        )
    return session


def calibrate_into(
    outputs: Outputs,
    session: Session,
    options: Mapping[str, Any],
    *,
    on_progress: OnProgress = lambda done, total: None,
) -> SessionCalibration:
    """Calibrate from a session and write all outputs, or none.

    Parameters
    ----------
    outputs : Outputs
    session : Session
    options : mapping
        Keyword arguments of `calibrate_session`.
    on_progress : callable

    Raises
    ------
    MavferError
        An output exists, or the session does not determine the rig.
    """
    outputs.require_free()
    result = calibrate_session(session, **options, on_progress=on_progress)
    overwrite = outputs.overwrite
    with all_or_none(outputs.files):
        if outputs.report is not None:
            write_report(outputs.report, result, session, overwrite=overwrite)
            write_report_page(outputs.report, result, session, overwrite=overwrite)
        if outputs.iai is not None:
            export_iai(outputs.iai, result.rig, overwrite=overwrite)
        save_rig_calibration(outputs.calibration, result.rig, overwrite=overwrite)
    return result
