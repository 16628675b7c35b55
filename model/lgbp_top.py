"""LGBP-TOP: local binary patterns of Gabor magnitudes in three orthogonal planes.

T. R. Almaev, M. F. Valstar, "Local Gabor binary patterns from three orthogonal planes for automatic
facial expression recognition", ACII 2013; patterns after G. Zhao, M. Pietikäinen, PAMI 2007. The
appearance features of the AV+EC challenges are these (18 Gabor filters, 4x4 blocks, some 50,000
numbers a window). Wavelengths, kernel size and the window are our choice, they are not printed in
the paper this package follows.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

N_SCALES, N_ORIENTATIONS, N_PLANES, BLOCKS = 3, 6, 3, 4
N_FILTERS = N_SCALES * N_ORIENTATIONS
_HIGHEST_CYCLES_PER_PX = 0.25
_SD_CYCLES = 0.56
"""Sd of the envelope times the frequency: a bandwidth of one octave."""
_RADIUS_PX = 7
_WINDOW_REACH = 2
_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
"""Around the centre, so that neighbouring bits of a code are neighbouring pixels."""
_TIME, _ROW, _COLUMN = -4, -2, -1
_PLANES = ((_ROW, _COLUMN), (_TIME, _COLUMN), (_TIME, _ROW))


def _uniform_bins() -> list[int]:
    """Return the bin of each code: own ones up to two changes around the circle, else the last."""
    bins, used = [], 0
    for code in range(256):
        turned = (code >> 1) | ((code & 1) << 7)
        if (code ^ turned).bit_count() <= 2:
            bins.append(used)
            used += 1
        else:
            bins.append(-1)
    return [used if number < 0 else number for number in bins]


_BINS = _uniform_bins()
N_BINS = max(_BINS) + 1
N_FEATURES = N_PLANES * N_FILTERS * BLOCKS**2 * N_BINS


def gabor_bank() -> Tensor:
    """Return the filters, (36, 1, 15, 15): the real parts of all 18, then their imaginary parts.

    Frequencies 0.25, 0.25/√2 and 0.125 cycles a pixel, orientations every 30 degrees. Each part
    sums to zero, so that brightness leaves no trace.
    """
    axis = torch.arange(-_RADIUS_PX, _RADIUS_PX + 1, dtype=torch.float64)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    real, imaginary = [], []
    for scale in range(N_SCALES):
        frequency = _HIGHEST_CYCLES_PER_PX / math.sqrt(2) ** scale
        sd_px = _SD_CYCLES / frequency
        envelope = torch.exp(-(x * x + y * y) / (2 * sd_px**2))
        for orientation in range(N_ORIENTATIONS):
            angle = math.pi * orientation / N_ORIENTATIONS
            phase = 2 * math.pi * frequency * (x * math.cos(angle) + y * math.sin(angle))
            wave = envelope * torch.cos(phase)
            real.append(wave - envelope * wave.sum() / envelope.sum())
            imaginary.append(envelope * torch.sin(phase))
    return torch.stack(real + imaginary)[:, None]


def gabor_magnitudes(images: Tensor, bank: Tensor) -> Tensor:
    """Map grey images (N, 1, H, W) to the magnitudes of 18 responses, (N, 18, H, W)."""
    padded = functional.pad(images, (_RADIUS_PX,) * 4, mode="replicate")
    real, imaginary = torch.split(functional.conv2d(padded, bank), N_FILTERS, 1)
    return torch.hypot(real, imaginary)


def binary_patterns(volume: Tensor) -> Tensor:
    """Return the bin of each voxel's pattern in the planes XY, XT and YT.

    A bit is set where the neighbour is not smaller than the centre; the volume's borders are
    repeated.

    Parameters
    ----------
    volume : (T, F, H, W) float

    Returns
    -------
    (3, T, F, H, W) int64, 0 to 58
    """
    # Repeated in time first: replicate padding knows at most three axes.
    timed = torch.cat([volume[:1], volume, volume[-1:]])
    padded = functional.pad(timed, (1, 1, 1, 1), mode="replicate")
    bins = torch.tensor(_BINS, device=volume.device)
    # Bytes until the end: whole words would be most of the time.
    planes = []
    for first, second in _PLANES:
        codes = torch.zeros(volume.shape, dtype=torch.uint8, device=volume.device)
        for bit, (a, b) in enumerate(_NEIGHBOURS):
            shift = {_TIME: 0, _ROW: 0, _COLUMN: 0} | {first: a, second: b}
            codes |= (_shifted(padded, volume, shift) >= volume).to(torch.uint8) << bit
        planes.append(codes)
    return bins[torch.stack(planes).long()]


def _shifted(padded: Tensor, volume: Tensor, shift: dict[int, int]) -> Tensor:
    for axis, by in shift.items():
        padded = padded.narrow(axis, 1 + by, volume.shape[axis])
    return padded


def histograms(patterns: Tensor) -> Tensor:
    """Count patterns by frame, plane, filter and block; (T, 3 · 18 · 16 · 59) int64.

    Parameters
    ----------
    patterns : (3, T, F, H, W) int64
    """
    planes, steps, filters, height, width = patterns.shape
    device = patterns.device
    row = torch.arange(height, device=device) * BLOCKS // height
    column = torch.arange(width, device=device) * BLOCKS // width
    cell = row[:, None] * BLOCKS + column
    group = torch.arange(steps * planes * filters, device=device)
    group = group.reshape(steps, planes, filters).transpose(0, 1)[..., None, None]
    index = (group * BLOCKS**2 + cell) * N_BINS + patterns
    counted = torch.bincount(
        index.flatten(), minlength=steps * planes * filters * BLOCKS**2 * N_BINS
    )
    return counted.reshape(steps, -1)


@torch.no_grad()
def window_counts(clip: Tensor, bank: Tensor) -> Tensor:
    """Count the patterns in the window of five frames around each frame of a clip.

    Parameters
    ----------
    clip : (T, 1, H, W) float
        Grey.
    bank : (36, 1, 15, 15)
        `gabor_bank`.

    Returns
    -------
    (T, 50976) int64
        Plane, filter, block and bin, in this order.
    """
    counts = histograms(binary_patterns(gabor_magnitudes(clip, bank)))
    steps = len(counts)
    sums = torch.cat([torch.zeros_like(counts[:1]), counts.cumsum(0)])
    centre = torch.arange(steps, device=clip.device)
    windows: Tensor = (
        sums[(centre + _WINDOW_REACH + 1).clamp(max=steps)]
        - sums[(centre - _WINDOW_REACH).clamp(min=0)]
    )
    return windows


def shares(counts: Tensor, dtype: torch.dtype) -> Tensor:
    """Divide `window_counts` by block, so that its bins sum to 1: (T, 50976) of `dtype`."""
    cells = torch.unflatten(counts, 1, (-1, N_BINS)).to(dtype)
    divided: Tensor = (cells / cells.sum(-1, keepdim=True)).flatten(1)
    return divided


def lgbp_top(clip: Tensor, bank: Tensor) -> Tensor:
    """Describe each frame of a clip by the window of five frames around it, (T, 50976).

    Parameters are those of `window_counts`; the result has the clip's dtype.
    """
    return shares(window_counts(clip, bank), clip.dtype)
