"""``mavfer demo``: the whole chain, driven through the console scripts as a user would."""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from capture import terminal
from capture.files import write_text_atomic

from .demo_report import write_report
from .stages import StageRunner

_BOARD_HOLD_S = 0.8
_COHORT_SPLIT = "0.7,0.1,0.2"
"""More test subjects than the default: with two or three a score is mostly who they are."""
_ANEW = "--overwrite"
"""What an interrupted stage derived is derived again; recordings are only ever added."""
_RIG_TOML = """\
schema_version = 1
name = "simulated paper rig, {scene}"

[[sensor]]
name = "kinect2"
kind = "simulated-kinect2"
address = "local"
[sensor.options]
{options}

[[sensor]]
name = "a65"
kind = "simulated-a65"
address = "local"
[sensor.options]
{options}
"""


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """How much the demonstration does.

    Attributes
    ----------
    n_board_views : int
        Poses of the board in the session recorded for calibration.
    subjects : mapping of pseudonym to (subject seed, light)
        Sessions recorded in real time at full size.
    session_s, loop_s : float
        Length of each session, and of the scene that is played over and over.
    cohort_subjects, cohort_sessions, cohort_frames, cohort_board_views : int
        Virtual subjects before reduced cameras, sessions of each (light differs), moments of a
        session at 4 Hz, and views of their board.
    train_s : float
        Time budget of the training.
    """

    n_board_views: int = 20
    subjects: Mapping[str, tuple[int, str]] = field(
        default_factory=lambda: {"S01": (3, "normal"), "S02": (11, "side"), "S03": (8, "near-dark")}
    )
    session_s: float = 8.0
    loop_s: float = 6.0
    cohort_subjects: int = 20
    cohort_sessions: int = 4
    cohort_frames: int = 48
    cohort_board_views: int = 20
    train_s: float = 160.0


FAST_PLAN = DemoPlan(
    n_board_views=12,
    subjects={"S01": (3, "normal")},
    session_s=5.0,
    loop_s=2.0,
    cohort_subjects=6,
    cohort_sessions=2,
    cohort_frames=24,
    cohort_board_views=12,
    train_s=6.0,
)


def run_demo(args: argparse.Namespace) -> int:
    """Run every stage that is not done yet and write ``report.html``; returns the exit status."""
    started_s = time.monotonic()
    out = sys.stderr if args.json else sys.stdout

    def say(line: str) -> None:
        if not args.quiet:
            out.write(f"{line}\n")
            out.flush()

    plan = FAST_PLAN if args.fast else DemoPlan()
    folder = args.output.absolute()
    say("mavfer demonstration: all subjects, sensors and raters are simulated")
    runner = StageRunner(folder, plan=_as_json(plan), say=say)
    chain = _Chain(folder, plan, runner)
    chain.run()
    report = write_report(folder, runner.stages)
    headline = _headline(runner)
    seconds_s = time.monotonic() - started_s
    result = {
        "report": str(report),
        "seconds_s": round(seconds_s, 1),
        "stages_s": {key: round(s.seconds_s, 1) for key, s in runner.stages.items()},
        **headline,
    }
    terminal.print_result(
        args,
        result,
        [
            "",
            f"report: {report}",
            "all data in it are simulated",
            f"test CCC on unseen virtual subjects: MRAN {_score(headline['ccc_mran'])} "
            f"(color, depth, thermal), URAN {_score(headline['ccc_uran'])} (color); "
            "one seed each, so their order means nothing",
            f"{seconds_s:.0f} s",
        ],
    )
    return terminal.EXIT_OK


def _as_json(plan: DemoPlan) -> dict[str, Any]:
    described = asdict(plan)
    described["subjects"] = {name: list(who) for name, who in plan.subjects.items()}
    return described


def _headline(runner: StageRunner) -> dict[str, float | None]:
    evaluation = runner.stages["evaluate"].result
    return {f"ccc_{name}": evaluation[name]["pooled"]["ccc"] for name in ("mran", "uran")}


