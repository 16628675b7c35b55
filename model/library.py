"""MRAN and URAN for use from Python: a training run in, scores of crops out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from .architectures import laid_out
from .catalogue import Architecture
from .checkpoint import CheckpointInfo, load_checkpoint
from .config import ModelConfig
from .errors import ModelError
from .network import RecurrentAttentionNetwork
from .prediction import Prediction
from .preprocess import prepare
from .run_folder import RunFolder


class _Library(RecurrentAttentionNetwork):
    """A network that remembers the run it comes from.

    Attributes
    ----------
    info : CheckpointInfo or None
        None for a network that was built, not loaded.
    """

    architecture: ClassVar[Architecture]

    def __init__(self, config: ModelConfig, info: CheckpointInfo | None = None) -> None:
        if config.architecture != self.architecture:
            raise ModelError(
                f"the config is of a {config.architecture}, not of {self.architecture}"
            )
        super().__init__(config)
        self.info = info
        laid_out(self)

    @classmethod
    def from_pretrained(cls, run: Path | str, *, device: torch.device | str = "cpu") -> Self:
        """Load the checkpoint of a training run, in evaluation mode.

        Parameters
        ----------
        run : Path
            The run's folder, or a checkpoint file.
        device : torch.device or str

        Raises
        ------
        CheckpointError
            Missing or damaged.
        ModelError
            The run is of another architecture.
        """
        path = Path(run)
        path = RunFolder(path).checkpoint if path.is_dir() else path
        loaded, info = load_checkpoint(path, device=device)
        network = cls(info.model, info).to(device)
        network.load_state_dict(loaded.state_dict())
        return network.eval()

    @torch.inference_mode()
    def predict(self, crops: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Score clips of crops as a clip store holds them.

        Parameters
        ----------
        crops : mapping of modality to array
            color (B, T, H, W, 3) uint8 RGB; depth (B, T, H, W) uint16 mm and thermal (B, T, H, W)
            uint16 counts of 0.04 K, 0 where there is none; T is the config's clip length.

        Returns
        -------
        (B, K) or (B, T, K) float32
            Scores in [-1, 1], or logits of categories.
        """
        prediction = self.predict_with_attention(crops)
        scores: NDArray[np.float32] = prediction.score.cpu().numpy()
        return scores

    @torch.inference_mode()
    def predict_with_attention(self, crops: Mapping[str, NDArray[Any]]) -> Prediction:
        """Score clips as `predict` does; also return the attention cube (T, B, 1, h, w)."""
        if self.info is None:
            raise ModelError(
                f"this {self.architecture} was built, not loaded: how its input is normalised is "
                "not known",
                remedy="use from_pretrained, or prepare clips with model.preprocess",
            )
        device = next(self.parameters()).device
        tensors = {}
        for name in self.config.modalities:
            if name not in crops:
                raise ModelError(f"no {name} among the crops: {', '.join(crops) or '(none)'}")
            array = np.ascontiguousarray(crops[name])
            expected = np.uint8 if name == "color" else np.uint16
            n_axes = 5 if name == "color" else 4
            length = self.config.clip_length
            if array.dtype != expected or array.ndim != n_axes or array.shape[1] != length:
                raise ModelError(
                    f"{name} is {array.dtype} of shape {array.shape}, expected "
                    f"{np.dtype(expected)} of shape (B, {length}, H, W"
                    f"{', 3' if name == 'color' else ''})"
                )
            tensors[name] = torch.from_numpy(array).to(device)
        prediction: Prediction = self(prepare(tensors, self.config, self.info.stats))
        return prediction


class MRAN(_Library):
    """Multi-modal recurrent attention network: the first modality recognised, the others guide."""

    architecture = "mran"


class URAN(_Library):
    """Uni-modal recurrent attention network."""

    architecture = "uran"
