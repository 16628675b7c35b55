"""Section III of the paper and Table I written out slowly: the oracle of `test_transcription`.

Every sum is a loop: over steps, gates, guides, taps of kernels, pixels of pools. Nothing here is
shared with the package except the weights, which are read by name.
"""

import itertools

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve (B, C, ...) with an odd kernel, zeros outside: what each tap sees, weighed."""
    size, kernel = x.shape[2:], weight.shape[2:]
    padded = x.new_zeros(*x.shape[:2], *(n + k - 1 for n, k in zip(size, kernel, strict=True)))
    inside = tuple(slice(k // 2, k // 2 + n) for n, k in zip(size, kernel, strict=True))
    padded[(slice(None), slice(None), *inside)] = x
    seen = []
    for tap in itertools.product(*(range(k) for k in kernel)):
        window = tuple(slice(k, k + n) for k, n in zip(tap, size, strict=True))
        seen.append(padded[(slice(None), slice(None), *window)])
    total = torch.einsum("ock,kbc...->bo...", weight.flatten(2), torch.stack(seen))
    if bias is not None:
        total = total + bias.reshape(1, -1, *[1] * len(size))
    return total


def pooled(x: Tensor, steps: tuple[int, ...]) -> Tensor:
    """Take the largest of each block of pixels."""
    parts = []
    for offset in itertools.product(*(range(k) for k in steps)):
        window = tuple(slice(o, None, k) for o, k in zip(offset, steps, strict=True))
        parts.append(x[(slice(None), slice(None), *window)])
    return torch.stack(parts).amax(0)


def deconvolved(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Spread every pixel of (B, C, H, W) over 2x2 pixels."""
    batch, _, height, width = x.shape
    out = x.new_zeros(batch, weight.shape[1], 2 * height, 2 * width)
    for dy in range(2):
        for dx in range(2):
            out[:, :, dy::2, dx::2] = torch.einsum("co,bchw->bohw", weight[:, :, dy, dx], x)
    return out if bias is None else out + bias[:, None, None]


