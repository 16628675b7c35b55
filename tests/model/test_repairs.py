"""The repairs of the attention branch, each on its own and each left out."""

from pathlib import Path
from typing import Any

import pytest

from mavfer.store import open_store
from model.benchmark import BenchmarkPlan, PlannedRow, carry_out, plan_rows
from model.benchmark_tables import make_table
from model.experiments import EXPERIMENTS

PUBLISHED = {"upsampling": "deconvolution", "attention": "mean1", "initialisation": "xavier"}
REPAIRED = {"upsampling": "bilinear", "attention": "standardise", "initialisation": "he"}
LABELS = ("bilinear upsampling", "standardised attention", "He initialisation")
FIELDS = dict(zip(LABELS, REPAIRED, strict=True))


def fields_of(row: PlannedRow) -> dict[str, Any]:
    (spec,) = row.specs
    return {
        "upsampling": spec.model.upsampling,
        "attention": spec.model.attention,
        "initialisation": spec.train.initialisation,
    }


@pytest.mark.parametrize(("name", "same"), [("repairs", 5), ("repairs-uran", 0)])
@pytest.mark.parametrize("scale", ["small", "paper"])
def test_rows_differ_in_the_repairs_they_name_and_nothing_else(
    store_path: Path, tmp_path: Path, name: str, same: int, scale: Any
) -> None:
    with open_store(store_path) as store:
        plan = BenchmarkPlan(store, tmp_path, n_seeds=1, scale=scale)
        rows = {row.row.label: row for row in plan_rows(EXPERIMENTS[name], plan)}
        table4 = plan_rows(EXPERIMENTS["table4"], plan)
    assert [row.row.baseline for row in rows.values()] == [True] + [False] * 8
    assert fields_of(rows["as published"]) == PUBLISHED
    assert fields_of(rows["all three repairs"]) == REPAIRED
    for label, field in FIELDS.items():
        assert fields_of(rows[f"{label} alone"]) == PUBLISHED | {field: REPAIRED[field]}
        assert fields_of(rows[f"without {label}"]) == REPAIRED | {field: PUBLISHED[field]}
    rest = set()
    for row in rows.values():
        config = row.specs[0].model.to_object() | row.specs[0].train.to_object()
        assert config.pop("attention_gain") == (0 if "uniform" in row.row.label else 0.5)
        rest.add(str({key: value for key, value in config.items() if key not in PUBLISHED}))
    assert len(rest) == 1
    # The network of Table IV at this scale is one of the rows: it is not trained twice.
    known = "standardised attention alone" if scale == "small" else "as published"
    assert table4[same].specs[0].key == rows[known].specs[0].key


def test_the_table_says_what_the_map_is_worth(store_path: Path, tmp_path: Path) -> None:
    tiny = {"width": 0.05, "input_px": 16, "fc_units": 4}
    experiment = EXPERIMENTS["repairs"]
    with open_store(store_path) as store:
        plan = BenchmarkPlan(
            store, tmp_path, n_seeds=1, steps=1, settings=tiny, rows=("as pub*", "all three*")
        )
        rows = plan_rows(experiment, plan)
        assert carry_out(rows, plan) == {}
        table = make_table(experiment, rows, plan, {})
    figures = {part.name: part.figures for part in table.breakdowns}
    for label in ("as published", "all three repairs"):
        spoiled = figures["knock-out"][label]
        assert {"attention=mean", "attention=uniform", "guides=shuffle"} <= set(spoiled)
        assert len(figures["attention"][label]["contrast"].known) == 1
        assert len(figures["attention"][label]["between clips"].known) == 1
    # At initialisation three recurrent layers damp the logits; standardising undoes that.
    contrast = {label: part["contrast"].mean for label, part in figures["attention"].items()}
    assert contrast["all three repairs"] > 2 * contrast["as published"]
    assert table.rows[0].difference is None
    assert table.rows[1].difference is not None
