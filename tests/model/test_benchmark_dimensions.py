"""Tables of valence stand beside the paper's; tables of arousal have files of their own."""

from pathlib import Path

import pytest

from model import benchmark_cli

TINY = ["--steps", "1", "--seeds", "1", "--quiet", "--rows", "uran,av*"]
TINY += ["--set", "width=0.05", "--set", "input_px=16", "--set", "fc_units=4"]


def test_arousal_neither_takes_the_place_of_valence_nor_stands_beside_its_figures(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, pages = tmp_path / "out", tmp_path / "pages"
    words = ["table9", "--store", str(store_path), "-o", str(out), *TINY, "--publish", str(pages)]
    assert benchmark_cli.main(words) == 0
    before = {p: p.read_bytes() for p in [*out.glob("table9*"), *pages.glob("table9*")]}
    paper = ["RMSE, paper", "0.612", "AV+EC 2017 baseline", "on SEWA", "not with the paper"]
    valence = (out / "table9.md").read_text()
    assert all(word in valence for word in paper)
    assert valence.startswith("# table9: SEWA\n")

    assert benchmark_cli.main([*words, "--target", "arousal"]) == 0
    capsys.readouterr()
    assert {path: path.read_bytes() for path in before} == before
    for text in (
        (out / "table9-arousal.md").read_text(),
        (out / "table9-arousal.csv").read_text(),
        (out / "table9-arousal.tex").read_text(),
        (pages / "table9-arousal.md").read_text(),
    ):
        assert "URAN" in text
        assert not any(word in text for word in paper)
    page = (pages / "table9-arousal.md").read_text()
    assert page.startswith("# table9: SEWA, arousal\n")
    assert "The paper's figures are of valence and are left out." in page
    assert "(table9-arousal.csv)" in page
    assert {path.name.replace("-arousal", "") for path in pages.glob("*-arousal*")} == {
        path.name for path in before if path.parent == pages
    }


def test_figures_of_the_store_alone_are_of_both_dimensions(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fig9", "--store", str(store_path), "-o", str(tmp_path), "--target", "arousal"]
    assert benchmark_cli.main([*words, "--quiet"]) == 0
    capsys.readouterr()
    assert (tmp_path / "fig9.png").is_file()
