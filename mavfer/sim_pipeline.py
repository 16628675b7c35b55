"""From a preset to a clip store: sessions, calibration, raters, labels and crops, resumable.

The commands are those of a real dataset, each in a process of its own; `StageRunner` remembers
what is done.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .sim_presets import Preset
from .stages import STATE_FILE, StageResult, StageRunner

_ANEW = "--overwrite"
_N_RATERS = 3
_REACTION_S = 0.4
"""Mean reaction time of the simulated raters, taken out of the gold labels again."""


def simulate_preset(
    preset: Preset,
    folder: Path,
    *,
    n_workers: int | None,
    say: Callable[[str], None],
) -> Mapping[str, StageResult]:
    """Make the dataset of `preset` in `folder`; run again to go on after an interruption.

    Returns
    -------
    mapping of stage to StageResult
        ``sessions``, ``board``, ``calibrate``, ``labels`` and ``build``, whose result describes
        the store.
    """
    runner = StageRunner(folder, plan=preset.plan(), what="simulated dataset", say=say)
    work = _Work(preset, folder, n_workers, runner)
    sessions = list(preset.sessions())
    n_frames = sum(session.n_frames for session in sessions)
    stage = runner.stage
    stage("board", "Simulate the board", work.board, ["board"])
    stage("calibrate", "Calibrate the rig", work.calibrate, ["rig.yaml"])
    title = f"Simulate {len(sessions)} sessions, {n_frames} moments"
    stage("sessions", title, work.sessions, ["sessions"])
    title = f"{_N_RATERS} raters a session, fused to gold labels"
    stage("labels", title, work.labels, ["raters.csv", "labels.csv"])
    made = [f"{preset.name}.h5", "crops.png"]
    stage("build", "Find faces, align, crop every modality", work.build, made)
    return runner.stages


def dataset_of(store: Path) -> str | None:
    """Name the preset and version that a store was made from; None where it lies elsewhere."""
    try:
        plan = json.loads((store.parent / STATE_FILE).read_text(encoding="utf-8"))["plan"]
        return f"{plan['preset']} {plan['version']}" if store.stem == plan["preset"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


class _Work:
    """What each stage does."""

    def __init__(
        self, preset: Preset, folder: Path, n_workers: int | None, runner: StageRunner
    ) -> None:
        self._preset, self._folder, self._runner = preset, folder, runner
        self._workers = () if n_workers is None else ("--workers", str(n_workers))

    def board(self) -> Mapping[str, Any]:
        return self._runner.run(
            "mavfer",
            "simulate",
            "board",
            "-o",
            self._folder / "board",
            "--views",
            str(self._preset.board_views),
        )

    def calibrate(self) -> Mapping[str, Any]:
        board = self._runner.stages["board"].result["session"]
        rig = self._folder / "rig.yaml"
        return self._runner.run("mavfer-calibrate", board, "-o", rig, _ANEW)

    def sessions(self) -> Mapping[str, Any]:
        name, output = self._preset.name, self._folder / "sessions"
        return self._runner.run(
            "mavfer", "simulate", "people", "--preset", name, "-o", output, *self._workers
        )

    def labels(self) -> Mapping[str, Any]:
        raters, labels = self._folder / "raters.csv", self._folder / "labels.csv"
        self._runner.run(
            "mavfer",
            "simulate",
            "raters",
            self._folder / "sessions",
            "-o",
            raters,
            "--raters",
            str(_N_RATERS),
            "--lag-s",
            f"{_REACTION_S:g}",
            _ANEW,
        )
        fused = self._runner.run(
            *("mavfer-annotate", "fuse", raters, "-o", labels, _ANEW),
            *("--lag-s", f"{_REACTION_S:g}"),
        )
        agreement = self._runner.run("mavfer-annotate", "agreement", raters)
        return {"fused": fused, "agreement": agreement}

    def build(self) -> Mapping[str, Any]:
        people, store = self._preset.people(), self._folder / f"{self._preset.name}.h5"
        named = {
            split: ",".join(who.name for who in people if who.split == split)
            for split in ("validation", "test")
        }
        built = self._runner.run(
            "mavfer-build-dataset",
            self._folder / "sessions",
            "--calibration",
            self._folder / "rig.yaml",
            "--labels",
            self._folder / "labels.csv",
            "--raters",
            self._folder / "raters.csv",
            "-o",
            store,
            "--preview",
            self._folder / "crops.png",
            "--rate-hz",
            f"{self._preset.rate_hz:g}",
            "--validation-subjects",
            named["validation"],
            "--test-subjects",
            named["test"],
            *self._workers,
            _ANEW,
        )
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return {**built, "folder_bytes": sum(path.stat().st_size for path in files)}