def _score(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"


class _Chain:
    """The stages, in order; each returns what the report and the later ones need."""

    def __init__(self, folder: Path, plan: DemoPlan, runner: StageRunner) -> None:
        self._folder = folder
        self._plan = plan
        self._runner = runner
        self._run = runner.run

    def run(self) -> None:
        stage, n = self._runner.stage, len(self._plan.subjects)
        stage(
            "board",
            "Record the board in real time: three sensors, two daemons",
            self._board,
            ["sessions"],
        )
        stage(
            "calibrate",
            "Calibrate the rig from the board session",
            self._calibrate,
            ["rig.yaml", "calibration"],
        )
        stage(
            "subjects", f"Record {n} subject session(s) in real time", self._subjects, ["sessions"]
        )
        stage(
            "labels",
            "Three raters a session, fused to gold labels",
            self._labels,
            ["sessions-raters.csv", "sessions-labels.csv"],
        )
        stage(
            "build",
            "Find faces, align, crop every modality",
            self._build,
            ["sessions.h5", "sessions-crops.png"],
        )
        stage(
            "cohort",
            "Simulate a cohort as fast as it renders",
            self._cohort,
            ["cohort-board", "cohort-rig.yaml", "cohort"],
        )
        stage(
            "cohort-build",
            "Label the cohort and build its clip store",
            self._cohort_build,
            ["cohort-labels.csv", "cohort.h5", "cohort-crops.png"],
        )
        stage("train", "Train MRAN (three modalities) and URAN (color)", self._train, ["runs"])
        stage("evaluate", "Evaluate both on unseen subjects", self._evaluate, ["evaluation"])

    def _board(self) -> Mapping[str, Any]:
        plan = self._plan
        rig = self._rig(
            "board",
            scene="board",
            n_views=plan.n_board_views,
            hold_s=_BOARD_HOLD_S,
        )
        return self._record(rig, "BOARD", plan.n_board_views * _BOARD_HOLD_S, kind="board")

    def _calibrate(self) -> Mapping[str, Any]:
        board = self._runner.stages["board"].result["path"]
        report = self._folder / "calibration"
        return self._run(
            "mavfer-calibrate",
            board,
            "-o",
            self._folder / "rig.yaml",
            "--report",
            report,
            _ANEW,
        )

    def _subjects(self) -> Mapping[str, Any]:
        recorded = {}
        for name, (seed, light) in self._plan.subjects.items():
            rig = self._rig(
                name, scene="subject", subject_seed=seed, light=light, period_s=self._plan.loop_s
            )
            recorded[name] = self._record(rig, name, self._plan.session_s, kind="subject")
        return recorded

    def _labels(self) -> Mapping[str, Any]:
        sessions = [s["path"] for s in self._runner.stages["subjects"].result.values()]
        return self._label("sessions", sessions)

    def _build(self) -> Mapping[str, Any]:
        sessions = [s["path"] for s in self._runner.stages["subjects"].result.values()]
        return self._run(
            "mavfer-build-dataset",
            *sessions,
            "--calibration",
            self._folder / "rig.yaml",
            "--labels",
            self._folder / "sessions-labels.csv",
            "-o",
            self._folder / "sessions.h5",
            "--preview",
            self._folder / "sessions-crops.png",
            "--split",
            "none",
            _ANEW,
        )

    def _cohort(self) -> Mapping[str, Any]:
        plan = self._plan
        board = self._run(
            "mavfer",
            "simulate",
            "board",
            "-o",
            self._folder / "cohort-board",
            "--views",
            str(plan.cohort_board_views),
        )
        calibration = self._run(
            "mavfer-calibrate", board["session"], "-o", self._folder / "cohort-rig.yaml", _ANEW
        )
        subjects = self._run(
            "mavfer",
            "simulate",
            "subjects",
            "-o",
            self._folder / "cohort",
            "--subjects",
            str(plan.cohort_subjects),
            "--clips",
            str(plan.cohort_sessions),
            "--frames",
            str(plan.cohort_frames),
        )
        return {"board": board, "calibration": calibration, "subjects": subjects}

    def _cohort_build(self) -> Mapping[str, Any]:
        labels = self._label("cohort", [self._folder / "cohort"])
        store = self._run(
            "mavfer-build-dataset",
            self._folder / "cohort",
            "--calibration",
            self._folder / "cohort-rig.yaml",
            "--labels",
            self._folder / "cohort-labels.csv",
            "-o",
            self._folder / "cohort.h5",
            "--preview",
            self._folder / "cohort-crops.png",
            "--split",
            _COHORT_SPLIT,
            _ANEW,
        )
        return {"labels": labels, "store": store}

    def _train(self) -> Mapping[str, Any]:
        # Clips of 2 s: twice the steps in the same time.
        short = ("--set", "clip_length=8")
        budget = ("--preset", "small", *short, "--max-seconds", f"{self._plan.train_s:g}")
        mran, uran = self._runner.run_together(
            [
                self._training("mran", "color,depth,thermal", *budget),
                self._training("uran", "color", *budget),
            ]
        )
        return {"mran": mran, "uran": uran}

    def _training(self, name: str, modalities: str, *budget: str) -> tuple[str | Path, ...]:
        store, run = self._folder / "cohort.h5", self._folder / "runs" / name
        chosen = ("--model", name, "--modalities", modalities, "--threads", "1", _ANEW)
        return ("mavfer-train", store, "-o", run, *chosen, *budget)

    def _evaluate(self) -> Mapping[str, Any]:
        spoiled = ("--knock-out", "shuffle-guides")
        return {
            "mran": self._evaluation("mran", "mran"),
            "uran": self._evaluation("uran", "uran"),
            "mran-shuffled": self._evaluation("mran", "mran-shuffled", *spoiled),
        }

    def _evaluation(self, name: str, output: str, *options: str) -> dict[str, Any]:
        run, store = self._folder / "runs" / name, self._folder / "cohort.h5"
        return self._run(
            "mavfer-evaluate",
            run,
            store,
            "-o",
            self._folder / "evaluation" / output,
            *options,
            _ANEW,
        )

    def _label(self, stem: str, sessions: Sequence[str | Path]) -> dict[str, Any]:
        raters = self._folder / f"{stem}-raters.csv"
        labels = self._folder / f"{stem}-labels.csv"
        self._run("mavfer", "simulate", "raters", *sessions, "-o", raters, "--raters", "3", _ANEW)
        fused = self._run("mavfer-annotate", "fuse", raters, "-o", labels, _ANEW)
        agreement = self._run("mavfer-annotate", "agreement", raters)
        return {
            "raters": str(raters),
            "labels": str(labels),
            "fused": fused,
            "agreement": agreement,
        }

    def _rig(self, name: str, **options: object) -> Path:
        lines = [f"{key} = {_toml(value)}" for key, value in options.items()]
        path = self._folder / "rigs" / f"{name}.toml"
        text = _RIG_TOML.format(scene=name, options="\n".join(lines))
        write_text_atomic(path, text, overwrite=True)
        return path

    def _record(self, rig: Path, subject: str, seconds_s: float, *, kind: str) -> dict[str, Any]:
        return self._run(
            "mavfer-capture",
            "record",
            "--rig",
            rig,
            "--subject",
            subject,
            "--kind",
            kind,
            "--duration",
            f"{seconds_s:g}",
            "--output",
            self._folder / "sessions",
        )


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
