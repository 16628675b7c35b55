"""Rows of the leaderboard from runs of our own, and whether a page of results still bears them."""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mavfer.sim_presets import LIGHTS
from mavfer.store import ClipStore

from .benchmark import PlannedRow
from .cost import multiplications
from .errors import ModelError
from .leaderboard import (
    LeaderboardRow,
    file_sha256,
    gold_fingerprint,
    parse_row,
    read_leaderboard,
    scored_cells,
    write_leaderboard,
)
from .run_spec import RunScores

_BY = "mavfer"
_ROUNDING = 0.0006
"""Rows have three decimals."""
_OF_TABLE = {
    **{name: ("", "", name) for name in ("ccc", "rmse", "cc")},
    **{f"ccc_{light}": ("light", light, "ccc") for light in LIGHTS},
}
"""Where a table's CSV file has the mean of a column: breakdown, column, metric."""


def own_row(
    planned: PlannedRow,
    runs: Sequence[RunScores],
    store: ClipStore,
    *,
    output: str,
    table: str,
    dataset: str,
) -> LeaderboardRow:
    """Make the row of a finished table's row; `table` and its label become the source."""
    row, spec = planned.row, runs[0].spec
    model = spec.model
    name = f"{model.architecture} {'+'.join(model.modalities)}"
    if row.model or row.train:
        name += f", {row.label}"
    steps = max(int(run.facts["steps"]) for run in runs)
    scale = spec.preset if model.facts.closed_form else f"{spec.preset}, {steps} steps"
    cells = scored_cells([run.evaluations[""] for run in runs], output)
    cells |= {
        "name": f"{name} ({scale})",
        "by": _BY,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "dataset": dataset,
        "gold": gold_fingerprint(store),
        "parameters": str(runs[0].facts["n_parameters"]),
        "multiplications": f"{multiplications(model) / 1e6:.1f}",
        "predictions": " ".join(dict.fromkeys(file_sha256(run.predictions) for run in runs)),
        "source": f"{table}: {row.label}",
    }
    return parse_row(cells, where=f"{table}, {row.label}")


def add_rows(path: Path, rows: Sequence[LeaderboardRow]) -> None:
    """Put rows into a leaderboard, which may not exist yet; rows of the same network go."""
    there = read_leaderboard(path) if path.exists() else ()
    fresh = {row.key for row in rows}
    write_leaderboard(path, [*(row for row in there if row.key not in fresh), *rows])


def check_against_results(row: LeaderboardRow, folder: Path) -> None:
    """Compare a row of our own with the table that it names as its source.

    Parameters
    ----------
    row : LeaderboardRow
    folder : Path
        With ``<table>.csv``, as `model.publish` writes it.

    Raises
    ------
    ModelError
        The table is not there, lacks the row, or has other figures.
    """
    table, _, label = row.source.partition(": ")
    figures = _figures(folder / f"{table}.csv", label)
    found: dict[str, str] = {}
    for name, place in _OF_TABLE.items():
        found[name] = figures.get(place, {}).get("mean", "")
    for name in ("ccc", "rmse", "cc"):
        found[f"{name}_sd"] = figures.get(("", "", name), {}).get("sd", "")
    people = figures.get(("people", "all", "ccc"), {})
    found |= {"ccc_low": people.get("low", ""), "ccc_high": people.get("high", "")}
    for name, text in found.items():
        value = getattr(row, name)
        if not text or abs(float(text) - value) > _ROUNDING:
            raise ModelError(
                f"{row.name}: {name} is {value:g}, {table}.csv has {text or 'nothing'} for {label}",
                remedy="make both anew: mavfer-benchmark … --publish … --leaderboard …",
            )


def _figures(path: Path, label: str) -> Mapping[tuple[str, str, str], Mapping[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["row"] == label]
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    if not rows:
        raise ModelError(f"{path} has no row {label!r}")
    return {(row["breakdown"], row["column"], row["metric"]): row for row in rows}
