"""Tables from runs that are found by their content, killed, shared and gone on with."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from annotation.agreement import ccc
from mavfer.store import open_store
from mavfer.store_assembly import write_store
from mavfer.store_traces import LabelTrace
from mavfer.store_writer import StoreLayout, VideoEntry
from model import benchmark_cli
from model.benchmark import BenchmarkPlan, carry_out, plan_rows
from model.benchmark_tables import make_table
from model.errors import ModelError
from model.experiments import EXPERIMENTS
from model.result_table import to_csv, to_markdown
from model.run_spec import steps_of

DEADLINE_S = 240.0
TINY = [
    *("--set", "width=0.05", "--set", "input_px=16", "--set", "fc_units=4"),
    *("--set", "validate_every=2", "--set", "batch_size=2"),
]


def command(store: Path, out: Path, *words: str) -> list[str]:
    return ["--store", str(store), "-o", str(out), "--steps", "4", "--quiet", *TINY, *words]


def start(words: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "model.benchmark_cli", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def mtimes(out: Path) -> dict[str, int]:
    return {
        str(path.relative_to(out)): path.stat().st_mtime_ns
        for path in sorted((out / "runs").rglob("checkpoint.safetensors"))
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_benchmark_killed_on_the_way_ends_with_the_same_table(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = ("table9", "--seeds", "1")
    assert benchmark_cli.main([*command(store_path, whole, *words), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["table9"]
    scores = {row["label"]: row["scores"] for row in report["rows"]}
    assert scores.pop("AV+EC 2017 baseline") == {}
    assert set(scores) == {"CNN", "CNN + RNN (4 s)", "URAN"}
    assert all(len(each["ccc"]["seeds"]) == 1 for each in scores.values())

    process = start([*command(store_path, killed, *words), "--workers", "2"])
    deadline_s = time.monotonic() + DEADLINE_S
    while not list(killed.glob("runs/*/metrics.jsonl")):
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(list(killed.glob("runs/*/finished.json"))) < 3
    assert not (killed / "table9.md").exists()
    assert benchmark_cli.main(command(store_path, killed, *words)) == 0
    capsys.readouterr()
    for kind in ("csv", "tex", "md"):
        one, two = ((out / f"table9.{kind}").read_text() for out in (whole, killed))
        assert one == two
    rows = list(csv.DictReader((whole / "table9.csv").read_text().splitlines()))
    paper = {row["row"]: row["paper"] for row in rows if row["metric"] == "ccc"}
    assert paper == {
        "AV+EC 2017 baseline": "0.400",
        "CNN": "0.528",
        "CNN + RNN (4 s)": "0.588",
        "URAN": "0.612",
    }

    # Everything is there: nothing is trained again, by this table or by another experiment.
    after = mtimes(killed)
    assert len(after) == 3
    assert benchmark_cli.main(command(store_path, killed, *words)) == 0
    assert benchmark_cli.main(command(store_path, killed, "fig13", "--seeds", "1")) == 0
    assert mtimes(killed) == after  # URAN on color is the last row of table9
    assert (killed / "fig13.mp4").stat().st_size > 1000


def test_knock_outs_stand_beside_a_table(store_path: Path, tmp_path: Path) -> None:
    small = {"width": 0.05, "input_px": 16, "fc_units": 4}
    experiment = EXPERIMENTS["table5"]
    with open_store(store_path) as store:
        plan = BenchmarkPlan(store, tmp_path, n_seeds=2, steps=1, settings=small)
        rows = [row for row in plan_rows(experiment, plan) if row.row.label == "3D-CNN"]
        assert carry_out(rows, plan) == {}
        table = make_table(experiment, rows, plan, {})
    (row,) = table.rows
    assert len(row.scores["ccc"].known) == 2
    assert row.note == "2 of 2 seeds ended with constant output: train longer"
    spoiled, training = table.breakdowns  # the store names no light
    assert spoiled.columns == ("color=blank",)
    assert training.name == "training"
    # A network without inputs says the same of everything.
    assert spoiled.figures["3D-CNN"]["color=blank"].mean == pytest.approx(0, abs=1e-6)


def test_lights_that_change_within_a_video_stand_beside_a_table(
    lit_store_path: Path, tmp_path: Path
) -> None:
    small = {"width": 0.05, "input_px": 16, "fc_units": 4}
    experiment = EXPERIMENTS["table5"]
    with open_store(lit_store_path) as store:
        plan = BenchmarkPlan(store, tmp_path, n_seeds=2, steps=1, settings=small)
        rows = [row for row in plan_rows(experiment, plan) if row.row.label == "+ temporal decoder"]
        assert carry_out(rows, plan) == {}
        table = make_table(experiment, rows, plan, {})
        specs = rows[0].specs
    light, spoiled, *by_light, attention, training = table.breakdowns
    assert (light.name, light.columns) == ("light", ("dim", "side"))
    assert spoiled.name == "knock-out"
    assert attention.columns == ("mouth", "eyes", "nose", "rim", "contrast", "between clips")
    assert training.columns == (
        *("parameters", "multiplications, M", "left the plateau at", "best step", "steps"),
    )
    told = training.figures["+ temporal decoder"]
    assert training.cell(told["left the plateau at"]) == "never"
    assert training.cell(told["steps"]) == "1"
    assert len(attention.figures["+ temporal decoder"]["contrast"].known) == 2
    assert [part.name for part in by_light] == ["knock-out, light dim", "knock-out, light side"]
    assert [part.printed for part in by_light].count(True) == 1
    for seed, spec in enumerate(specs):
        (path,) = spec.folder(tmp_path).glob("*/test.parquet")
        found = pyarrow.parquet.read_table(path).to_pandas().dropna(subset="gold")
        for name, part in (("dim", found.time_ns < 5e9), ("side", found.time_ns >= 5e9)):
            expected = ccc(*(found[part][k].to_numpy(float) for k in ("predicted", "gold")))
            assert light.figures["+ temporal decoder"][name].values[seed] == pytest.approx(
                expected, abs=1e-6
            )
            assert by_light[0 if name == "dim" else 1].figures["+ temporal decoder"][
                "as trained"
            ].values[seed] == pytest.approx(expected, abs=1e-6)
    markdown = to_markdown(table)
    assert "## CCC by light\n\n|  | all | dim | side |" in markdown
    # A run whose evaluation lacks what is kept today is scored again, not trained again.
    checkpoint = specs[0].folder(tmp_path) / "checkpoint.safetensors"
    before = checkpoint.stat().st_mtime_ns
    for path in specs[0].folder(tmp_path).glob("evaluations-*/test.json"):
        path.unlink()
    with open_store(lit_store_path) as store:
        again = replace(plan, store=store)
        assert carry_out(rows, again) == {}
        assert to_csv(make_table(experiment, rows, again, {})) == to_csv(table)
    assert checkpoint.stat().st_mtime_ns == before


def test_dry_run_says_what_is_missing(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(store_path, tmp_path / "out", "table4", "--dry-run", "--json")
    assert benchmark_cli.main(words) == 0
    report = json.loads(capsys.readouterr().out)["table4"]
    closed = sum(row.architecture == "ridge" for row in EXPERIMENTS["table4"].rows)
    # three seeds a network, one run a closed form
    n_runs = 3 * (len(EXPERIMENTS["table4"].rows) - closed) + closed
    assert report == {"runs": n_runs, "missing": n_runs}
    assert not (tmp_path / "out").exists()


def test_a_dry_run_tells_trained_runs_whose_knock_outs_are_not_scored(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert benchmark_cli.main(command(store_path, out, "table7", "--rows", "ridge")) == 0
    capsys.readouterr()
    words = command(store_path, out, "table4", "--rows", "ridge, color", "--dry-run")
    assert benchmark_cli.main(words) == 0
    told = capsys.readouterr().out
    assert "0 of 1 runs are there, 1 more without all scores" in told


def test_a_dry_run_of_what_needs_no_run_says_so(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command(store_path, tmp_path / "out", "table3", "fig7", "--dry-run", "--json")
    assert benchmark_cli.main(words) == 0
    nothing = {"runs": 0, "missing": 0}
    assert json.loads(capsys.readouterr().out) == {"table3": nothing, "fig7": nothing}
    words = command(store_path, tmp_path / "out", "all", "--dry-run", "--json")
    assert benchmark_cli.main(words) == 0
    report = json.loads(capsys.readouterr().out)
    # The drawn store has no categories; nothing else is amiss.
    assert {name for name, facts in report.items() if "skipped" in facts} == {"table10"}
    assert not (tmp_path / "out").exists()


def test_a_label_with_a_comma_can_be_chosen(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("table4", "--rows", "ridge, color,depth", "--dry-run")
    assert benchmark_cli.main(command(store_path, tmp_path / "out", *words)) == 0
    told = [line.split("  ")[1] for line in capsys.readouterr().out.splitlines()[1:] if line]
    assert told[:2] == ["depth", "ridge, color"]
    assert len(told) == 2


def test_statistics_and_agreement_need_no_run(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert benchmark_cli.main(command(store_path, out, "fig9")) == 0
    assert (out / "fig9.png").stat().st_size > 1000
    assert not (out / "runs").exists()
    capsys.readouterr()
    assert benchmark_cli.main(command(store_path, out, "table3")) == 1
    assert "keeps no raters" in capsys.readouterr().err


def test_agreement_of_the_raters_stands_beside_the_papers(
    tmp_path: Path, film_entry: VideoEntry, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    truth = film_entry.arousal.astype(float)
    traces = [
        LabelTrace("arousal", film_entry.time_ns, truth + 0.1 * rng.standard_normal(50), rater)
        for rater in ("A", "B", "C")
    ]
    layout = StoreLayout(
        modalities=("color", "depth", "thermal"), crop_px=32, clip_length=16, rate_hz=4.0
    )
    path, out = tmp_path / "rated.h5", tmp_path / "out"
    entry = replace(film_entry, traces=traces)
    write_store(path, [entry], layout=layout, splits={"T9": "train"})
    assert benchmark_cli.main(command(path, out, "table3")) == 0
    capsys.readouterr()
    rows = {
        r["dimension"]: r for r in csv.DictReader((out / "table3.csv").read_text().splitlines())
    }
    assert rows["arousal"]["alpha_paper"] == "0.72"
    assert float(rows["arousal"]["alpha"]) > 0.9
    assert float(rows["arousal"]["correlation"]) > 0.9
    assert rows["valence"]["alpha"] == "–"
    assert "| arousal | 45.4 | 0.424 | 0.72 |" in (out / "table3.md").read_text()


def test_categories_get_their_table(
    category_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = command(category_store, out, "table10", "--seeds", "1", "--json")
    assert benchmark_cli.main(words) == 0
    rows = {row["label"]: row for row in json.loads(capsys.readouterr().out)["table10"]["rows"]}
    assert rows["URAN"]["scores"]["accuracy"]["mean"] is not None
    assert rows["Vielzeuf et al."]["scores"] == {}
    assert "0.486" in (out / "table10.md").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("table10",), "needs videos with categories"),
        (("table4", "--seeds", "0"), "expected at least 1"),
        (("table4", "--steps", "0"), "max_steps is 0"),
        (("table7", "--pretrained", "mran=x"), "NETWORK=FILE"),
        (("table4", "--rows", ","), "names nothing"),
        (("table4", "--set", "widht=1"), "did you mean width?"),
        (("table4", "--scheduler", "tcp://127.0.0.1:9"), "no Dask scheduler answers"),
    ],
)
def test_wrong_benchmarks_are_one_line(
    store_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.setattr("model.run_pool._CONNECT_S", 1)
    assert benchmark_cli.main(command(store_path, tmp_path / "out", *words)) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.strip().count("\n") == 0


def test_rows_that_cannot_be_run_say_why(store_path: Path, film_path: Path, tmp_path: Path) -> None:
    with open_store(film_path) as film:
        rows = plan_rows(EXPERIMENTS["table4"], BenchmarkPlan(film, tmp_path))
        notes = {row.row.label: row.note for row in rows}
        assert notes["color + thermal"] == "not run: the store has no thermal"
        assert notes["color"] == ""
        with pytest.raises(ModelError, match="no row can be run"):
            plan_rows(EXPERIMENTS["fig10"], BenchmarkPlan(film, tmp_path))
    with open_store(store_path) as store:
        for scale in ("recommended", "paper"):
            full = BenchmarkPlan(store, tmp_path, scale=scale)
            notes = {row.row.label: row for row in plan_rows(EXPERIMENTS["table7"], full)}
            assert "no imagenet weights" in notes["VGG-16"].note
            assert notes["VGG-16"].specs == ()
            assert len(notes["URAN"].specs) == 3
        small = BenchmarkPlan(store, tmp_path)
        notes = {row.row.label: row for row in plan_rows(EXPERIMENTS["table7"], small)}
        assert notes["VGG-16"].note == "from random weights, not from published ones"


def test_rows_are_chosen_by_label_or_architecture(store_path: Path, tmp_path: Path) -> None:
    experiment = EXPERIMENTS["table7"]
    with open_store(store_path) as store:

        def chosen(**options: Any) -> list[str]:
            plan = BenchmarkPlan(store, tmp_path, **options)
            return [row.row.label for row in plan_rows(experiment, plan)]

        assert len(chosen()) == len(experiment.rows)
        own = [
            *("CNN (Khorrami et al.)", "CNN + RNN, 4 s (Khorrami et al.)", "URAN", "ridge"),
        ]
        assert chosen(without_pretrained=True) == own
        assert chosen(rows=("khorrami*", "Uran")) == [*own[:2], "URAN"]
        assert chosen(rows=("*rnn, 4 s*",)) == own[1:2]
        # A whole label is that row, though others have an architecture of this name.
        plan = BenchmarkPlan(store, tmp_path, rows=("evidence", "mran"), n_seeds=1)
        planned = plan_rows(EXPERIMENTS["evidence"], plan)
        assert [row.row.label for row in planned] == ["MRAN", "evidence"]
        with pytest.raises(ModelError, match=r"no row is left of CNN \(Khorrami et al\.\); VGG-16"):
            chosen(rows=("vgg*",), without_pretrained=True)
        plan = BenchmarkPlan(store, tmp_path, rows=("ridge",), n_seeds=1)
        table = make_table(
            experiment,
            plan_rows(experiment, plan),
            plan,
            {spec.key: "failed" for row in plan_rows(experiment, plan) for spec in row.specs},
        )
    assert "Left out by choice: CNN (Khorrami et al.); VGG-16;" in to_markdown(table)


def test_equal_content_is_the_same_run_wherever_the_store_lies(
    store_path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.h5"
    copy.write_bytes(store_path.read_bytes())
    keys = []
    for path in (store_path, copy):
        with open_store(path) as store:
            rows = plan_rows(EXPERIMENTS["table4"], BenchmarkPlan(store, tmp_path))
            keys.append([spec.key for row in rows for spec in row.specs])
    assert keys[0] == keys[1]
    with open_store(store_path) as store:
        other = BenchmarkPlan(store, tmp_path, settings={"learning_rate": 0.5})
        changed = [s.key for row in plan_rows(EXPERIMENTS["table4"], other) for s in row.specs]
        assert not set(changed) & set(keys[0])
        (spec, *_) = plan_rows(EXPERIMENTS["table4"], other)[0].specs
        assert steps_of(spec, tmp_path)[0] == 0


def test_failed_runs_leave_their_row_open(store_path: Path, tmp_path: Path) -> None:
    with open_store(store_path) as store:
        plan = BenchmarkPlan(store, tmp_path, n_seeds=1)
        rows = plan_rows(EXPERIMENTS["table6"], plan)
        failures = {spec.key: "diverged" for row in rows for spec in row.specs}
        table = make_table(EXPERIMENTS["table6"], rows, plan, failures)
    assert all(row.note == "failed: diverged" and not row.scores for row in table.rows)
    assert "diverged" in to_markdown(table)
