"""The post-processing of a run: fitted once, kept beside its checkpoint, used ever after."""

import logging
from collections.abc import Collection
from pathlib import Path

from capture.terminal import OnProgress
from mavfer.store import ClipStore

from .checkpoint import CheckpointInfo
from .errors import ModelError
from .evaluate import evaluate
from .evaluation import Evaluation
from .post_processing import FittedChain, fit_post_processing, read_chain, write_chain
from .prediction import Network
from .run_folder import POST_PROCESSING

logger = logging.getLogger(__name__)


def chain_of_run(
    network: Network,
    info: CheckpointInfo,
    store: ClipStore,
    *,
    run: Path | None,
    batch_size: int = 8,
    on_progress: OnProgress | None = None,
) -> FittedChain | None:
    """Return the run's post-processing, fitting it to the store it was trained on where needed.

    The validation subjects are used, or the training subjects where there are none; never the
    test split.

    Parameters
    ----------
    run : Path, optional
        Run folder; the chain is kept there.

    Returns
    -------
    FittedChain or None
        None where nothing can be fitted: categories, no labels, another store than that of the
        training.
    """
    if info.model.categorical:
        return None
    kept = read_chain(run / POST_PROCESSING) if run is not None else None
    if kept and kept.step == info.step and kept.store_fingerprint == info.store_fingerprint:
        return kept
    if store.fingerprint != info.store_fingerprint:
        return None
    subjects: Collection[str] = info.validation_subjects or {
        video.subject for video in store.videos.values() if video.split == "train"
    }
    try:
        found = evaluate(
            network,
            info,
            store,
            split=None,
            subjects=subjects,
            batch_size=batch_size,
            on_progress=on_progress,
        )
    except ModelError:  # nobody of them has a clip with a face
        return None
    chain = fitted(found, info, subjects)
    if run is not None:
        try:
            write_chain(run / POST_PROCESSING, chain)
        except OSError as error:  # somebody else's run: it is fitted again another time
            logger.info("%s is not kept: %s", run / POST_PROCESSING, error)
    return chain


def fitted(evaluation: Evaluation, info: CheckpointInfo, subjects: Collection[str]) -> FittedChain:
    """Fit a chain for each output to an evaluation of people known from training."""
    chains = {
        name: fit_post_processing(
            [(v.predicted[:, k], v.gold[:, k], v.time_ns) for v in evaluation.videos]
        )
        for k, name in enumerate(evaluation.outputs)
    }
    return FittedChain(chains, info.step, info.store_fingerprint, tuple(sorted(subjects)))
