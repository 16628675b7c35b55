"""``report.html`` of the demonstration: one page that shows what the toolkit did."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.labels import load_labels
from annotation.raters_csv import load_traces
from annotation.simulated_raters import DEFAULT_LAG_S as _LAG_S
from capture.files import write_text_atomic
from capture.report_page import Page
from capture.session import Session, open_session

from .report_figures import contact_sheet, label_figure, synchronisation_figure
from .stages import StageResult
from .truth_scores import truth_scores

_LEAD = (
    "One sitting from the trigger that starts three sensors to a trained network: record, "
    "calibrate, annotate, build, train, report."
)
_SIMULATED = (
    "All data on this page are simulated: virtual subjects before a virtual Kinect v2 and FLIR "
    "A65, and simulated raters. The processes, sockets, files and commands are the ones a "
    "laboratory uses with real sensors. Scores tell that the chain works; they say nothing about "
    "recognising the emotion of people."
)
_RATER_SCALE = 10.0


def write_report(folder: Path, stages: Mapping[str, StageResult]) -> Path:
    """Draw the pictures that no command drew, compose the page and write it; return its path."""
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    page = Page("mavfer: from trigger to trained network", _LEAD)
    page.paragraph(_SIMULATED, note=True)
    subjects = stages["subjects"].result
    sessions = [open_session(Path(facts["path"])) for facts in subjects.values()]
    board = open_session(Path(stages["board"].result["path"]))
    _sensors(page, stages, sessions, pictures)
    _synchronisation(page, [board, *sessions], pictures)
    _calibration(page, stages, folder)
    _labels(page, stages, sessions, folder, pictures)
    _crops(page, stages, folder)
    _cohort(page, stages, folder)
    _training(page, stages, folder)
    _evaluation(page, stages, folder)
    _stage_times(page, stages)
    path = folder / "report.html"
    write_text_atomic(path, page.render(), overwrite=True)
    return path


def _sensors(
    page: Page, stages: Mapping[str, StageResult], sessions: list[Session], pictures: Path
) -> None:
    page.section(
        "What the sensors saw",
        "Two daemons, one for the Kinect and one for the thermal camera, each in a process of its "
        "own, armed and triggered by the controller; every frame was written where it was born.",
    )
    sheet = pictures / "sensors.jpg"
    contact_sheet(sessions, sheet)
    page.picture(
        sheet,
        "One moment of each recorded session: color, depth (0.5 to 1.5 m, black where invalid), "
        "infrared, thermal (22 to 37 °C). Infrared, depth and thermal do not mind the dark.",
    )
    page.commands([*stages["board"].commands, *stages["subjects"].commands])


def _synchronisation(page: Page, sessions: list[Session], pictures: Path) -> None:
    page.section(
        "One clock",
        "Every frame carries its capture time on the controller's clock, with an uncertainty: "
        "device clock to host clock by the earliest arrivals, host clock to controller by "
        "four-timestamp probes. Cameras run freely; frames are paired by capture time.",
    )
    rows = []
    for session in sessions:
        for name, recording in session.manifest.recordings.items():
            for stream_name, stream in recording.streams.items():
                seen = session.streams[stream_name]
                nominal_hz = seen.spec.nominal_rate_hz
                rows.append(
                    [
                        session.manifest.subject,
                        name,
                        stream_name,
                        stream.n_frames,
                        stream.n_dropped_sensor,
                        stream.n_dropped_recorder,
                        f"{stream.measured_rate_hz or 0:.2f} / {nominal_hz:g}",
                        _milli(stream.uncertainty_ns, 1e6),
                        _milli(recording.clock.min_rtt_ns if recording.clock else None, 1e6),
                    ]
                )
    page.table(
        [
            "session",
            "daemon",
            "stream",
            "frames",
            "dropped by sensor",
            "by recorder",
            "rate / nominal, Hz",
            "capture time ±, ms",
            "fastest probe, ms",
        ],
        rows,
    )
    figure = pictures / "synchronisation.png"
    shown = next(s for s in sessions if s.manifest.kind == "subject")
    synchronisation_figure(shown, figure)
    page.picture(
        figure,
        f"Session {shown.id}: distance in time from every color frame to the nearest frame "
        "of each other stream. Depth and infrared share an exposure; thermal runs at 10 fps, free.",
    )


def _calibration(page: Page, stages: Mapping[str, StageResult], folder: Path) -> None:
    result = stages["calibrate"].result
    page.section(
        "Calibration",
        "Intrinsics of three cameras, transforms to the color camera, the shift between infrared "
        "and depth, and the window of the color image that depth covers. The held-out error says "
        "how well views that were left out of the solution are predicted from one camera to color.",
    )
    page.table(
        ["camera", "views", "reprojection, px rms", "worst corner, px", "fx", "fy", "cx", "cy"],
        [
            [name, c["n_views_found"], c["rms_px"], c["max_error_px"]]
            + [f"{c[key]:.1f}" for key in ("fx_px", "fy_px", "cx_px", "cy_px")]
            for name, c in result["cameras"].items()
        ],
    )
    page.table(
        ["transform", "translation, mm", "baseline, mm", "rotation, °", "held-out error, px rms"],
        [
            [
                name,
                ", ".join(f"{value:.2f}" for value in t["translation_mm"]),
                float(t["baseline_mm"]),
                float(t["angle_deg"]),
                _or_dash(result["held_out_rms_px"][f"{name.removeprefix('T_color_')}_to_color"]),
            ]
            for name, t in result["transforms"].items()
        ],
    )
    shift, window = result["depth_shift"], result["crop_window"]
    page.paragraph(
        f"Depth shift {shift['shift_mm']:.2f} ± {shift['std_error_mm']:.2f} mm. Crop window "
        f"{window['width_px']}×{window['height_px']} px at ({window['x_px']}, {window['y_px']}), "
        f"valid from {window['z_min_m']:.2f} m on."
    )
    page.picture(
        folder / "calibration" / "overlay.png",
        "Depth and thermal registered to color: edges must coincide.",
    )
    page.commands(stages["calibrate"].commands)


def _labels(
    page: Page,
    stages: Mapping[str, StageResult],
    sessions: list[Session],
    folder: Path,
    pictures: Path,
) -> None:
    result = stages["labels"].result
    page.section(
        "Labels",
        "Three simulated raters a session, each with a reaction time, a bias and a wandering "
        "error, in steps of 1 from -10 to 10; the gold label is their mean, scaled to [-1, 1].",
    )
    figure = pictures / "labels.png"
    label_figure(
        load_traces([folder / "sessions-raters.csv"]),
        load_labels(folder / "sessions-labels.csv"),
        figure,
        sessions=[session.id for session in sessions],
        scale=_RATER_SCALE,
    )
    page.picture(figure, "Every rater's trace (thin) and the gold label (black).")
    dimensions = result["agreement"]["dimensions"]
    page.table(
        ["dimension", "% positive", "RMSE of pairs", "CC", "CCC", "α", "α zero-mean"],
        [
            [name]
            + [_or_dash(d[key]) for key in ("percent_positive", "mean_rmse", "mean_cc", "mean_ccc")]
            + [_or_dash(d["teams"][0][key]) for key in ("alpha", "alpha_zero_mean")]
            for name, d in dimensions.items()
        ],
    )
    gold = load_labels(folder / "sessions-labels.csv")
    at_once, in_time = truth_scores(sessions, gold), truth_scores(sessions, gold, lag_s=_LAG_S)
    page.paragraph(
        "What no laboratory can do: the simulated subjects' feelings are known, so the gold labels "
        "can be compared with them, as they are and with the raters' mean reaction time of "
        f"{_LAG_S:g} s taken out.",
    )
    page.table(
        ["gold label against truth", "moments", "RMSE", "CC", "CCC", "CCC, lag taken out"],
        [
            [name, one["n_moments"]]
            + [_defined(one[key]) for key in ("rmse", "cc", "ccc")]
            + [_defined(in_time[name]["ccc"])]
            for name, one in at_once.items()
        ],
    )
    page.commands(stages["labels"].commands)


def _crops(page: Page, stages: Mapping[str, StageResult], folder: Path) -> None:
    result = stages["build"].result
    page.section(
        "Aligned crops of every modality",
        "Faces are found with dlib (in infrared where color is too dark), aligned by the corners "
        "of the eyes and the bridge of the nose, and cut out of color, depth and thermal through "
        "the calibration.",
    )
    page.picture(folder / "sessions-crops.png", "Aligned 96×96 crops of the recorded sessions.")
    page.table(["figure", "value"], _flat(result))
    page.commands(stages["build"].commands)


def _cohort(page: Page, stages: Mapping[str, StageResult], folder: Path) -> None:
    plan = stages["cohort"].result["subjects"]
    page.section(
        "A cohort to learn from",
        f"{plan['subjects']} virtual subjects, {plan['frames']} moments, rendered with reduced "
        "cameras as fast as possible, through the same session, calibration and build code. "
        "Training, validation and test subjects are different people.",
    )
    page.picture(folder / "cohort-crops.png", "Aligned crops of the cohort.")
    page.table(["figure", "value"], _flat(stages["cohort-build"].result["store"]))
    page.commands([*stages["cohort"].commands, *stages["cohort-build"].commands])


def _training(page: Page, stages: Mapping[str, StageResult], folder: Path) -> None:
    page.section(
        "Training",
        "MRAN learns from color with depth and thermal as guides of its attention, URAN from "
        "color alone. The preset 'small' differs from the paper where the paper's initialisation "
        "and rate would stay on a constant output at this scale; docs/how-to/train.md lists it.",
    )
    for name in ("mran", "uran"):
        page.picture(folder / "runs" / name / "curves.png", f"{name.upper()}: loss and metrics.")
    page.commands(stages["train"].commands)


def _evaluation(page: Page, stages: Mapping[str, StageResult], folder: Path) -> None:
    result = stages["evaluate"].result
    n_subjects = len(result["mran"]["outputs"]["valence"]["subjects"])
    page.section(
        "On unseen subjects",
        f"Valence of {n_subjects} virtual subject(s) that neither training nor validation saw. "
        "Every clip gets one score; clips overlap by half and the two scores of a frame are "
        "averaged, so predictions move in steps. Scores pool all test frames, with population "
        "moments.",
    )
    page.table(
        ["network", "RMSE", "CC", "CCC"],
        [
            [label, *(_or_dash(result[name]["pooled"][key]) for key in ("rmse", "cc", "ccc"))]
            for name, label in (
                ("mran", "MRAN, color + depth + thermal"),
                ("mran-shuffled", "the same MRAN, guides of another clip"),
                ("uran", "URAN, color"),
            )
        ],
    )
    page.paragraph(
        "One run each: another seed changes the order of the two networks, which is therefore no "
        "finding. Giving the trained MRAN the depth and thermal guides of another clip shows "
        "whether it uses them: where the score stays, it does not.",
        note=True,
    )
    for name in ("mran", "uran"):
        drawn = folder / "evaluation" / name
        page.picture(drawn / "traces.png", f"{name.upper()}: predicted and gold valence.")
    page.picture(
        folder / "evaluation" / "mran" / "attention.png",
        "Where MRAN looks: attention over the crops, 1 = as much as everywhere.",
    )
    page.commands(stages["evaluate"].commands)


def _stage_times(page: Page, stages: Mapping[str, StageResult]) -> None:
    page.section("How long it took", "Wall time of each stage on this machine.")
    rows = [[stage.title, f"{stage.seconds_s:.0f} s"] for stage in stages.values()]
    total_s = sum(stage.seconds_s for stage in stages.values())
    page.table(["stage", "time"], [*rows, ["together", f"{total_s:.0f} s"]])


def _defined(value: float) -> float | str:
    return value if math.isfinite(value) else "–"


def _or_dash(value: float | None) -> float | str:
    return "–" if value is None else value


def _milli(value_ns: float | None, divisor: float) -> str:
    return "–" if value_ns is None else f"{value_ns / divisor:.3g}"


def _flat(result: Mapping[str, Any]) -> list[list[object]]:
    """Rows for the plain numbers of a result; paths and nested parts stay out."""
    return [
        [key.replace("_", " "), value]
        for key, value in result.items()
        if isinstance(value, int | float)
    ]
