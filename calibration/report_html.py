"""The calibration report to look at: one HTML page with its pictures inside."""

import tempfile
from pathlib import Path
from typing import Any

from capture.files import write_text_atomic
from capture.report_page import Page
from capture.session import Session

from .figures import draw_coverage, draw_depth, draw_residuals, draw_uncertainty, draw_views
from .gates import worst
from .report import OVERLAY_NAME, report_document
from .session_calibration import SessionCalibration

PAGE_NAME = "report.html"
_VERDICTS = {
    "good": "Every figure is within its limit.",
    "fair": "Usable; some figures could be better.",
    "fail": "Do not use this calibration: at least one figure is beyond its limit.",
}


def write_report_page(
    folder: Path, result: SessionCalibration, session: Session, *, overwrite: bool = False
) -> None:
    """Write ``report.html`` into `folder`, which holds the overlay already."""
    document = report_document(result)
    provenance = document["provenance"]
    page = Page(
        "Rig calibration",
        f"Session {provenance['session']}, recorded {provenance['recorded']}, "
        f"board {provenance['board']}, {len(result.views)} still views.",
    )
    _verdict(page, result)
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(scratch)
        _pictures(page, result, session, folder, where)
    _numbers(page, document)
    _left_out(page, document)
    write_text_atomic(folder / PAGE_NAME, page.render(), overwrite=overwrite)


def _verdict(page: Page, result: SessionCalibration) -> None:
    verdict = worst(result.gates)
    page.section("Verdict")
    page.paragraph(f"{verdict.capitalize()}. {_VERDICTS[verdict]}", note=True)
    page.table(
        ("figure", "value", "", "good is", "verdict"),
        [
            (
                gate.name,
                "unknown" if gate.value is None else gate.value,
                gate.unit,
                gate.limit,
                gate.verdict if gate.verdict == "good" else gate.verdict.upper(),
            )
            for gate in result.gates
        ],
    )
    for sentence in (*result.advice, *result.rig.quality["warnings"]):
        page.paragraph(sentence[0].upper() + sentence[1:] + ".", note=True)


def _pictures(
    page: Page, result: SessionCalibration, session: Session, folder: Path, where: Path
) -> None:
    page.section("Does everything meet?")
    page.picture(
        folder / OVERLAY_NAME,
        "One view as the calibration sees it. Corners: the rings of all cameras share a centre. "
        "Depth and thermal: edges coincide with those of color.",
    )
    page.section("Where was the board?")
    draw_coverage(where / "coverage.png", result)
    page.picture(
        where / "coverage.png",
        "Corners in each tenth of each image; what no board reached is a guess. Below: tilts and "
        "distances of the board, and the errors of views that took no part in the solution.",
    )
    page.section("How sure does a point land?")
    draw_uncertainty(where / "uncertainty.png", result)
    page.picture(
        where / "uncertainty.png",
        "Predicted standard deviations, worst direction. Above: each camera alone, a common turn "
        "taken out. Below: a pixel carried into color at a metre, what a landmark is in for.",
    )
    page.section("What is left over?")
    draw_residuals(where / "residuals.png", result)
    page.picture(
        where / "residuals.png",
        "Residuals of all corners. Neighbouring arrows that agree mean that the lens model or the "
        "board's flatness is not the truth; noise has no pattern.",
    )
    page.section("Depth")
    draw_depth(where / "depth.png", result)
    page.picture(
        where / "depth.png",
        "Plane minus measured depth. Flat is good: one shift is enough. A slope over distance "
        "asks for the linear model.",
    )
    page.section("All views")
    draw_views(where / "views.jpg", result, session)
    page.picture(
        where / "views.jpg",
        "Number, reprojection error in color, and the cameras (initials) that saw the whole board; "
        "red: more than twice the usual error, grey: left out.",
    )


def _numbers(page: Page, document: dict[str, Any]) -> None:
    cameras, transforms = document["cameras"], document["transforms"]
    page.section("Numbers")
    page.table(
        ("camera", "fx", "±", "fy", "±", "cx", "±", "cy", "±", "distortion", "views"),
        [
            (
                name,
                *(
                    cell
                    for key in ("fx_px", "fy_px", "cx_px", "cy_px")
                    for cell in (f"{camera[key]:.2f}", camera["std"][key])
                ),
                " ".join(f"{value:.4f}" for value in camera["distortion"]),
                camera["n_views"],
            )
            for name, camera in cameras.items()
        ],
    )
    page.table(
        ("transform", "translation, mm", "angle, °", "baseline, mm"),
        [
            (
                name,
                " ".join(f"{value:.2f}" for value in entry["translation_mm"]),
                entry["angle_deg"],
                f"{entry['baseline_mm']:.2f}",
            )
            for name, entry in transforms.items()
        ],
    )


def _left_out(page: Page, document: dict[str, Any]) -> None:
    rejected = document["rejected"]
    page.section("Left out")
    if rejected:
        page.table(("what", "why"), list(rejected.items()))
    else:
        page.paragraph("Nothing.")
