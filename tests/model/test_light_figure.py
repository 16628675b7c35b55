"""The picture by light: a column a light from bright to dark, the row's figures, one face."""

from pathlib import Path

import pytest

from mavfer.derived import mark_of
from mavfer.store import open_store
from model.light_figure import draw_by_light
from model.result_table import Breakdown, ResultRow, ResultTable, Spread


def table(*breakdowns: Breakdown) -> ResultTable:
    rows = (
        ResultRow("URAN & friends", None, {"ccc": Spread((0.5, 0.6))}),
        ResultRow("ridge", None, {"ccc": Spread((0.4, 0.4))}, control=True),
        ResultRow("not run", None, {}),
    )
    return ResultTable("table4: Modalities", ("ccc",), "ccc", rows, breakdowns=breakdowns)


def test_lights_come_from_bright_to_dark_with_every_row_that_has_figures(
    lit_store_path: Path, tmp_path: Path
) -> None:
    figures = {
        "URAN & friends": {
            "dim": Spread((-0.1, 0.0)),
            "side": Spread((0.725, 0.735)),
            "noon": Spread((0.5,)),
        },
        "ridge": {"dim": Spread((0.25, 0.25)), "side": Spread((None, None))},
    }
    part = Breakdown("light", "CCC by light", "", figures)
    found = []
    with open_store(lit_store_path) as store:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            paths = draw_by_light(table(part), store, tmp_path / name, "table4")
            assert {path.stem for path in paths.values()} == {"table4-by-light"}
            found.append([path.read_bytes() for path in paths.values()])
    assert found[0] == found[1]  # the same figures are the same files
    assert found[0][0].startswith(b"\x89PNG")
    mark = mark_of([store.fingerprint]).encode()  # it shows faces: a withdrawal has to find it
    assert all(mark in content for content in found[0])
    svg = found[0][1].decode()
    said = [line.strip() for line in svg.splitlines() if line.strip().startswith("<!--")]
    order = [said.index(f"<!-- {word} -->") for word in ("side", "dim", "noon")]
    assert order == sorted(order)
    for word in ("URAN &amp; friends", "ridge", "0.73", "-0.05", "0.25"):
        assert f"<!-- {word} -->" in said, word
    assert "<!-- not run -->" not in said
    assert svg.count("<image") == 2  # a face in dim and in side; nobody was seen at noon


@pytest.mark.parametrize("name", ["knock-out", "attention"])
def test_without_light_there_is_no_picture(lit_store_path: Path, tmp_path: Path, name: str) -> None:
    other = Breakdown(name, "", "", {"ridge": {"dim": Spread((0.1,))}})
    with open_store(lit_store_path) as store:
        assert draw_by_light(table(other), store, tmp_path, "table4") == {}
    assert not list(tmp_path.iterdir())
