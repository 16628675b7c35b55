"""The files of a training run.

``checkpoint.safetensors`` (the best validation), ``config.json``, ``metrics.jsonl`` (a line a
validation), ``curves.png``, ``MODEL_CARD.md`` and ``resume.safetensors`` (weights, optimiser and
counters of the last moment that was kept; ``--resume`` goes on from it).
"""

import itertools
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from capture.files import OutputExistsError, write_text_atomic

from .checkpoint import CheckpointInfo, load_tensors, save_checkpoint
from .errors import CheckpointError, ModelError
from .prediction import Network

CHECKPOINT = "checkpoint.safetensors"
CONFIG = "config.json"
METRICS = "metrics.jsonl"
CURVES = "curves.png"
RESUME = "resume.safetensors"
MODEL_CARD = "MODEL_CARD.md"
POST_PROCESSING = "post_processing.json"
EVENTS = "events"
_FILES = (CHECKPOINT, METRICS, CURVES, RESUME, MODEL_CARD, POST_PROCESSING, CONFIG)
"""The config goes last: as long as it is there, the folder is known for a run."""
_ADAM_STATE = ("exp_avg", "exp_avg_sq", "step")
_COUNTERS = "counters"


@dataclass(slots=True)
class Progress:
    """Where a run is.

    Attributes
    ----------
    step : int
        Steps taken.
    best_step : int
        Step of the kept checkpoint.
    best_score : float
        Mean validation CCC of the outputs there; -inf before the first.
    since_best : int
        Validations since.
    plateau_end : int or None
        Step of the first validation whose predictions differed between clips.
    loss_sum, loss_count : float, int
        Training losses since the last validation.
    """

    step: int = 0
    best_step: int = 0
    best_score: float = float("-inf")
    since_best: int = 0
    plateau_end: int | None = None
    loss_sum: float = 0.0
    loss_count: int = 0


class RunFolder:
    """Reads and writes the files of one run; `path` may not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoint(self) -> Path:
        """Path of the best checkpoint."""
        return self.path / CHECKPOINT

    def info(self) -> CheckpointInfo:
        """Read the run's config as it was started."""
        path = self.path / CONFIG
        if not path.is_file():
            raise CheckpointError(f"{self.path} holds no training run ({CONFIG} is missing)")
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(
                f"{path} cannot be read: cut off or damaged ({error})",
                remedy="take an undamaged copy, or train into another folder",
            ) from error
        return CheckpointInfo.from_object(value, where=str(path))

    def start(self, info: CheckpointInfo, *, overwrite: bool) -> None:
        """Create the folder and its config; refuse one that is in use unless `overwrite`."""
        self._sweep()
        if self.path.exists() and any(self.path.iterdir()):
            if not overwrite:
                raise OutputExistsError(
                    f"{self.path} is not empty",
                    remedy="choose another folder, go on with --resume, or pass --overwrite",
                )
            if not (self.path / CONFIG).is_file():
                raise ModelError(
                    f"{self.path} holds no training run: not overwritten",
                    remedy="choose another folder",
                )
            for name in _FILES:
                (self.path / name).unlink(missing_ok=True)
            shutil.rmtree(self.path / EVENTS, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(info.to_object(), indent=2, allow_nan=False) + "\n"
        write_text_atomic(self.path / CONFIG, text)

    def _sweep(self) -> None:
        """Take away what a killed process was writing."""
        for name in _FILES:
            for left in self.path.glob(f".{name}.*.partial"):
                left.unlink(missing_ok=True)

    @property
    def can_resume(self) -> bool:
        """Whether a moment of the run was kept."""
        return (self.path / RESUME).is_file()

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line to the metrics."""
        with (self.path / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """Read the metrics; what is no line of ours, or cut short by a crash, is left out."""
        path = self.path / METRICS
        if not path.is_file():
            return []
        lines = []
        for text in path.read_bytes().splitlines():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if _is_metrics(line):
                lines.append(line)
        return lines

    def trained_s(self) -> float:
        """Return the seconds of training that the metrics tell of, over all its interruptions."""
        times_s = [float(line["time_s"]) for line in self.metrics()]
        # The clock starts anew with every process that goes on.
        ends = [a for a, b in itertools.pairwise([*times_s, -1.0]) if b < a]
        return sum(ends)

    def save_resume(
        self,
        network: Network,
        optimizer: torch.optim.Adam,
        info: CheckpointInfo,
        progress: Progress,
    ) -> None:
        """Write everything that the next step depends on."""
        extra: dict[str, Tensor] = {
            _COUNTERS: torch.tensor(
                [
                    progress.step,
                    progress.best_step,
                    progress.best_score,
                    progress.since_best,
                    -1 if progress.plateau_end is None else progress.plateau_end,
                    progress.loss_sum,
                    progress.loss_count,
                ],
                dtype=torch.float64,
            )
        }
        for name, parameter in network.named_parameters() if progress.step else ():
            # A parameter that no gradient has reached yet is where Adam starts: at zero.
            state = optimizer.state.get(parameter) or {
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
                "step": torch.tensor(0.0),
            }
            for key in _ADAM_STATE:
                extra[f"adam.{key}.{name}"] = state[key]
        save_checkpoint(self.path / RESUME, network, info, extra=extra, overwrite=True)

    def load_resume(
        self, *, device: torch.device, learning_rate: float
    ) -> tuple[Network, torch.optim.Adam, CheckpointInfo, Progress]:
        """Read what `save_resume` wrote."""
        path = self.path / RESUME
        if not path.is_file():
            raise CheckpointError(
                f"{self.path} has nothing to resume ({RESUME} is missing)",
                remedy="start the run without --resume",
            )
        network, info, extra = load_tensors(path, device=device)
        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
        try:
            step, best_step, best_score, since_best, plateau_end, loss_sum, loss_count = extra[
                _COUNTERS
            ].tolist()
            # Before the first step the optimiser has no state.
            for name, parameter in network.named_parameters() if step else ():
                state = {key: extra[f"adam.{key}.{name}"] for key in _ADAM_STATE}
                if any(state[key].shape != parameter.shape for key in _ADAM_STATE[:2]):
                    raise CheckpointError(f"{path}: the optimiser's state of {name} does not fit")
                state["step"] = state["step"].cpu()
                optimizer.state[parameter] = state
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                f"{path}: the optimiser's state is incomplete ({error})"
            ) from error
        progress = Progress(
            int(step),
            int(best_step),
            best_score,
            int(since_best),
            None if plateau_end < 0 else int(plateau_end),
            loss_sum,
            int(loss_count),
        )
        return network, optimizer, info, progress

    def forget_after(self, step: int) -> None:
        """Drop lines of the metrics after `step`, and what a killed process was writing."""
        self._sweep()
        kept = [line for line in self.metrics() if line["step"] <= step]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        write_text_atomic(self.path / METRICS, text, overwrite=True)


def _is_metrics(line: object) -> TypeGuard[dict[str, Any]]:
    """Whether a line of the metrics has what its readers take from it."""
    if not isinstance(line, dict) or not isinstance(line.get("validation"), dict):
        return False
    scores = [s for s in line["validation"].values() if isinstance(s, dict)]
    numbers = [line.get("time_s"), line.get("train_loss"), *(v for s in scores for v in s.values())]
    return (
        type(line.get("step")) is int
        and line.get("time_s") is not None
        and len(scores) == len(line["validation"])
        and all(value is None or isinstance(value, int | float) for value in numbers)
    )
