"""Options of ``mavfer-evaluate`` that would be ignored are refused."""

import pytest

from model import benchmark_cli, evaluate_cli
from model.experiments import EXPERIMENTS

RUN = ["--run", "r"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*RUN, "--store", "s.h5", "--seconds", "0"], "--seconds is about --live only"),
        ([*RUN, "--store", "s.h5", "--keys", "k"], "--keys is about --live only"),
        ([*RUN, "--store", "s.h5", "--row", "x"], "--row is about --predictions only"),
        ([*RUN, "--video", "v.mp4", "--seconds", "3"], "--seconds is about --live only"),
        ([*RUN, "--video", "v.mp4", "--stride", "0"], "--video has no use for --stride"),
        ([*RUN, "--video", "v.mp4", "--split", "test"], "--video has no use for --split"),
        ([*RUN, "--live", "w", "--batch-size", "8"], "--live has no use for --batch-size"),
        (["--predictions", "p.csv", "--stride", "4"], "--predictions has no use for --stride"),
        (
            ["--predictions", "p.csv", "--device", "auto", "--no-post-processing"],
            "no use for --device, --no-post-processing (leave them out)",
        ),
    ],
)
def test_what_would_be_ignored_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate_cli.main(words) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.strip().count("\n") == 0


def test_help_names_every_experiment_that_is_no_table_or_figure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # nothing is wrapped at a hyphen
    with pytest.raises(SystemExit):
        benchmark_cli.main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    argument = told[told.index("EXPERIMENT table3 to") :].split(" options:")[0]
    others = [name for name in EXPERIMENTS if not name.startswith(("table", "fig"))]
    assert all(name in argument.replace(",", "").split() for name in others)
