"""The paper-size MRAN beside the same network written straightforwardly, and beside the machine.

One thread and CPU time: other processes count little, though they share caches and clocks. The
peak is the best convolution of this machine in the same run. Memory is measured in processes of
its own. Predictions alone are timed by the wall, on all cores.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv3d
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.figure import emit
from benchmarks.naive_recurrence import in_default_layout, naive_recurrence
from model.config import CHANNELS
from model.device import keep_freed_memory
from model.initialise import build_network
from model.prediction import Network
from model.presets import preset

_MODALITIES = ("color", "depth", "thermal")
_BATCH, _MEMORY_BATCH = 2, 4
_ROUNDS = 4
_SAME_SCORE = 1e-4
_PEER = "per gate, per step, default layout"


def paper_mran() -> Network:
    """Build the network of the preset ``paper``, without dropout."""
    config, _ = preset("paper", architecture="mran", modalities=_MODALITIES)
    return build_network(config, seed=0).eval()


def clips_of(network: Network, batch: int) -> dict[str, Tensor]:
    """Make random normalised clips."""
    config = network.config
    random = torch.Generator().manual_seed(0)
    size = (config.input_px, config.input_px)
    return {
        name: torch.randn(config.clip_length, batch, CHANNELS[name], *size, generator=random)
        for name in config.modalities
    }


def predicted(network: Network, clips: dict[str, Tensor]) -> Tensor:
    """Run forward alone."""
    with torch.inference_mode():
        score: Tensor = network(clips).score
    return score


def step(network: Network, clips: dict[str, Tensor]) -> None:
    """Run forward and backward.

    Gradients are not compared here: in float32 a maximum pooled from two nearly equal values may
    be taken from the other one. That they agree is tested in float64.
    """
    network.zero_grad()
    (network(clips).score ** 2).sum().backward()


def cpu_s(work: Callable[[], object]) -> float:
    """Return the CPU time of one run."""
    begun_s = time.process_time()
    work()
    return time.process_time() - begun_s


def peaks() -> dict[str, tuple[Callable[[], object], float]]:
    """Return convolutions that run at the machine's rate, and their GFLOP."""
    image = torch.randn(16, 128, 48, 48).to(memory_format=torch.channels_last)
    kernel = torch.randn(128, 128, 3, 3).to(memory_format=torch.channels_last)
    volume = torch.randn(1, 32, 16, 96, 96).to(memory_format=torch.channels_last_3d)
    kernel3d = torch.randn(32, 32, 3, 3, 3).to(memory_format=torch.channels_last_3d)
    return {
        "2D": (
            lambda: conv2d(image, kernel, padding=1),
            2 * 9 * 128 * 128 * 16 * 48 * 48 / 1e9,
        ),
        "3D": (
            lambda: conv3d(volume, kernel3d, padding=1),
            2 * 27 * 32 * 32 * 16 * 96 * 96 / 1e9,
        ),
    }


def gflop(work: Callable[[], object]) -> float:
    """Count the operations of one run."""
    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops()) / 1e9


def speed() -> None:
    """Print clips per second, the fraction of the peak, and the peer's."""
    ours, peer = paper_mran(), paper_mran()
    in_default_layout(peer)
    clips = clips_of(ours, _BATCH)
    best: dict[str, float] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        best[name] = min(best.get(name, float("inf")), cpu_s(work))

    peak = peaks()
    kinds: dict[str, tuple[Network, Callable[[], AbstractContextManager[None]]]] = {
        "ours": (ours, nullcontext),
        "peer": (peer, naive_recurrence),
    }
    with naive_recurrence():
        drift = float((predicted(peer, clips) - predicted(ours, clips)).abs().max())
    if not drift < _SAME_SCORE:
        raise RuntimeError(f"the peer computes something else: scores differ by {drift}")
    for _ in range(_ROUNDS):
        for name, (work, _) in peak.items():
            timed(name, work)
        for name, (network, formulation) in kinds.items():
            with formulation():
                timed(f"{name} forward", lambda: predicted(network, clips))  # noqa: B023 - called at once
                timed(f"{name} train", lambda: step(network, clips))  # noqa: B023 - as above
    peak_rate = max(amount / best[name] for name, (_, amount) in peak.items())
    emit("train", "conv_peak", peak_rate, unit="GFLOP/s, one thread")
    # Operations of the straightforward form for both: what ours leaves out is not work done.
    with naive_recurrence():
        amounts = {
            "forward": gflop(lambda: predicted(peer, clips)),
            "train": gflop(lambda: step(peer, clips)),
        }
    for kind, amount in amounts.items():
        emit(
            "train",
            f"{kind}_clips_per_s",
            _BATCH / best[f"ours {kind}"],
            unit="clips per CPU s",
            peer=_BATCH / best[f"peer {kind}"],
            peer_name=_PEER,
        )
        metric = "fraction_of_conv_peak" + ("_forward" if kind == "forward" else "")
        emit(
            "train",
            metric,
            amount / best[f"ours {kind}"] / peak_rate,
            unit="of the peak",
            peer=amount / best[f"peer {kind}"] / peak_rate,
            peer_name=_PEER,
        )


def peak_rss_mb(kind: str) -> float:
    """Train two steps and return the process's largest memory."""
    torch.set_num_threads(1)
    network = paper_mran()
    network.checkpointing = kind == "checkpointing"
    if kind != "checkpointing":
        keep_freed_memory()
    with naive_recurrence() if kind == "peer" else nullcontext():
        clips = clips_of(network, _MEMORY_BATCH)
        for _ in range(2):
            step(network, clips)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory() -> None:
    """Print the peak memory of training with batches of 4."""
    context = multiprocessing.get_context("spawn")
    found = {}
    for kind in ("ours", "peer", "checkpointing"):
        with context.Pool(1) as pool:
            found[kind] = pool.apply(peak_rss_mb, (kind,))
    emit("train", "peak_rss_mb", found["ours"], unit="MB", peer=found["peer"], peer_name=_PEER)
    emit(
        "train",
        "peak_rss_mb_checkpointing",
        found["checkpointing"],
        unit="MB",
        peer=found["ours"],
        peer_name="ours without checkpointing",
    )


def predictions() -> None:
    """Print predictions per second by the wall, on all cores."""
    torch.set_num_threads(max(1, torch.get_num_threads(), multiprocessing.cpu_count()))
    network = paper_mran()
    clips = clips_of(network, 4)
    best_s = float("inf")
    for _ in range(_ROUNDS):
        begun_s = time.monotonic()
        predicted(network, clips)
        best_s = min(best_s, time.monotonic() - begun_s)
    emit("train", "predicted_clips_per_s", 4 / best_s, unit="clips/s, wall, all cores")


def main() -> None:
    """Print all figures."""
    threads = torch.get_num_threads()
    keep_freed_memory()
    torch.set_num_threads(1)
    try:
        speed()
        memory()
        predictions()
    finally:
        torch.set_num_threads(threads)
