"""One step after the other, a validation now and then, and files that survive anything."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from capture.terminal import OnProgress

from .augment import augment
from .batches import BatchSource, PreparedClips, batch_indices
from .checkpoint import CheckpointInfo, save_checkpoint
from .config import ModelConfig, TrainConfig
from .errors import ModelError
from .losses import training_loss
from .pace import Pace
from .plateau import curve_of_metrics, last_step, plateau_left
from .precision import autocast
from .predict import predict_clips
from .prediction import Network, Prediction
from .ranks import Ranks
from .run_folder import Progress, RunFolder
from .scores import CONSTANT_SD, score_clips

logger = logging.getLogger(__name__)

StopReason = Literal["steps", "time", "patience", "fitted"]
OnValidation = Callable[[dict[str, Any]], None]
_LOOK_EVERY = 20
"""Steps between looks at the loss on a GPU, where each look waits for the device."""


@dataclass(frozen=True, slots=True, eq=False)
class Watchers:
    """Who hears about a run.

    Attributes
    ----------
    on_progress : callable, optional
        Receives steps done and to do.
    on_validation : callable, optional
        Receives each line of the metrics.
    pace : Pace
    """

    on_progress: OnProgress | None
    on_validation: OnValidation | None
    pace: Pace


class TrainingLoop:
    """Trains `network` in place; see `model.train.train` for what is kept."""

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Adam,
        info: CheckpointInfo,
        files: RunFolder,
        held_out: PreparedClips,
        progress: Progress,
        *,
        n_clips: int,
        device: torch.device,
        dtype: torch.dtype,
        ranks: Ranks,
        save_every_s: float,
        watchers: Watchers,
    ) -> None:
        self._network, self._optimizer, self._info = network, optimizer, info
        self._files, self._held_out, self._progress = files, held_out, progress
        self._n_clips, self._device, self._dtype = n_clips, device, dtype
        self._ranks, self._save_every_s, self._watchers = ranks, save_every_s, watchers
        self._config: TrainConfig = info.train
        self._model: ModelConfig = info.model
        self._loss_sum = torch.tensor(progress.loss_sum, dtype=torch.float64, device=device)
        self._started_s = time.monotonic()
        self._saved_s = self._started_s
        frames = (info.model.clip_length,) if info.model.label == "frames" else ()
        # The score and what each modality says by itself.
        self._scores_shape = (1 + network.n_own, *frames, info.model.n_scores)
        # A run that goes on, perhaps with nothing left to do, is where its last line says.
        lines = files.metrics() if progress.step else []
        self._curve = list(curve_of_metrics(lines))
        self.constant_output = bool(lines and lines[-1].get("constant_output"))

    def run(self, source: BatchSource, deadline_s: float | None) -> StopReason:
        """Train until the steps, the time or the patience are used up.

        Raises
        ------
        ModelError
            The run has diverged; checkpoint and resume file stay those of the last good moment.
        """
        config, progress, pace = self._config, self._progress, self._watchers.pace
        batches = source.batches(progress.step)
        if self._out_of_patience():
            return "patience"
        while progress.step < self._last_step():
            due = self._ranks.as_first(self._due(deadline_s))
            if due == "stop":
                self._validate()
                return "time"
            if due == "save":
                self._save()
            n_rows = len(batch_indices(self._n_clips, config, progress.step))
            with pace.waiting():
                clips, labels = next(batches)
            with pace.step(n_rows):
                self._step(clips, labels, n_rows)
            progress.step += 1
            progress.loss_count += 1
            if self._watchers.on_progress is not None:
                self._watchers.on_progress(progress.step, self._last_step())
            if progress.step % config.validate_every == 0 or progress.step == self._last_step():
                self._validate()
                if self._out_of_patience():
                    return "patience"
        return "steps"

    def conclude(self) -> StopReason:
        """Score and keep weights that were fitted in one go."""
        if not self._progress.step:
            self._progress.step = 1
            self._validate()
        return "fitted"

    def _last_step(self) -> int:
        return last_step(self._config, plateau_left(self._curve))

    def _out_of_patience(self) -> bool:
        patience = self._config.patience
        return patience is not None and self._progress.since_best >= patience

    def _due(self, deadline_s: float | None) -> Literal["stop", "save"] | None:
        now_s = time.monotonic()
        if deadline_s is not None and now_s >= deadline_s:
            return "stop"
        return "save" if now_s - self._saved_s >= self._save_every_s else None

    def _step(self, clips: dict[str, Tensor], labels: Tensor, n_rows: int) -> None:
        config, step = self._config, self._progress.step
        # Dropout and augmentation are functions of (seed, step): a resumed run repeats them.
        seed = int(np.random.SeedSequence((config.seed, step)).generate_state(1)[0])
        torch.manual_seed(seed + self._ranks.rank)
        generator = torch.Generator().manual_seed(seed)
        warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
        for group in self._optimizer.param_groups:
            group["lr"] = config.learning_rate * warm
        self._network.train()
        self._optimizer.zero_grad()
        rows = self._ranks.share(range(n_rows))
        if rows:
            augmented = augment(clips, config, self._model, generator, n_clips=n_rows, rows=rows)
            with autocast(self._dtype, self._device):
                prediction: Prediction = self._network(augmented)
            scores = prediction.score.float()[:, None]
            if prediction.own is not None:
                scores = torch.cat([scores, prediction.own.float()], 1)
        else:
            scores = labels.new_zeros((0, *self._scores_shape))
        scores = self._ranks.whole(scores, n_rows)
        loss = training_loss(
            scores[:, 0],
            self._ranks.whole(labels, n_rows),
            self._model,
            config,
            own=scores[:, 1:] if self._network.n_own else None,
        )
        if rows:
            loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        self._ranks.sum_gradients(self._network.parameters())
        if config.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), config.gradient_clip)
        if self._device.type == "cpu" or step % _LOOK_EVERY == 0:
            self._require_finite(loss)
        self._optimizer.step()
        self._loss_sum += loss.detach().double()

    def _require_finite(self, values: Tensor) -> None:
        if torch.isfinite(values).all():
            return
        best = self._progress.best_step
        kept = (
            f"the checkpoint of step {best} is kept"
            if self._files.checkpoint.is_file()
            else "there is no checkpoint yet"
        )
        raise ModelError(
            f"the loss is not finite at step {self._progress.step}: the run has diverged; {kept}",
            remedy="lower the learning rate (--learning-rate, or --set gradient_clip=1)",
        )

    def _check_weights(self) -> None:
        self._require_finite(torch.stack([p.detach().sum() for p in self._network.parameters()]))

    def _validate(self) -> None:
        """Score the held-out clips, write the metrics, keep the weights if they are the best."""
        progress, pace = self._progress, self._watchers.pace
        self._check_weights()
        loss = float(self._loss_sum) / progress.loss_count if progress.loss_count else None
        self._loss_sum.zero_()
        progress.loss_count = 0
        line: dict[str, Any] = {
            "step": progress.step,
            "time_s": round(time.monotonic() - self._started_s, 2),
            "train_loss": loss,
            "learning_rate": self._optimizer.param_groups[0]["lr"],
            "clips_per_s": round(pace.clips_per_s, 3),
            "data_wait": round(pace.data_share, 4),
            "validation": {},
        }
        best = True
        if len(self._held_out.labels):
            predicted = predict_clips(
                self._network,
                self._held_out,
                batch_size=self._config.batch_size,
                ranks=self._ranks,
                dtype=self._dtype,
            )
            gold = self._held_out.labels.cpu().numpy()
            scores = score_clips(predicted, gold, self._model)
            line["validation"] = scores
            headline = "accuracy" if self._model.categorical else "ccc"
            mean = float(np.mean([s[headline] or 0.0 for s in scores.values()]))
            self._curve += curve_of_metrics([line])
            best = mean > progress.best_score
            if best:
                progress.best_score = mean
            self._watch_plateau(all((s["sd"] or 0.0) < CONSTANT_SD for s in scores.values()))
            line["constant_output"] = self.constant_output
        progress.since_best = 0 if best else progress.since_best + 1
        info = replace(
            self._info,
            step=progress.step,
            validation={f"{o}.{k}": v for o, s in line["validation"].items() for k, v in s.items()},
        )
        if best:
            progress.best_step = progress.step

        def write() -> None:
            if best:
                save_checkpoint(self._files.checkpoint, self._network, info, overwrite=True)
            self._files.append(line)
            self._files.save_resume(self._network, self._optimizer, info, progress)

        self._ranks.first(write)
        self._saved_s = time.monotonic()
        if self._watchers.on_validation is not None:
            self._watchers.on_validation(line)

    def _watch_plateau(self, constant: bool) -> None:
        progress = self._progress
        self.constant_output = constant
        if constant:
            logger.info("step %d: constant output", progress.step)
        elif progress.plateau_end is None:
            progress.plateau_end = progress.step
            logger.info("step %d: predictions differ between clips", progress.step)

    def _save(self) -> None:
        """Keep the state between validations: a crash costs at most the interval."""
        self._check_weights()
        progress = self._progress
        progress.loss_sum = float(self._loss_sum)
        info = replace(self._info, step=progress.step, validation={})
        self._ranks.first(
            lambda: self._files.save_resume(self._network, self._optimizer, info, progress)
        )
        progress.loss_sum = 0.0
        self._saved_s = time.monotonic()
