"""The leaderboard of the simulated benchmark: a CSV file with one row a network.

Columns and how a row is handed in: docs/benchmark.md.
"""

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from capture.files import write_text_atomic
from mavfer.sim_presets import LIGHTS
from mavfer.store import ClipStore
from mavfer.store_schema import DIMENSIONS

from .errors import ModelError
from .subject_bootstrap import ccc_interval
from .subject_moments import WHOLE

FEWEST_SEEDS = 3
_KINDS: Mapping[Any, Any] = {int: int, float: float, str: str}
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """One network: the columns of the file, in order. Figures are of the test split.

    Attributes
    ----------
    name, by : str
        Of the network, and of who made it.
    date : str
        ISO 8601.
    dataset : str
        Preset and version, as ``mavfer-sim-small 2``.
    gold : str
        `gold_fingerprint` of the store.
    output : str
        ``valence`` or ``arousal``.
    seeds, people : int
        Trained networks, and people they were tested on.
    ccc, ccc_sd : float
        All frames pooled: mean and sample sd over seeds; so are those that follow.
    ccc_low, ccc_high : float
        95 % interval over people.
    rmse, rmse_sd, cc, cc_sd : float
    ccc_normal, ccc_side, ccc_dim, ccc_dark : float
        Means over seeds of the frames in each light.
    parameters : int
    multiplications : float
        Of one clip, in millions.
    predictions : str
        SHA-256 of the file of each seed, with spaces between.
    source : str
        Where the figures can be checked: an address, or the table of docs/results they are from.
    """

    name: str
    by: str
    date: str
    dataset: str
    gold: str
    output: str
    seeds: int
    people: int
    ccc: float
    ccc_sd: float
    ccc_low: float
    ccc_high: float
    rmse: float
    rmse_sd: float
    cc: float
    cc_sd: float
    ccc_normal: float
    ccc_side: float
    ccc_dim: float
    ccc_dark: float
    parameters: int
    multiplications: float
    predictions: str
    source: str

    @property
    def key(self) -> tuple[str, ...]:
        """What may be in the file once only."""
        return (self.dataset, self.output, self.name, self.by)


COLUMNS = tuple(field.name for field in fields(LeaderboardRow))
_FIGURES = tuple(
    name for name in COLUMNS if name.startswith(("ccc", "rmse", "cc_")) or name == "cc"
)


