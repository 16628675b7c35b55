"""Training: from a clip store and a plan to a run folder."""

import time
import warnings
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from capture.terminal import OnProgress
from mavfer.store import ClipStore

from .batches import BatchSource, PreparedBatches, PreparedClips, StreamedBatches
from .checkpoint import CheckpointInfo, read_info
from .closed_form import fit_closed_form
from .config import ModelConfig, TrainConfig
from .data import ClipDataset
from .device import keep_freed_memory
from .errors import CheckpointError, ModelError, ModelWarning
from .held_out import SubjectRoles, subject_roles
from .initialise import build_network
from .losses import check_loss
from .model_card import write_model_card
from .pace import Pace
from .precision import chosen_precision
from .prediction import Network
from .preprocess import check_stats
from .pretrained import check_pretrained
from .ranks import Ranks
from .run_folder import Progress, RunFolder
from .scores import Scores
from .tensorboard import EventWriter
from .training_loop import OnValidation, StopReason, TrainingLoop, Watchers

SAVE_EVERY_S = 60.0


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
    save_every_s : float
        A crash costs at most so much work; validations are kept in any case.
    tensorboard : bool
        Write event files, too.
    """

    model: ModelConfig
    train: TrainConfig
    preset: str
    device: torch.device
    workers: int = 0
    max_seconds: float | None = None
    save_every_s: float = SAVE_EVERY_S
    tensorboard: bool = False


@dataclass(frozen=True, slots=True)
class TrainResult:
    """How a run ended.

    Attributes
    ----------
    stopped : {"steps", "time", "patience", "fitted"}
    steps, best_step : int
    seconds_s, step_s : float
        Whole run, and the median of a step of this call.
    clips_per_s, data_wait : float
        Over the last steps: clips learned from, and the share of time spent waiting for them.
    validation : mapping of output to scores
        Of the kept checkpoint on the validation subjects; empty without any.
    validation_subjects : tuple of str
    n_parameters, n_train_clips, n_validation_clips, n_without_face, n_without_label : int
        The last two are of training clips.
    n_validation_left_out : int
        Validation clips without a face or a label.
    constant_output : bool
        The last validation found the same prediction for every clip.
    plateau_end : int or None
        Step of the first validation whose predictions differed between clips.
    precision : {"float32", "bfloat16"}
    n_ranks : int
        Processes that trained together.
    """

    stopped: StopReason
    steps: int
    best_step: int
    seconds_s: float
    step_s: float
    clips_per_s: float
    data_wait: float
    validation: dict[str, Scores]
    validation_subjects: tuple[str, ...]
    n_parameters: int
    n_train_clips: int
    n_validation_clips: int
    n_without_face: int
    n_without_label: int
    n_validation_left_out: int
    constant_output: bool
    plateau_end: int | None
    precision: str
    n_ranks: int


def train(
    store: ClipStore,
    folder: Path,
    plan: TrainPlan,
    *,
    ranks: Ranks | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
    on_read: OnProgress | None = None,
    on_validation: OnValidation | None = None,
    pace: Pace | None = None,
) -> TrainResult:
    """Train a network on the train split of `store`; keep the best on the validation subjects.

    Parameters
    ----------
    store : ClipStore
    folder : Path
        Run folder (`model.run_folder`).
    plan : TrainPlan
    ranks : Ranks, optional
        The processes that train together (`model.ranks.joined_ranks`); the first one writes.
    resume : bool
        Go on from the last moment that the run in `folder` kept, with its configurations except
        ``max_steps``. The weights become those of a run that was never interrupted.
    on_progress, on_read : callable
        Receive steps done and to do, and clips read into the cache.
    on_validation : callable
        Receives each line of the metrics.
    pace : Pace, optional
        To look at meanwhile.

    Raises
    ------
    ModelError
        The store lacks a modality, labels or training clips; the run cannot be resumed or has
        diverged.
    """
    started_s = time.monotonic()
    ranks, pace = ranks or Ranks(), pace or Pace()
    files = RunFolder(folder)
    dtype = chosen_precision(plan.train.precision, plan.device)
    network, optimizer, info, progress = _begin(store, files, plan, ranks, resume, overwrite)
    plan = replace(plan, model=info.model, train=info.train)
    network.checkpointing = plan.train.checkpointing
    if plan.device.type == "cpu" and not plan.train.checkpointing:
        keep_freed_memory()
    roles = subject_roles(store, plan.train)
    learn, validate = _datasets(store, plan, roles)
    held_out = PreparedClips(validate, plan.model, info.stats, device=plan.device)
    with ExitStack() as stack:
        if plan.tensorboard and ranks.is_first:
            writer = stack.enter_context(EventWriter(files.path, first_step=progress.step))
            on_validation = writer.beside(on_validation)
        loop = TrainingLoop(
            network,
            optimizer,
            info,
            files,
            held_out,
            progress,
            n_clips=len(learn),
            device=plan.device,
            dtype=dtype,
            ranks=ranks,
            save_every_s=plan.save_every_s,
            watchers=Watchers(on_progress, on_validation, pace),
        )
        gpus = [plan.device] if plan.device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices=gpus))
        if plan.model.facts.closed_form:
            fit_closed_form(network, learn, held_out, info, device=plan.device, on_read=on_read)
            stopped = loop.conclude()
        else:
            deadline_s = None if plan.max_seconds is None else started_s + plan.max_seconds
            source = _source(learn, plan, info, ranks, on_read)
            stopped = loop.run(source, deadline_s)
    if files.checkpoint.is_file():
        ranks.first(lambda: _write_card(files, store))
    return TrainResult(
        stopped=stopped,
        steps=progress.step,
        best_step=progress.best_step,
        seconds_s=time.monotonic() - started_s,
        step_s=float(np.median(pace.step_s)) if pace.step_s else 0.0,
        clips_per_s=pace.clips_per_s,
        data_wait=pace.data_share,
        validation=_best_validation(files, progress.best_step),
        validation_subjects=info.validation_subjects,
        n_parameters=sum(p.numel() for p in network.parameters()),
        n_train_clips=len(learn),
        n_validation_clips=len(validate),
        n_without_face=learn.n_without_face,
        n_without_label=learn.n_without_label,
        n_validation_left_out=validate.n_without_face + validate.n_without_label,
        constant_output=loop.constant_output,
        plateau_end=progress.plateau_end,
        precision=str(dtype).removeprefix("torch."),
        n_ranks=ranks.size,
    )


def _begin(
    store: ClipStore,
    files: RunFolder,
    plan: TrainPlan,
    ranks: Ranks,
    resume: bool,
    overwrite: bool,
) -> tuple[Network, torch.optim.Adam, CheckpointInfo, Progress]:
    if resume and files.can_resume:
        network, optimizer, info, progress = files.load_resume(
            device=plan.device, learning_rate=plan.train.learning_rate
        )
        _check_same_store(info, files, store)
        if progress.best_step and not files.checkpoint.is_file():
            raise CheckpointError(
                f"{files.checkpoint} is missing: the best weights so far, of step "
                f"{progress.best_step}, are nowhere else",
                remedy="put a copy back, or train anew with --overwrite",
            )
        train = replace(info.train, max_steps=plan.train.max_steps)
        ranks.first(lambda: files.forget_after(progress.step))
        return network, optimizer, replace(info, train=train), progress
    if resume:  # killed before anything was kept, or never begun
        if not files.path.is_dir():
            raise CheckpointError(f"{files.path} has nothing to resume: it holds no training run")
        started = files.info()
        _check_same_store(started, files, store)
        train = replace(started.train, max_steps=plan.train.max_steps)
        plan = replace(plan, model=started.model, train=train, preset=started.preset)
    check_pretrained(plan.model, plan.train)
    check_loss(plan.model, plan.train)
    stats = {name: store.stats[name] for name in plan.model.modalities if name in store.stats}
    if plan.model.normalisation == "store":
        check_stats(stats, plan.model)
    roles = subject_roles(store, plan.train)
    _, validate = _datasets(store, plan, roles)
    if roles.validate and not len(validate) and ranks.is_first:
        warnings.warn(
            f"{', '.join(sorted(roles.validate))}, who should say when to stop, have no clip with "
            f"a face and a {'/'.join(plan.model.outputs)} label: the last weights are kept "
            "(validation=train holds training subjects out instead)",
            ModelWarning,
            stacklevel=3,
        )
    info = CheckpointInfo(
        model=plan.model,
        train=plan.train,
        preset=plan.preset,
        stats=stats,
        store_fingerprint=store.fingerprint,
        step=0,
        validation={},
        validation_subjects=tuple(sorted(roles.validate)) if len(validate) else (),
        rate_hz=store.rate_hz,
    )
    # Whatever can be refused is refused before there is a folder.
    network = build_network(
        plan.model,
        seed=plan.train.seed,
        initialisation=plan.train.initialisation,
        output_gain=plan.train.output_gain,
        pretrained=plan.train.pretrained,
    ).to(plan.device)
    if resume:
        ranks.first(lambda: files.forget_after(0))
    else:
        ranks.first(lambda: files.start(info, overwrite=overwrite))
    optimizer = torch.optim.Adam(network.parameters(), lr=plan.train.learning_rate)
    return network, optimizer, info, Progress()


def _write_card(files: RunFolder, store: ClipStore) -> None:
    write_model_card(files.path, store, read_info(files.checkpoint))


def _check_same_store(info: CheckpointInfo, files: RunFolder, store: ClipStore) -> None:
    if info.store_fingerprint != store.fingerprint:
        raise ModelError(
            f"{files.path} was trained on another store than {store.path.name}",
            remedy="resume with the store it was started with",
        )


def _datasets(
    store: ClipStore, plan: TrainPlan, roles: SubjectRoles
) -> tuple[ClipDataset, ClipDataset]:
    stride = plan.model.clip_length
    share = plan.train.min_valid_share
    learn = ClipDataset(
        store,
        plan.model,
        split="train",
        subjects=roles.learn,
        stride_frames=stride,
        min_valid_share=share,
    )
    validate = ClipDataset(
        store,
        plan.model,
        split=roles.validation_split,
        subjects=roles.validate,
        stride_frames=stride,
        min_valid_share=share,
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
    learn: ClipDataset,
    plan: TrainPlan,
    info: CheckpointInfo,
    ranks: Ranks,
    on_read: OnProgress | None,
) -> BatchSource:
    if plan.train.cache == "prepared":
        prepared = PreparedClips(
            learn, plan.model, info.stats, device=plan.device, on_progress=on_read
        )
        return PreparedBatches(prepared, plan.train, ranks)
    return StreamedBatches(
        learn,
        plan.train,
        plan.model,
        info.stats,
        device=plan.device,
        workers=plan.workers,
        ranks=ranks,
    )


def _best_validation(files: RunFolder, step: int) -> dict[str, Scores]:
    for line in files.metrics():
        if line["step"] == step:
            return dict(line["validation"])
    return {}
