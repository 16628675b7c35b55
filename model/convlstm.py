"""The recurrence of a convolutional LSTM over a clip, with its gradient written out.

Automatic differentiation of the loop computes the weights' gradient once a step and adds the
pieces up. Written by hand, the loop backwards in time only carries the states' gradients; each
weight's gradient is then one convolution over the images of all steps. The values are the same
(tests/model/test_convlstm.py holds both against an explicit loop of eq. 1 in double precision).

Under autocast the convolutions run in the half type and everything that is carried from step to
step stays float32, forwards and backwards.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


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


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        gates_x: Tensor,
        weight_h: Tensor,
        weight_c: Tensor | None,
        weight_peephole: Tensor | None,
    ) -> Tensor:
        steps, batch, n_gates, height, width = gates_x.shape
        h = n_gates // 4
        # Autocast does not reach backward, so types are chosen here: `narrow` for convolutions,
        # the weights' own for what is carried. They are the same without autocast.
        narrow, wide = gates_x.dtype, weight_h.dtype
        # The gates are made in place in one copy: after the loop it holds i, f, o and candidate.
        gates = gates_x.to(wide, copy=True)
        # Channels last, as the convolutions leave the gates.
        cells = gates.new_empty(steps, batch, height, width, h).permute(0, 1, 4, 2, 3)
        cells_tanh = torch.empty_like(cells)
        hidden = torch.empty_like(cells)
        kernel_h = weight_h.to(narrow)
        kernel_c = None if weight_c is None else weight_c.to(narrow)
        for t in range(steps):
            gate = gates[t]
            i, f, o, candidate = torch.split(gate, h, 1)
            if t:
                gate += functional.conv2d(hidden[t - 1].to(narrow), kernel_h, padding=1)
                if kernel_c is not None:
                    gate[:, : 2 * h] += functional.conv2d(
                        cells[t - 1].to(narrow), kernel_c, padding=1
                    )
                elif weight_peephole is not None:
                    i.addcmul_(weight_peephole[0], cells[t - 1])
                    f.addcmul_(weight_peephole[1], cells[t - 1])
            gate[:, : 2 * h].sigmoid_()
            candidate.tanh_()
            torch.mul(i, candidate, out=cells[t])
            if t:
                cells[t].addcmul_(f, cells[t - 1])
            if weight_peephole is not None:
                o.addcmul_(weight_peephole[-1], cells[t])
            o.sigmoid_()
            torch.tanh(cells[t], out=cells_tanh[t])
            torch.mul(o, cells_tanh[t], out=hidden[t])
        ctx.narrow = narrow
        ctx.save_for_backward(gates, cells, cells_tanh, hidden, weight_h, weight_c, weight_peephole)
        return hidden

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gates, cells, cells_tanh, hidden, weight_h, weight_c, weight_peephole = ctx.saved_tensors
        (d_hidden,) = gradients
        steps, h, narrow = cells.shape[0], cells.shape[2], ctx.narrow
        # Transposed convolutions as plain ones: channels swapped, kernels turned by 180 degrees.
        back_h = _turned(weight_h, narrow)
        back_c = None if weight_c is None else _turned(weight_c, narrow)
        # Local derivatives of all steps at once; the loop below multiplies them into d_gates.
        i, f, o, candidate = gates.split(h, 2)
        d_gates = torch.empty_like(gates)
        to_cell = o * (1 - cells_tanh * cells_tanh)
        d_sigmoid = gates[:, :, : 3 * h] * (1 - gates[:, :, : 3 * h])
        d_i, d_f, d_o = d_sigmoid.split(h, 2)
        d_i *= candidate
        d_f[1:] *= cells[:-1]
        d_f[0] = 0
        d_o *= cells_tanh
        d_candidate = i * (1 - candidate * candidate)
        d_h: Tensor = d_hidden[steps - 1]
        d_c: Tensor | None = None
        for t in range(steps - 1, -1, -1):
            step = d_gates[t]
            torch.mul(d_h, d_o[t], out=step[:, 2 * h : 3 * h])
            d_cell = d_h * to_cell[t]
            if weight_peephole is not None:
                d_cell.addcmul_(step[:, 2 * h : 3 * h], weight_peephole[-1])
            if d_c is not None:
                d_cell += d_c
            torch.mul(d_cell, d_i[t], out=step[:, :h])
            torch.mul(d_cell, d_f[t], out=step[:, h : 2 * h])
            torch.mul(d_cell, d_candidate[t], out=step[:, 3 * h :])
            if not t:
                break
            d_h = d_hidden[t - 1] + functional.conv2d(step.to(narrow), back_h, padding=1)
            d_c = d_cell.mul_(f[t])
            if back_c is not None:
                d_c += functional.conv2d(step[:, : 2 * h].to(narrow), back_c, padding=1)
            elif weight_peephole is not None:
                d_c.addcmul_(step[:, :h], weight_peephole[0])
                d_c.addcmul_(step[:, h : 2 * h], weight_peephole[1])
        later = d_gates[1:].flatten(0, 1)
        d_weight_h = _weight_gradient(later, hidden[:-1].flatten(0, 1), weight_h, narrow)
        d_weight_c = d_weight_peephole = None
        if weight_c is not None:
            d_weight_c = _weight_gradient(
                later[:, : 2 * h], cells[:-1].flatten(0, 1), weight_c, narrow
            )
        if weight_peephole is not None:
            d_weight_peephole = torch.empty_like(weight_peephole)
            d_weight_peephole[-1] = (d_gates[:, :, 2 * h : 3 * h] * cells).sum((0, 1))
            if weight_c is None:
                d_weight_peephole[0] = (d_gates[1:, :, :h] * cells[:-1]).sum((0, 1))
                d_weight_peephole[1] = (d_gates[1:, :, h : 2 * h] * cells[:-1]).sum((0, 1))
        return d_gates.to(narrow), d_weight_h, d_weight_c, d_weight_peephole


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
