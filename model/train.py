"""The training loop: one loss, one optimiser, one device."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from capture.terminal import OnProgress
from mavfer.store import ClipStore

from .augment import augment
from .batches import BatchSource, PreparedBatches, PreparedClips, StreamedBatches
from .checkpoint import CheckpointInfo, save_checkpoint
from .config import ModelConfig, TrainConfig
from .data import ClipDataset
from .errors import ModelError
from .initialise import build_network
from .losses import training_loss
from .predict import predict_clips
from .prediction import Network
from .preprocess import check_stats
from .pretrained import check_pretrained
from .run_folder import Progress, RunFolder
from .scores import CONSTANT_SD, Scores, score_outputs

logger = logging.getLogger(__name__)


StopReason = Literal["steps", "time", "patience"]


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """What to train on and for how long.

    Attributes
    ----------
    model : ModelConfig
    train : TrainConfig
    preset : str
        Where they came from; kept with the checkpoint.
    device : torch.device
    workers : int
        Processes that read clips; unused with the cache ``prepared``.
    max_seconds : float or None
        Stop cleanly after so long, reading the clips included.
    """

    model: ModelConfig
    train: TrainConfig
    preset: str
    device: torch.device
    workers: int = 0
    max_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class TrainResult:
    """How a run ended.

    Attributes
    ----------
    stopped : {"steps", "time", "patience"}
    steps, best_step : int
    seconds_s, step_s : float
        Whole run, and the median of a step of this call.
    validation : mapping of output to scores
        Of the kept checkpoint on the validation split; empty without one.
    n_parameters, n_train_clips, n_validation_clips, n_without_face, n_without_label : int
    constant_output : bool
        The last validation found the same prediction for every clip.
    """

    stopped: StopReason
    steps: int
    best_step: int
    seconds_s: float
    step_s: float
    validation: dict[str, Scores]
    n_parameters: int
    n_train_clips: int
    n_validation_clips: int
    n_without_face: int
    n_without_label: int
    constant_output: bool


def train(
    store: ClipStore,
    folder: Path,
    plan: TrainPlan,
    *,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    on_read: OnProgress | None = None,
    on_validation: Callable[[dict[str, Any]], None] | None = None,
) -> TrainResult:
    """Train a network on the train split of `store`; keep the best on its validation split.

    Parameters
    ----------
    store : ClipStore
    folder : Path
        Run folder (`model.run_folder`).
    plan : TrainPlan
    resume : bool
        Go on from the last validation of the run in `folder`, with its configurations except
        ``max_steps``.
    on_progress, on_read : callable
        Receive steps done and to do, and clips read into the cache.
    on_validation : callable
        Receives each line of the metrics.

    Raises
    ------
    ModelError
        The store lacks a modality, labels or training clips; the run cannot be resumed.
    """
    started_s = time.monotonic()
    files = RunFolder(folder)
    network, optimizer, info, progress = _begin(store, files, plan, resume, overwrite)
    plan = replace(plan, model=info.model, train=info.train)
    learn, validate = _datasets(store, plan)
    source = _source(learn, plan, info, on_read)
    held_out = PreparedClips(validate, plan.model, info.stats, device=plan.device)
    loop = _Loop(network, optimizer, plan, info, files, held_out, progress, on_validation)
    gpus = [plan.device] if plan.device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        stopped = loop.run(source, started_s, on_progress)
    return TrainResult(
        stopped=stopped,
        steps=progress.step,
        best_step=progress.best_step,
        seconds_s=time.monotonic() - started_s,
        step_s=float(np.median(loop.step_seconds)) if loop.step_seconds else 0.0,
        validation=_best_validation(files, progress.best_step),
        n_parameters=sum(p.numel() for p in network.parameters()),
        n_train_clips=len(learn),
        n_validation_clips=len(validate),
        n_without_face=learn.n_without_face,
        n_without_label=learn.n_without_label,
        constant_output=loop.constant_output,
    )


class _Loop:
    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Adam,
        plan: TrainPlan,
        info: CheckpointInfo,
        files: RunFolder,
        held_out: PreparedClips,
        progress: Progress,
        on_validation: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self._network, self._optimizer, self._plan, self._info = network, optimizer, plan, info
        self._files, self._held_out, self._progress = files, held_out, progress
        self._on_validation = on_validation
        self._losses: list[Tensor] = []
        self.step_seconds: list[float] = []
        self.constant_output = False

    def run(
        self, source: BatchSource, started_s: float, on_progress: OnProgress | None
    ) -> StopReason:
        config, progress = self._plan.train, self._progress
        deadline_s = None if self._plan.max_seconds is None else started_s + self._plan.max_seconds
        batches = source.batches(progress.step)
        while progress.step < config.max_steps:
            if deadline_s is not None and time.monotonic() >= deadline_s:
                self._validate(started_s)
                return "time"
            begun_s = time.monotonic()
            clips, labels = next(batches)
            self._step(clips, labels)
            self.step_seconds.append(time.monotonic() - begun_s)
            progress.step += 1
            if on_progress is not None:
                on_progress(progress.step, config.max_steps)
            if progress.step % config.validate_every == 0 or progress.step == config.max_steps:
                self._validate(started_s)
                if config.patience is not None and progress.since_best >= config.patience:
                    return "patience"
        return "steps"

    def _step(self, clips: dict[str, Tensor], labels: Tensor) -> None:
        config, step = self._plan.train, self._progress.step
        # Dropout and augmentation are functions of (seed, step): a resumed run repeats them.
        seed = int(np.random.SeedSequence((config.seed, step)).generate_state(1)[0])
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        warm = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
        for group in self._optimizer.param_groups:
            group["lr"] = config.learning_rate * warm
        self._network.train()
        self._optimizer.zero_grad()
        score = self._network(augment(clips, config, generator)).score
        loss = training_loss(score, labels, self._plan.model, config)
        loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        if config.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), config.gradient_clip)
        self._optimizer.step()
        self._losses.append(loss.detach())

    def _validate(self, started_s: float) -> None:
        """Score the held-out clips, write the metrics, keep the weights if they are the best."""
        progress = self._progress
        loss = float(torch.stack(self._losses).mean()) if self._losses else None
        self._losses.clear()
        if loss is not None and not np.isfinite(loss):
            raise ModelError(
                f"the loss is {loss} after {progress.step} steps: the run has diverged",
                remedy="lower --learning-rate",
            )
        line: dict[str, Any] = {
            "step": progress.step,
            "time_s": round(time.monotonic() - started_s, 2),
            "train_loss": loss,
            "validation": {},
        }
        best = True
        if len(self._held_out.labels):
            predicted = predict_clips(
                self._network, self._held_out, batch_size=self._plan.train.batch_size
            )
            gold = self._held_out.labels.cpu().numpy()
            scores = score_outputs(predicted, gold, self._plan.model.outputs)
            line["validation"] = scores
            mean = float(np.mean([s["ccc"] or 0.0 for s in scores.values()]))
            best = mean > progress.best_score
            if best:
                progress.best_score = mean
            self.constant_output = all((s["sd"] or 0.0) < CONSTANT_SD for s in scores.values())
            line["constant_output"] = self.constant_output
        progress.since_best = 0 if best else progress.since_best + 1
        info = replace(
            self._info,
            step=progress.step,
            validation={f"{o}.{k}": v for o, s in line["validation"].items() for k, v in s.items()},
        )
        if best:
            progress.best_step = progress.step
            save_checkpoint(self._files.checkpoint, self._network, info, overwrite=True)
        self._files.append(line)
        self._files.save_resume(self._network, self._optimizer, info, progress)
        if self.constant_output:
            logger.info("step %d: constant output", progress.step)
        if self._on_validation is not None:
            self._on_validation(line)


def _begin(
    store: ClipStore, files: RunFolder, plan: TrainPlan, resume: bool, overwrite: bool
) -> tuple[Network, torch.optim.Adam, CheckpointInfo, Progress]:
    if resume:
        network, optimizer, info, progress = files.load_resume(
            device=plan.device, learning_rate=plan.train.learning_rate
        )
        if info.store_fingerprint != store.fingerprint:
            raise ModelError(
                f"{files.path} was trained on another store than {store.path.name}",
                remedy="resume with the store it was started with",
            )
        train = replace(info.train, max_steps=plan.train.max_steps)
        return network, optimizer, replace(info, train=train), progress
    check_pretrained(plan.model, plan.train)
    stats = {name: store.stats[name] for name in plan.model.modalities if name in store.stats}
    if plan.model.normalisation == "store":
        check_stats(stats, plan.model)
    info = CheckpointInfo(
        model=plan.model,
        train=plan.train,
        preset=plan.preset,
        stats=stats,
        store_fingerprint=store.fingerprint,
        step=0,
        validation={},
    )
    _datasets(store, plan)
    files.start(info, overwrite=overwrite)
    network = build_network(
        plan.model,
        seed=plan.train.seed,
        initialisation=plan.train.initialisation,
        output_gain=plan.train.output_gain,
        pretrained=plan.train.pretrained,
    ).to(plan.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=plan.train.learning_rate)
    return network, optimizer, info, Progress()


def _datasets(store: ClipStore, plan: TrainPlan) -> tuple[ClipDataset, ClipDataset]:
    stride = plan.model.clip_length
    share = plan.train.min_valid_share
    learn = ClipDataset(
        store,
        plan.model,
        split="train",
        stride_frames=stride,
        min_valid_share=share,
    )
    validate = ClipDataset(
        store, plan.model, split="validation", stride_frames=stride, min_valid_share=share
    )
    if not len(learn):
        raise ModelError(
            f"{store.path.name} has no clip to train on: "
            f"{learn.n_without_face} without a face, {learn.n_without_label} without a "
            f"{'/'.join(plan.model.outputs)} label",
            remedy="build it with labels, with videos of at least "
            f"{plan.model.clip_length} frames in the train split",
        )
    return learn, validate


def _source(
    learn: ClipDataset, plan: TrainPlan, info: CheckpointInfo, on_read: OnProgress | None
) -> BatchSource:
    if plan.train.cache == "prepared":
        prepared = PreparedClips(
            learn, plan.model, info.stats, device=plan.device, on_progress=on_read
        )
        return PreparedBatches(prepared, plan.train)
    return StreamedBatches(
        learn, plan.train, plan.model, info.stats, device=plan.device, workers=plan.workers
    )


def _best_validation(files: RunFolder, step: int) -> dict[str, Scores]:
    for line in files.metrics():
        if line["step"] == step:
            return dict(line["validation"])
    return {}
