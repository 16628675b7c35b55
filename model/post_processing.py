"""Post-processing of predictions as in the AV+EC challenges: smoothing, centring, scaling.

Fitted on people whom the network was trained or chosen with, never on those it is tested on, and
kept step by step only where CCC rises there (Valstar et al., AVEC 2016; section V.B of the MRAN
paper, which leaves the time shift out). Scaling is about the mean, so that it does not undo
centring.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from annotation.agreement import ccc
from capture.files import write_text_atomic

from .errors import ModelError
from .strict import from_object

FORMAT = "mavfer-post-processing"
SCHEMA_VERSION = 1
_WINDOWS_S = (0.4, 0.75, 1.25, 1.75, 2.5, 3.5, 5.0, 7.5, 10.0, 15.0, 20.0)
"""Median windows tried; the challenges search 0.4 to 20 s."""
_SMALLEST_SD = 1e-6


@dataclass(frozen=True, slots=True)
class PostProcessing:
    """The chain of one output.

    Attributes
    ----------
    window_s : float
        Of the median filter; 0: none.
    shift : float
        Added: mean of the gold labels minus mean of the predictions.
    scale, about : float
        Deviations from `about` are multiplied by `scale`.
    """

    window_s: float = 0.0
    shift: float = 0.0
    scale: float = 1.0
    about: float = 0.0

    def apply(
        self, values: NDArray[np.floating], time_ns: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Process the predictions (N,) of one video."""
        smooth = smoothed(np.asarray(values, np.float64), time_ns, window_s=self.window_s)
        centred = smooth + self.shift
        return (centred - self.about) * self.scale + self.about


Trace = tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.int64]]
"""Predicted (N,), gold (N,) and time_ns (N,) of one video."""


def smoothed(
    values: NDArray[np.float64], time_ns: NDArray[np.int64], *, window_s: float
) -> NDArray[np.float64]:
    """Median over an odd number of frames that spans about `window_s`; ends are mirrored."""
    if window_s <= 0 or len(values) < 3:
        return values
    step_s = float(np.median(np.diff(time_ns))) / 1e9
    size = 2 * round(window_s / max(step_s, 1e-9) / 2) + 1
    if size < 3:
        return values
    largest = 2 * len(values) - 1
    filtered: NDArray[np.float64] = median_filter(values, min(size, largest), mode="reflect")
    return filtered


def fit_post_processing(traces: Sequence[Trace]) -> PostProcessing:
    """Choose the chain that raises the CCC of all frames of `traces` together.

    Each step is kept only where the CCC rises; without labels nothing is done.
    """
    gold = np.concatenate([trace[1] for trace in traces]) if traces else np.empty(0)
    known = np.isfinite(gold)
    if known.sum() < 2:
        return PostProcessing()

    def outcome(chain: PostProcessing) -> tuple[float, NDArray[np.float64]]:
        values = np.concatenate([chain.apply(p, t) for p, _, t in traces])
        found = ccc(values[known], gold[known].astype(np.float64))
        return (found if np.isfinite(found) else 0.0), values[known]

    best = PostProcessing()
    score, values = outcome(best)
    for window_s in _WINDOWS_S:
        candidate = PostProcessing(window_s)
        reached, smooth = outcome(candidate)
        if reached > score:
            best, score, values = candidate, reached, smooth
    mean = float(gold[known].mean())
    candidate = PostProcessing(best.window_s, shift=mean - float(values.mean()))
    reached, centred = outcome(candidate)
    if reached > score:
        best, score, values = candidate, reached, centred
    sd = float(values.std())
    if sd > _SMALLEST_SD:
        candidate = PostProcessing(
            best.window_s, best.shift, float(gold[known].std()) / sd, float(values.mean())
        )
        reached, _ = outcome(candidate)
        if reached > score:
            best = candidate
    return best


@dataclass(frozen=True, slots=True)
class FittedChain:
    """The chains of a run and what they were fitted on.

    Attributes
    ----------
    chains : mapping of output to PostProcessing
    step : int
        Of the checkpoint they belong to.
    store_fingerprint : str
    subjects : tuple of str
        Whose frames they were fitted on.
    """

    chains: Mapping[str, PostProcessing]
    step: int
    store_fingerprint: str
    subjects: tuple[str, ...]

    def to_object(self) -> dict[str, Any]:
        """Return the JSON object that `read_chain` reads."""
        return {
            "format": FORMAT,
            "schema_version": SCHEMA_VERSION,
            "step": self.step,
            "store_fingerprint": self.store_fingerprint,
            "subjects": list(self.subjects),
            "outputs": {name: asdict(chain) for name, chain in self.chains.items()},
        }


def write_chain(path: Path, chain: FittedChain) -> None:
    """Keep `chain` beside the checkpoint."""
    text = json.dumps(chain.to_object(), indent=2, allow_nan=False) + "\n"
    write_text_atomic(path, text, overwrite=True)


def read_chain(path: Path) -> FittedChain | None:
    """Read what `write_chain` wrote; None where there is nothing.

    Raises
    ------
    ModelError
        Damaged or of another version.
    """
    if not path.is_file():
        return None
    remedy = "delete it: it is fitted again"
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["format"] != FORMAT or value["schema_version"] != SCHEMA_VERSION:
            raise ModelError(f"{path} is no post-processing of this version", remedy=remedy)
        subjects = value["subjects"]
        return FittedChain(
            {
                str(name): from_object(PostProcessing, entry, where=str(path))
                for name, entry in value["outputs"].items()
            },
            int(value["step"]),
            str(value["store_fingerprint"]),
            tuple(str(name) for name in subjects),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path} is damaged ({error!r:.80})", remedy=remedy) from error
