"""A run by its content: the same store and configurations are the same run, whoever asks."""

import fcntl
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from capture.files import write_text_atomic
from capture.terminal import OnProgress
from mavfer.store import open_store

from .card_scores import scored
from .checkpoint import load_checkpoint
from .config import ModelConfig, TrainConfig
from .evaluate import evaluate
from .evaluation import Evaluation
from .fit_chain import chain_of_run
from .knock_out import KnockOut
from .made_with import made_with
from .model_card import write_model_card
from .plateau import curve_of_metrics, last_step, plateau_left
from .predictions_file import predictions_table, write_parquet
from .run_evaluation import evaluation_path, read_evaluation, write_evaluation
from .run_folder import CHECKPOINT, CONFIG, RunFolder
from .train import TrainPlan, train

SPEC_VERSION = 2
"""Part of the key: raise it where the same configuration begins to mean another run."""
_FINISHED = "finished.json"
_EVALUATION_BATCH = 8


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A network to be trained and scored.

    Attributes
    ----------
    store_path : Path
    store_fingerprint : str
    model : ModelConfig
    train : TrainConfig
    preset : str
    split : str
        That is scored.
    """

    store_path: Path
    store_fingerprint: str
    model: ModelConfig
    train: TrainConfig
    preset: str
    split: str = "test"

    @property
    def key(self) -> str:
        """16 hexadecimal digits: equal for equal runs; where the store lies does not enter."""
        content = {
            "version": SPEC_VERSION,
            "store": self.store_fingerprint,
            "model": self.model.to_object(),
            "train": self.train.to_object(),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def folder(self, root: Path) -> Path:
        """Return the run's folder under `root`."""
        name = f"{self.model.architecture}-{'+'.join(m[0] for m in self.model.modalities)}"
        return root / "runs" / f"{name}-s{self.train.seed}-{self.key}"


@dataclass(frozen=True, slots=True)
class RunScores:
    """What a finished run scored.

    Attributes
    ----------
    spec : RunSpec
    evaluations : mapping of knock-out (``""``: none) to the JSON object of its evaluation
    facts : mapping
        What training came to: ``steps``, ``best_step``, ``n_parameters``, ``seconds_s``,
        ``made_with``, ``constant_output`` (its last validation found the same prediction for
        every clip) …
    metrics : sequence of mapping
        Lines of ``metrics.jsonl``, one a validation.
    predictions : Path
        Parquet file of every frame of the split, as trained.
    """

    spec: RunSpec
    evaluations: Mapping[str, Mapping[str, Any]]
    facts: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]
    predictions: Path


def is_trained(spec: RunSpec, root: Path) -> bool:
    """Whether its training has ended; scores may be missing."""
    return (spec.folder(root) / _FINISHED).is_file()


def is_finished(spec: RunSpec, root: Path, knock_outs: Sequence[str]) -> bool:
    """Whether there is nothing left to do."""
    folder = spec.folder(root)
    return is_trained(spec, root) and all(
        evaluation_path(folder, spec.split, name).is_file() for name in knock_outs
    )


def steps_of(spec: RunSpec, root: Path) -> tuple[int, int]:
    """Return the steps that the run has taken, and those to take as far as is known."""
    folder = spec.folder(root)
    lines = RunFolder(folder).metrics()
    taken = int(lines[-1]["step"]) if lines else 0
    total = last_step(spec.train, plateau_left(curve_of_metrics(lines)))
    return (total if (folder / _FINISHED).is_file() else taken), total


def fulfil(
    spec: RunSpec,
    root: Path,
    knock_outs: Sequence[str],
    *,
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Train and score what is missing of a run; another process at the same run is waited for.

    Interrupted anywhere, the next call goes on: training from the last moment that was kept,
    scoring from the last evaluation.

    Parameters
    ----------
    spec : RunSpec
    root : Path
        Folder of the benchmark.
    knock_outs : sequence of str
        As `KnockOut.parse` reads them; ``""`` is the network as trained.
    threads : int, optional
        CPU threads of this process.
    on_progress : callable, optional
        Called after every step.
    """
    folder = spec.folder(root)
    if threads is not None:
        torch.set_num_threads(threads)
    with _locked(folder), open_store(spec.store_path) as store:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if not (folder / _FINISHED).is_file():
            plan = TrainPlan(spec.model, spec.train, spec.preset, device)
            resume = (folder / CONFIG).is_file()
            earlier_s = RunFolder(folder).trained_s() if resume else 0.0
            result = train(store, folder, plan, resume=resume, on_progress=on_progress)
            facts = {
                "steps": result.steps,
                "best_step": result.best_step,
                "stopped": result.stopped,
                "plateau_end": result.plateau_end,
                "constant_output": result.constant_output,
                "n_parameters": result.n_parameters,
                "seconds_s": round(earlier_s + result.seconds_s, 1),
                "made_with": made_with(),
            }
            text = json.dumps(facts, indent=2, allow_nan=False) + "\n"
            write_text_atomic(folder / _FINISHED, text, overwrite=True)
        missing = [k for k in knock_outs if not evaluation_path(folder, spec.split, k).is_file()]
        if not missing:
            return
        network, info = load_checkpoint(folder / CHECKPOINT, device=device)
        chain = chain_of_run(network, info, store, run=folder, batch_size=_EVALUATION_BATCH)
        for name in missing:
            found = evaluate(
                network,
                info,
                store,
                split=spec.split,  # type: ignore[arg-type]  # checked by the command
                knock_out=KnockOut.parse([name]) if name else None,
                batch_size=_EVALUATION_BATCH,
            )
            processed = found.post_processed(chain.chains) if chain else None
            if not name:
                write_parquet(
                    predictions_table(found, processed),
                    evaluation_path(folder, spec.split, name).with_suffix(".parquet"),
                    {"run": spec.key, "split": spec.split},
                    overwrite=True,
                )
            path = evaluation_path(folder, spec.split, name)
            write_evaluation(path, found, processed, split=spec.split, knock_out=name)
            if not name and spec.split == "test":
                where = str(path.relative_to(folder))
                write_model_card(folder, store, info, test=scored(found, where=where))


def read_scores(spec: RunSpec, root: Path, knock_outs: Sequence[str]) -> RunScores:
    """Read what `fulfil` left."""
    folder = spec.folder(root)
    found = {k: read_evaluation(evaluation_path(folder, spec.split, k)) for k in knock_outs}
    facts = json.loads((folder / _FINISHED).read_text(encoding="utf-8"))
    predictions = evaluation_path(folder, spec.split, "").with_suffix(".parquet")
    return RunScores(spec, found, facts, RunFolder(folder).metrics(), predictions)


def evaluate_again(spec: RunSpec, root: Path, *, show: Collection[str] | None = None) -> Evaluation:
    """Evaluate a finished run once more, for pictures of its traces and its attention.

    Parameters
    ----------
    spec : RunSpec
    root : Path
    show : collection of str, optional
        Videos of which pictures may be kept; None: any.
    """
    with open_store(spec.store_path) as store:
        network, info = load_checkpoint(spec.folder(root) / CHECKPOINT)
        return evaluate(
            network,
            info,
            store,
            split=spec.split,  # type: ignore[arg-type]  # checked by the command
            batch_size=_EVALUATION_BATCH,
            show=show,
        )


def with_seed(spec: RunSpec, seed: int) -> RunSpec:
    """Return the same run with another seed."""
    return replace(spec, train=replace(spec.train, seed=seed))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time work at a run; the lock goes with its process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
