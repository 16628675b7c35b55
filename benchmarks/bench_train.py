"""Training step of the paper-size MRAN beside the same network with eq. 1 and 2 written naively.

The peer convolves gate by gate and step by step, as published ConvLSTM modules do; weights,
encoders and head are the same, so the ratio is the recurrence's doing. One thread, one clip.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv3d
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.figure import emit
from model.initialise import build_network
from model.network import RecurrentAttentionNetwork
from model.presets import preset
from model.recurrent import ConvLSTM

_MODALITIES = ("color", "depth", "thermal")
_REPEATS = 3
_SAME_SCORE = 1e-5


def naive_forward(
    layer: ConvLSTM, x: Tensor, guides: tuple[Tensor, ...] = (), _forget: Tensor | None = None
) -> Tensor:
    """Run eq. 2 with a convolution for every gate, input, guide and step."""
    n = layer.hidden_channels
    weights_x, weights_h = torch.split(layer.weight_x, n), torch.split(layer.weight_h, n)
    biases = torch.split(layer.bias, n)
    weights_g = [torch.split(weight, n) for weight in layer.weight_guides]
    assert layer.weight_c is not None  # noqa: S101 - the paper preset has both peepholes
    assert layer.weight_peephole is not None  # noqa: S101
    weights_c = torch.split(layer.weight_c, n)
    h = c = x.new_zeros(x.shape[1], n, *x.shape[3:])
    before = [torch.zeros_like(guide[0]) for guide in guides]
    states = []
    for t in range(len(x)):
        gates = []
        for k in range(4):
            gate = conv2d(x[t], weights_x[k], biases[k], padding=1)
            gate = gate + conv2d(h, weights_h[k], padding=1)
            for guide, weight in zip(before, weights_g, strict=True):
                gate = gate + conv2d(guide, weight[k], padding=1)
            if k < 2:
                gate = gate + conv2d(c, weights_c[k], padding=1)
            gates.append(gate)
        c = torch.sigmoid(gates[1]) * c + torch.sigmoid(gates[0]) * torch.tanh(gates[3])
        h = torch.sigmoid(gates[2] + layer.weight_peephole[0] * c) * torch.tanh(c)
        states.append(h)
        before = [guide[t] for guide in guides]
    return torch.stack(states)


@contextmanager
def naive_recurrence() -> Iterator[None]:
    """Swap the layers' forward for the naive one."""
    ours = ConvLSTM.forward
    ConvLSTM.forward = naive_forward  # type: ignore[assignment]  # the peer, for the block only
    try:
        yield
    finally:
        ConvLSTM.forward = ours  # type: ignore[method-assign]  # as above


def step(network: RecurrentAttentionNetwork, clips: dict[str, Tensor]) -> Tensor:
    """Run forward and backward; return the scores, to compare.

    Not the gradients: in float32 a maximum pooled from two nearly equal values may be taken from
    the other one. That they agree is tested in float64.
    """
    network.zero_grad()
    score: Tensor = network(clips).score
    (score**2).sum().backward()
    return score.detach()


def fastest_s(work: Callable[[], object]) -> float:
    """Return the least CPU time of a few runs: other processes do not count."""
    best_s = float("inf")
    for _ in range(_REPEATS):
        begun_s = time.process_time()
        work()
        best_s = min(best_s, time.process_time() - begun_s)
    return best_s


def peak_gflops() -> float:
    """Measure the convolution rate of one thread: the head's widest-used 3D layer."""
    x = torch.randn(1, 32, 16, 96, 96).to(memory_format=torch.channels_last_3d)
    weight = torch.randn(32, 32, 3, 3, 3).to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        seconds_s = fastest_s(lambda: conv3d(x, weight, padding=1))
    return 2 * 32 * 32 * 27 * 16 * 96 * 96 / seconds_s / 1e9


def clips_of(network: RecurrentAttentionNetwork, batch: int) -> dict[str, Tensor]:
    """Make random normalised clips."""
    config = network.config
    random = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(
            config.clip_length,
            batch,
            3 if name == "color" else 1,
            config.input_px,
            config.input_px,
            generator=random,
        )
        for name in config.modalities
    }


def main() -> None:
    """Print step times, the ratio to the peer and the rate beside the measured peak."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for name, batch in (("paper", 1), ("small", 8)):
            config, training = preset(
                "paper" if name == "paper" else "small",
                architecture="mran",
                modalities=_MODALITIES,
            )
            network = build_network(
                config,
                seed=0,
                initialisation=training.initialisation,
                output_gain=training.output_gain,
            ).eval()
            clips = clips_of(network, batch)
            ours = step(network, clips)
            ours_s = fastest_s(lambda: step(network, clips))  # noqa: B023 - called before the next turn
            with naive_recurrence():
                drift = float((step(network, clips) - ours).abs().max())
                peer_s = fastest_s(lambda: step(network, clips))  # noqa: B023 - as above
            if not drift < _SAME_SCORE:
                raise RuntimeError(f"the peer computes something else: scores differ by {drift}")
            emit(
                "train",
                f"mran_{name}_step_batch{batch}",
                ours_s,
                unit="CPU s",
                peer=peer_s,
                peer_name="per gate, per step",
            )
            if name == "paper":
                with FlopCounterMode(display=False) as counter:
                    step(network, clips)
                emit(
                    "train",
                    "mran_paper_rate",
                    counter.get_total_flops() / ours_s / 1e9,
                    unit="GFLOP/s",
                    peer=peak_gflops(),
                    peer_name="3D convolution, 32 to 32 channels, forward",
                )
    finally:
        torch.set_num_threads(threads)