def interpolated(x: Tensor, kind: str) -> Tensor:
    """Double height and width pixel by pixel, edges repeated."""
    for axis in (2, 3):
        n = x.shape[axis]
        lines = []
        for k in range(2 * n):
            if kind == "nearest":
                lines.append(x.select(axis, k // 2))
                continue
            position = (k + 0.5) / 2 - 0.5
            below = int(position // 1)
            share = position - below
            low, high = min(max(below, 0), n - 1), min(max(below + 1, 0), n - 1)
            lines.append((1 - share) * x.select(axis, low) + share * x.select(axis, high))
        x = torch.stack(lines, axis)
    return x


def upsampled(x: Tensor, weights: Weights, name: str, kind: str) -> Tensor:
    weight, bias = weights.get(f"{name}.layer.weight"), weights.get(f"{name}.layer.bias")
    if kind == "deconvolution":
        return deconvolved(x, weight, bias)
    # Interpolation first: the package convolves first, which must make no difference.
    x = interpolated(x, kind)
    return x if weight is None else convolution(x, weight, bias)


class Gates:
    """The weights of one A-LSTM or AG-LSTM, gate by gate under the names of eq. 1 and 2."""

    def __init__(self, weights: Weights, name: str) -> None:
        get = {k.removeprefix(f"{name}."): w for k, w in weights.items() if k.startswith(name)}
        n = get["weight_h"].shape[1]
        self.n = n
        self.x = dict(zip("ifoc", get["weight_x"].split(n), strict=True))
        self.h = dict(zip("ifoc", get["weight_h"].split(n), strict=True))
        self.b = dict(zip("ifoc", get["bias"].split(n), strict=True))
        self.g = [
            dict(zip("ifoc", get[f"weight_guides.{k}"].split(n), strict=True))
            for k in range(sum(key.startswith("weight_guides.") for key in get))
        ]
        self.c = dict(zip("if", get["weight_c"].split(n), strict=True)) if "weight_c" in get else {}
        hadamard = get.get("weight_peephole")
        self.peephole: dict[str, Tensor] = {}
        if hadamard is not None:
            names = "o" if len(hadamard) == 1 else "ifo"
            self.peephole = dict(zip(names, hadamard, strict=True))


def lstm(
    gates: Gates,
    x: list[Tensor],
    guides: list[list[Tensor]],
    x_forget: list[Tensor],
    guide_step: str,
) -> list[Tensor]:
    """Eq. 2, and eq. 1 where there are no guides."""
    batch, _, height, width = x[0].shape
    zero = x[0].new_zeros(batch, gates.n, height, width)
    h, c = zero, zero
    states: list[Tensor] = []
    for t in range(len(x)):

        def term(gate: str, entering: Tensor, t: int = t, h: Tensor = h) -> Tensor:
            total = convolution(entering, gates.x[gate]) + convolution(h, gates.h[gate])
            for weight, guide in zip(gates.g, guides, strict=True):
                if guide_step == "same":
                    total = total + convolution(guide[t], weight[gate])
                elif t > 0:
                    total = total + convolution(guide[t - 1], weight[gate])
            return total + gates.b[gate][:, None, None]

        def peep(gate: str, cell: Tensor) -> Tensor:
            if gate in gates.c:
                return convolution(cell, gates.c[gate])
            return gates.peephole[gate] * cell if gate in gates.peephole else torch.zeros_like(cell)

        i = torch.sigmoid(term("i", x[t]) + peep("i", c))
        f = torch.sigmoid(term("f", x_forget[t]) + peep("f", c))
        candidate = torch.tanh(term("c", x[t]))
        after = f * c + i * candidate
        o = torch.sigmoid(term("o", x[t]) + peep("o", after))
        c = after
        h = o * torch.tanh(c)
        states.append(h)
    return states


def encoded(frame: Tensor, weights: Weights, name: str) -> Tensor:
    """Table I, spatial encoder: convolution, ReLU, pool, three times."""
    for layer in (0, 3, 6):
        frame = convolution(
            frame,
            weights[f"{name}.encoder.{layer}.weight"],
            weights[f"{name}.encoder.{layer}.bias"],
        )
        frame = pooled(torch.clamp(frame, min=0), (2, 2))
    return frame


def stream(
    clip: Tensor,
    weights: Weights,
    name: str,
    config,
    guides: list[tuple[list[list[Tensor]], list[list[Tensor]]]],
) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """Return what enters each recurrent layer and its hidden states, by layer and step."""
    entering = [encoded(frame, weights, name) for frame in clip]
    inputs: list[list[Tensor]] = []
    states: list[list[Tensor]] = []
    for layer in range(3):
        if layer:
            up = f"{name}.ups.{layer - 1}"
            entering = [upsampled(h, weights, up, config.upsampling) for h in states[-1]]
        inputs.append(entering)
        from_guides = [guide_states[layer] for _, guide_states in guides]
        path = f"{name}.lstms.{layer}"
        if config.architecture == "spatial":
            weight, bias = weights[f"{path}.layer.weight"], weights[f"{path}.layer.bias"]
            states.append(
                [
                    torch.tanh(convolution(torch.cat([x, *now], 1), weight, bias))
                    for x, *now in zip(entering, *from_guides, strict=True)
                ]
            )
            continue
        forget = entering
        if guides and config.forget_input == "thermal":
            forget = guides[config.guides.index("thermal")][0][layer]
        states.append(lstm(Gates(weights, path), entering, from_guides, forget, config.guide_step))
    return inputs, states


def attention_of(logits: Tensor, weights: Weights, kind: str) -> Tensor:
    """Eq. 3 for one frame (B, 1, H, W), one clip after the other."""
    maps = []
    for logit in logits:
        values = logit.flatten()
        if kind == "standardise":
            mean = values.sum() / len(values)
            variance = ((values - mean) ** 2).sum() / len(values)
            values = weights["softmax.gain"] * (values - mean) / torch.sqrt(variance + 1e-10)
        exponentials = torch.exp(values)
        share = exponentials / exponentials.sum()
        if kind != "literal":
            share = share * len(values)
        if kind == "residual":
            share = 1 + share
        maps.append(share.reshape(logit.shape))
    return torch.stack(maps)


def transcribed(weights: Weights, clips: dict[str, Tensor], config) -> tuple[Tensor, Tensor]:
    """Return score and attention of MRAN, URAN or the variant without recurrence."""
    guides = [stream(clips[name], weights, f"guides.{name}", config, []) for name in config.guides]
    target = clips[config.target]
    _, states = stream(target, weights, "target", config, guides)
    attention = torch.stack(
        [
            attention_of(upsampled(h, weights, "up3", config.upsampling), weights, config.attention)
            for h in states[-1]
        ]
    )
    volume = torch.stack(list(target), 2)  # (B, C, T, H, W)
    x = torch.clamp(
        convolution(volume, weights["features.weight"], weights["features.bias"]), min=0
    )
    x = x * torch.stack(list(attention), 2)  # eq. 4
    for layer in (0, 3, 6, 9):
        name = f"head.features.{layer}"
        x = torch.clamp(convolution(x, weights[f"{name}.weight"], weights[f"{name}.bias"]), min=0)
        x = pooled(x, (2 if x.shape[2] > 1 else 1, 2, 2))
    hidden = x.flatten(1) @ weights["head.fc1.weight"].T + weights["head.fc1.bias"]
    score = torch.clamp(hidden, min=0) @ weights["head.fc2.weight"].T + weights["head.fc2.bias"]
    if not config.categorical:
        score = torch.tanh(score)
    if config.label == "frames":
        score = score.reshape(len(score), len(target), -1)
    return score, attention
