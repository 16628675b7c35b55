"""A network that was never trained, for what is done with predictions."""

from model.checkpoint import CheckpointInfo
from model.config import ModelConfig, TrainConfig
from model.initialise import build_network
from model.prediction import Network

CONFIG = ModelConfig(
    "mran",
    ("color", "depth", "thermal"),
    input_px=16,
    width=1 / 8,
    fc_units=8,
    attention="standardise",
    upsampling="bilinear",
    normalisation="clip",
)


def untrained(config: ModelConfig = CONFIG) -> tuple[Network, CheckpointInfo]:
    info = CheckpointInfo(
        config, TrainConfig(), "small", {}, "x", 0, {}, validation_subjects=("V0", "V1")
    )
    return build_network(config, seed=0, initialisation="he"), info
