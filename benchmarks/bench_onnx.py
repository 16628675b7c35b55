"""MRAN and URAN of the paper's size as ONNX files: size, error, time beside torch.

Weights are random, drawn as for training, so that scores differ. One thread and CPU time, runs of
both in turn.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from benchmarks.bench_train import clips_of, cpu_s, predicted
from benchmarks.figure import emit
from model.checkpoint import CheckpointInfo
from model.config import CHANNELS, TrainConfig
from model.export import export_onnx
from model.initialise import build_network
from model.presets import preset

_NETWORKS = {"mran": ("color", "depth", "thermal"), "uran": ("color",)}
_ROUNDS = 4


def session_of(path: Path) -> onnxruntime.InferenceSession:
    """Open a file on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def measure(architecture: str, modalities: tuple[str, ...], folder: Path) -> None:
    """Export one network, compare and time it."""
    config, _ = preset("paper", architecture=architecture, modalities=modalities)  # type: ignore[arg-type]  # a name of the catalogue
    network = build_network(config, seed=0, initialisation="he").eval()
    stats = {n: {"mean": [0.0] * CHANNELS[n], "std": [1.0] * CHANNELS[n]} for n in modalities}
    info = CheckpointInfo(config, TrainConfig(), "paper", stats, "none", 0, {})
    path = folder / f"{architecture}.onnx"
    begun_s = time.process_time()
    check = export_onnx(network, info, path)
    emit("onnx", f"{architecture}_export_s", time.process_time() - begun_s, unit="CPU s")
    emit("onnx", f"{architecture}_file_mb", path.stat().st_size / 1e6, unit="MB")
    emit("onnx", f"{architecture}_score_error", 1e6 * check.score, unit="1e-6")
    emit(
        "onnx",
        f"{architecture}_attention_error",
        1e6 * check.attention,
        unit="1e-6 of the map",
    )

    session, clips = session_of(path), clips_of(network, 1)
    feed = {name: np.ascontiguousarray(clip.transpose(0, 1)) for name, clip in clips.items()}
    ours = theirs = float("inf")
    for _ in range(_ROUNDS):
        ours = min(ours, cpu_s(lambda: session.run(None, feed)))
        theirs = min(theirs, cpu_s(lambda: predicted(network, clips)))
    emit(
        "onnx",
        f"{architecture}_clip_s",
        ours,
        unit="CPU s a clip, one thread",
        peer=theirs,
        peer_name="torch",
    )


def main() -> None:
    """Print all figures."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory(prefix="mavfer-onnx-") as folder:
            for architecture, modalities in _NETWORKS.items():
                measure(architecture, modalities, Path(folder))
    finally:
        torch.set_num_threads(threads)