def gold_fingerprint(store: ClipStore) -> str:
    """Digest of what a score is made against: people, splits, times and gold labels.

    The same preset has the same one wherever it is simulated; the fingerprint of the store also
    holds coordinates whose last digits depend on the processor (decision 0104).

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for video in store.videos.values():
        digest.update(f"{video.id}\0{video.subject}\0{video.split}\0".encode())
        digest.update((store.time_ns(video.id) // 1000).astype("<i8").tobytes())
        for dimension in DIMENSIONS:
            gold = store.labels(video.id, dimension).astype(np.float64)
            thousandths = np.where(np.isfinite(gold), np.round(gold * 1000), 9999)
            digest.update(thousandths.astype("<i2").tobytes())
    return digest.hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """Digest of a file as it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scored_cells(evaluations: Sequence[Mapping[str, Any]], output: str) -> dict[str, str]:
    """Return the cells that follow from the test split's scores, one evaluation a seed.

    Parameters
    ----------
    evaluations : sequence of mapping
        ``pooled``, ``groups`` and ``subject_moments`` of each seed, as `model.run_evaluation`
        keeps them.
    output : str

    Raises
    ------
    ModelError
        A score is undefined, or the frames of a light are missing.
    """
    cells: dict[str, float] = {}
    for metric in ("ccc", "rmse", "cc"):
        values = [each["pooled"][output][metric] for each in evaluations]
        if None in values:
            raise ModelError(f"{metric} is undefined: predictions or labels are constant")
        cells[metric] = float(np.mean(values))
        cells[f"{metric}_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    moments = [each["subject_moments"][output][WHOLE] for each in evaluations]
    if interval := ccc_interval(moments):
        cells |= {"ccc_low": interval.low, "ccc_high": interval.high}
    for light in LIGHTS:
        by_light = [each["groups"].get("light", {}) for each in evaluations]
        if missing := [lights for lights in by_light if light not in lights]:
            raise ModelError(
                f"no frames in {light} light, there are {', '.join(missing[0]) or 'no lights'}",
                remedy="a row of the leaderboard is of the test split of a simulated dataset",
            )
        values = [lights[light][output]["ccc"] for lights in by_light]
        cells[f"ccc_{light}"] = math.nan if None in values else float(np.mean(values))
    told = {name: "" if math.isnan(value) else f"{value:.3f}" for name, value in cells.items()}
    return {
        "output": output,
        "seeds": str(len(evaluations)),
        "people": str(len(moments[0])),
        **told,
    }


def read_leaderboard(path: Path) -> tuple[LeaderboardRow, ...]:
    """Read and check a leaderboard.

    Raises
    ------
    ModelError
        Other columns, a row that is incomplete, implausible or there twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = list(csv.reader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise ModelError(f"{path} cannot be read as CSV: {error}") from error
    header = tuple(table[0]) if table else ()
    if header != COLUMNS:
        raise ModelError(
            f"{path} has the columns {', '.join(header) or '(none)'}",
            remedy=f"expected {', '.join(COLUMNS)}",
        )
    rows: list[LeaderboardRow] = []
    for number, cells in enumerate(table[1:], start=2):
        row = _row(cells, f"{path}, line {number}")
        if row.key in {other.key for other in rows}:
            raise ModelError(f"{path}, line {number}: {row.name} by {row.by} is there already")
        rows.append(row)
    return tuple(rows)


def write_leaderboard(path: Path, rows: Iterable[LeaderboardRow]) -> None:
    """Write rows by dataset, output and CCC, the best first."""
    ordered = sorted(rows, key=lambda row: (row.dataset, row.output, -row.ccc, row.name))
    text = csv_text([_cells(row) for row in ordered])
    write_text_atomic(path, text, overwrite=True)


def csv_text(rows: Sequence[Mapping[str, str]]) -> str:
    """Return header and rows as CSV; cells that are missing stay empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def parse_row(cells: Mapping[str, str], *, where: str) -> LeaderboardRow:
    """Check the cells of a row, by column."""
    return _row([cells.get(name, "") for name in COLUMNS], where)


def _row(cells: Sequence[str], where: str) -> LeaderboardRow:
    if len(cells) != len(COLUMNS):
        raise ModelError(f"{where}: {len(cells)} cells, expected {len(COLUMNS)}")
    if empty := [n for n, cell in zip(COLUMNS, cells, strict=True) if not cell.strip()]:
        raise ModelError(f"{where}: {', '.join(empty)} missing", remedy="fill every cell")
    values: dict[str, Any] = {}
    for field, cell in zip(fields(LeaderboardRow), cells, strict=True):
        try:
            values[field.name] = _KINDS[field.type](cell)
        except ValueError as error:
            raise ModelError(f"{where}: {field.name} is {cell!r}, expected a number") from error
    row = LeaderboardRow(**values)
    _check(row, where)
    return row


def _check(row: LeaderboardRow, where: str) -> None:
    try:
        date.fromisoformat(row.date)
    except ValueError as error:
        raise ModelError(f"{where}: date is {row.date!r}, expected 2026-01-31") from error
    if row.output not in DIMENSIONS:
        raise ModelError(f"{where}: output is {row.output!r}, expected {' or '.join(DIMENSIONS)}")
    if row.seeds < FEWEST_SEEDS:
        raise ModelError(f"{where}: {row.seeds} seeds, expected at least {FEWEST_SEEDS}")
    if row.people < 1 or row.parameters < 1 or not 0 <= row.multiplications < math.inf:
        raise ModelError(f"{where}: people, parameters and multiplications are to be counted")
    for name in _FIGURES:
        value, lowest = getattr(row, name), 0 if name.endswith("_sd") or "rmse" in name else -1
        if not lowest <= value <= 2:
            raise ModelError(f"{where}: {name} is {value:g}, expected {lowest} to 2")
    if not row.ccc_low <= row.ccc_high:
        raise ModelError(f"{where}: ccc_low {row.ccc_low:g} is above ccc_high {row.ccc_high:g}")
    digests = row.predictions.split()
    if any(len(each) != 64 or not _HEX.issuperset(each) for each in digests):
        raise ModelError(f"{where}: predictions are not SHA-256 digests in hexadecimal")
    if len(digests) not in (1, row.seeds):  # a closed form says the same for every seed
        raise ModelError(f"{where}: {len(digests)} files of predictions of {row.seeds} seeds")
    if len(set(digests)) != len(digests):
        raise ModelError(f"{where}: one file of predictions stands for two seeds")
    if len(row.gold) != 16 or not _HEX.issuperset(row.gold):
        raise ModelError(f"{where}: gold is {row.gold!r}, expected 16 hexadecimal digits")


def _cells(row: LeaderboardRow) -> dict[str, str]:
    cells = {}
    for name, value in asdict(row).items():
        three = name in _FIGURES
        cells[name] = f"{value:.3f}" if three else str(value)
    return cells
