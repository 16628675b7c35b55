"""The recurrence of a convolutional LSTM over a clip, with its gradient written out.

Automatic differentiation of the loop computes the weights' gradient once a step and adds the
pieces up. Written by hand, the loop backwards in time only carries the states' gradients; each
weight's gradient is then one convolution over the images of all steps. The values are the same
(tests/model/test_convlstm.py holds both against an explicit loop of eq. 1 in double precision).

Under autocast the convolutions run in the half type and everything that is carried from step to
step stays float32, forwards and backwards.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional

_FEW_CHANNELS = 16
"""Hidden channels up to which a step is laid out to save calls and not arithmetic: measured."""


class Peephole(NamedTuple):
    """Weights from the cell to the gates.

    Attributes
    ----------
    convolution : (2h, h, 3, 3) or None
        From c[t-1] to i and f.
    hadamard : (1, h, H, W) for o, (3, h, H, W) for i, f and o, or None
        From c[t-1] to i and f, from c[t] to o.
    """

    convolution: Tensor | None
    hadamard: Tensor | None


def scan(gates_x: Tensor, weight_h: Tensor, peephole: Peephole) -> Tensor:
    """Return h[t] of every step of eq. 1.

    Parameters
    ----------
    gates_x : (T, B, 4h, H, W)
        What inputs, guides and biases contribute to the gates i, f, o and the candidate, before
        their nonlinearities.
    weight_h : (4h, h, 3, 3)
    peephole : Peephole

    Returns
    -------
    (T, B, h, H, W)
        Of the type of `weight_h`.
    """
    if torch.compiler.is_exporting():
        return scan_plainly(gates_x, weight_h, peephole)
    hidden: Tensor = _Scan.apply(gates_x, weight_h, peephole.convolution, peephole.hadamard)  # type: ignore[no-untyped-call]  # autograd.Function.apply is untyped in torch
    return hidden


def scan_plainly(gates_x: Tensor, weight_h: Tensor, peephole: Peephole) -> Tensor:
    """Do what `scan` does in operations that other runtimes know; `model.export` needs it."""
    h = weight_h.shape[1]
    hidden = cell = torch.zeros_like(gates_x[0, :, :h])
    states = []
    for gates in gates_x.unbind(0):
        i, f, o, candidate = torch.split(
            gates + functional.conv2d(hidden, weight_h, padding=1), h, 1
        )
        if peephole.convolution is not None:
            from_cell = functional.conv2d(cell, peephole.convolution, padding=1)
            i, f = i + from_cell[:, :h], f + from_cell[:, h:]
        elif peephole.hadamard is not None:
            i, f = i + peephole.hadamard[0] * cell, f + peephole.hadamard[1] * cell
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(candidate)
        if peephole.hadamard is not None:
            o = o + peephole.hadamard[-1] * cell
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        states.append(hidden)
    return torch.stack(states)


class _Past(NamedTuple):
    """The kernels by which h[t-1] and c[t-1] enter the gates of step t.

    Few channels cost a convolution's start more than its arithmetic: both states then lie in one
    tensor and have one kernel, whose part from c to o and the candidate is zero. Images of few
    channels also lie plane by plane there, so that a gate is one run of memory a clip.

    Attributes
    ----------
    from_both : (4h, 2h, 3, 3) or None
        From (h, c) to all gates; the others are None then.
    from_h : (4h, h, 3, 3) or None
    from_c : (2h, h, 3, 3) or None
        To i and f.
    """

    from_both: Tensor | None
    from_h: Tensor | None
    from_c: Tensor | None

    @classmethod
    def of(cls, weight_h: Tensor, weight_c: Tensor | None) -> "_Past":
        h = weight_h.shape[1]
        if weight_c is None or not _few(h):
            return cls(None, weight_h, weight_c)
        both = weight_h.new_zeros(4 * h, 2 * h, 3, 3)
        both[:, :h] = weight_h
        both[: 2 * h, h:] = weight_c
        return cls(both, None, None)

    def map(self, change: Callable[[Tensor], Tensor]) -> "_Past":
        return _Past(*(None if kernel is None else change(kernel) for kernel in self))


class _States(NamedTuple):
    """States of all steps, (T, B, h, H, W) or both in one, of which the others are halves."""

    both: Tensor | None
    hidden: Tensor
    cells: Tensor

    @classmethod
    def empty(cls, like: Tensor, h: int, *, in_one: bool) -> "_States":
        if in_one:
            both = _empty(like, 2 * h)
            return cls(both, both[:, :, :h], both[:, :, h:])
        return cls(None, _empty(like, h), _empty(like, h))


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        gates_x: Tensor,
        weight_h: Tensor,
        weight_c: Tensor | None,
        weight_peephole: Tensor | None,
    ) -> Tensor:
        h = weight_h.shape[1]
        # Autocast does not reach backward, so types are chosen here: `narrow` for convolutions,
        # the weights' own for what is carried. They are the same without autocast.
        narrow, wide = gates_x.dtype, weight_h.dtype
        # The gates are made in place in one copy: after the loop it holds i, f, o and candidate.
        gates = _empty(gates_x, 4 * h, dtype=wide).copy_(gates_x)
        past = _Past.of(weight_h, weight_c).map(lambda kernel: kernel.to(narrow))
        states = _States.empty(gates, h, in_one=past.from_both is not None)
        cells_tanh = _empty(gates, h)
        # Views of every step are made at once: made one by one they cost as much as the sums.
        both = None if states.both is None else states.both.unbind(0)
        hidden, cells = states.hidden.unbind(0), states.cells.unbind(0)
        gate, i_and_f = gates.unbind(0), gates[:, :, : 2 * h].unbind(0)
        i, f, o, candidate = (each.unbind(0) for each in torch.split(gates, h, 2))
        for t, cell in enumerate(cells):
            if t:
                if both is not None:
                    gate[t].add_(_convolved(both[t - 1].to(narrow), past.from_both))
                else:
                    gate[t].add_(_convolved(hidden[t - 1].to(narrow), past.from_h))
                if past.from_c is not None:
                    i_and_f[t].add_(_convolved(cells[t - 1].to(narrow), past.from_c))
                elif weight_c is None and weight_peephole is not None:
                    i[t].addcmul_(weight_peephole[0], cells[t - 1])
                    f[t].addcmul_(weight_peephole[1], cells[t - 1])
            i_and_f[t].sigmoid_()
            candidate[t].tanh_()
            torch.mul(i[t], candidate[t], out=cell)
            if t:
                cell.addcmul_(f[t], cells[t - 1])
            if weight_peephole is not None:
                o[t].addcmul_(weight_peephole[-1], cell)
            o[t].sigmoid_()
            torch.tanh(cell, out=cells_tanh[t])
            torch.mul(o[t], cells_tanh[t], out=hidden[t])
        ctx.narrow = narrow
        ctx.save_for_backward(gates, cells_tanh, *states, weight_h, weight_c, weight_peephole)
        return states.hidden

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gates, cells_tanh, both, hidden, cells, weight_h, weight_c, weight_peephole = (
            ctx.saved_tensors
        )
        (d_hidden,) = gradients
        steps, h, narrow = cells.shape[0], cells.shape[2], ctx.narrow
        past = _Past.of(weight_h, weight_c)
        back = past.map(lambda kernel: _turned(kernel, narrow))
        # Local derivatives of all steps at once; the loop below multiplies them into d_gates.
        i, f, o, candidate = gates.split(h, 2)
        d_gates = torch.empty_like(gates)
        to_cell = (o * (1 - cells_tanh * cells_tanh)).unbind(0)
        d_sigmoid = gates[:, :, : 3 * h] * (1 - gates[:, :, : 3 * h])
        d_i, d_f, d_o = d_sigmoid.split(h, 2)
        d_i *= candidate
        d_f[1:] *= cells[:-1]
        d_f[0] = 0
        d_o *= cells_tanh
        local = [each.unbind(0) for each in (d_i, d_f, d_o, i * (1 - candidate * candidate))]
        parts = [each.unbind(0) for each in torch.split(d_gates, h, 2)]
        step, step_i_and_f = d_gates.unbind(0), d_gates[:, :, : 2 * h].unbind(0)
        forget, entering = f.unbind(0), _laid_out(d_hidden).unbind(0)
        d_h: Tensor = entering[-1]
        d_c: Tensor | None = None
        for t in range(steps - 1, -1, -1):
            to_i, to_f, to_o, to_candidate = (each[t] for each in parts)
            torch.mul(d_h, local[2][t], out=to_o)
            d_cell = d_h * to_cell[t]
            if weight_peephole is not None:
                d_cell.addcmul_(to_o, weight_peephole[-1])
            if d_c is not None:
                d_cell += d_c
            torch.mul(d_cell, local[0][t], out=to_i)
            torch.mul(d_cell, local[1][t], out=to_f)
            torch.mul(d_cell, local[3][t], out=to_candidate)
            if not t:
                break
            d_c = d_cell.mul_(forget[t])
            if back.from_both is not None:
                d_both = _convolved(step[t].to(narrow), back.from_both)
                d_h = entering[t - 1] + d_both[:, :h]
                d_c += d_both[:, h:]
                continue
            d_h = entering[t - 1] + _convolved(step[t].to(narrow), back.from_h)
            if back.from_c is not None:
                d_c += _convolved(step_i_and_f[t].to(narrow), back.from_c)
            elif weight_peephole is not None:
                d_c.addcmul_(to_i, weight_peephole[0])
                d_c.addcmul_(to_f, weight_peephole[1])
        later = d_gates[1:].flatten(0, 1)
        d_weight_c = d_weight_peephole = None
        if past.from_both is not None:
            d_kernel = _weight_gradient(later, both[:-1].flatten(0, 1), past.from_both, narrow)
            d_weight_h, d_weight_c = d_kernel[:, :h], d_kernel[: 2 * h, h:]
        else:
            d_weight_h = _weight_gradient(later, hidden[:-1].flatten(0, 1), weight_h, narrow)
        if past.from_c is not None:
            d_weight_c = _weight_gradient(
                later[:, : 2 * h], cells[:-1].flatten(0, 1), past.from_c, narrow
            )
        if weight_peephole is not None:
            d_weight_peephole = torch.empty_like(weight_peephole)
            d_weight_peephole[-1] = (d_gates[:, :, 2 * h : 3 * h] * cells).sum((0, 1))
            if weight_c is None:
                d_weight_peephole[0] = (d_gates[1:, :, :h] * cells[:-1]).sum((0, 1))
                d_weight_peephole[1] = (d_gates[1:, :, h : 2 * h] * cells[:-1]).sum((0, 1))
        return d_gates.to(narrow), d_weight_h, d_weight_c, d_weight_peephole


def _few(channels: int) -> bool:
    return channels <= _FEW_CHANNELS


def _empty(like: Tensor, channels: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """Return room for `channels` images of each step: channels last unless they are few."""
    steps, batch, gates, height, width = like.shape
    if _few(gates // 4):
        return like.new_empty(steps, batch, channels, height, width, dtype=dtype)
    empty = like.new_empty(steps, batch, height, width, channels, dtype=dtype)
    return empty.permute(0, 1, 4, 2, 3)


def _laid_out(d_hidden: Tensor) -> Tensor:
    return d_hidden.contiguous() if _few(d_hidden.shape[2]) else d_hidden


def _convolved(images: Tensor, kernel: Tensor | None) -> Tensor:
    return functional.conv2d(images, cast(Tensor, kernel), padding=1)


def _turned(weight: Tensor, narrow: torch.dtype) -> Tensor:
    return weight.transpose(0, 1).flip(2, 3).to(narrow).contiguous()


def _weight_gradient(d_output: Tensor, x: Tensor, weight: Tensor, narrow: torch.dtype) -> Tensor:
    """Return the gradient of a padded 3x3 convolution's weight, computed in `narrow`."""
    gradient: Tensor = torch.ops.aten.convolution_backward(
        d_output.to(narrow),
        x.to(narrow),
        weight.to(narrow),
        None,
        [1, 1],
        [1, 1],
        [1, 1],
        False,
        [0, 0],
        1,
        [False, True, False],
    )[1]
    return gradient.to(weight.dtype)
