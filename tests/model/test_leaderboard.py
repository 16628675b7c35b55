"""A leaderboard whose rows are complete, and ours those of the pages of results."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mavfer.sim_presets import LIGHTS
from mavfer.store import ClipStore, open_store
from mavfer.store_assembly import write_store
from mavfer.store_writer import StoreLayout, VideoEntry
from model import benchmark_cli, evaluate_cli
from model.errors import ModelError
from model.leaderboard import (
    COLUMNS,
    LeaderboardRow,
    csv_text,
    file_sha256,
    gold_fingerprint,
    parse_row,
    read_leaderboard,
    write_leaderboard,
)
from model.own_rows import check_against_results

RESULTS = Path(__file__).parents[2] / "docs" / "results"
SPLITS = {"T0": "train", "V0": "validation", **{f"X{k}": "test" for k in range(5)}}


def test_the_leaderboard_is_complete_and_our_rows_are_those_of_the_pages() -> None:
    path = RESULTS / "leaderboard.csv"
    rows = read_leaderboard(path)
    ours = [row for row in rows if row.by == "mavfer"]
    for row in ours:
        check_against_results(row, RESULTS)
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)


def lit_store(folder: Path, entry: VideoEntry, *, noise: float = 0.0) -> Path:
    """A store of one video a person, the four lights in turn, where a preset would put it."""
    rng = np.random.default_rng(0)
    layout = StoreLayout(
        modalities=("color", "depth", "thermal"), crop_px=32, clip_length=16, rate_hz=4.0
    )
    n_frames = len(entry.time_ns)
    stages = [[2.5 * k, f"light {light}"] for k, light in enumerate(LIGHTS)]
    entries = [
        replace(
            entry,
            id=f"{subject}_01",
            subject=subject,
            notes={"stages": stages},
            valence=np.roll(entry.valence, 7 * k),
            landmarks_px=entry.landmarks_px + noise * rng.standard_normal((n_frames, 68, 2)),
        )
        for k, subject in enumerate(SPLITS)
    ]
    path = folder / "mavfer-sim-tiny.h5"
    write_store(path, entries, layout=layout, splits=SPLITS)
    plan = {"plan": {"preset": "mavfer-sim-tiny", "version": 3}}
    (folder / "stages.json").write_text(json.dumps(plan))
    return path


@pytest.fixture
def sim_store(tmp_path: Path, film_entry: VideoEntry) -> Path:
    return lit_store(tmp_path, film_entry)


def their_predictions(store: ClipStore, folder: Path) -> list[Path]:
    """Three seeds, as somebody with pandas only would write them: seconds, no other column."""
    paths = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        frames = []
        for video in store.videos.values():
            if video.split == "test":
                gold = np.nan_to_num(store.labels(video.id, "valence"))
                noise = 0.3 * rng.standard_normal(len(gold))
                frames.append(
                    pd.DataFrame(
                        {
                            "video": video.id,
                            "time_s": store.time_ns(video.id) / 1e9,
                            "predicted": np.clip(0.7 * gold + noise, -1, 1),
                        }
                    )
                )
        table = pd.concat(frames).sample(frac=1, random_state=seed)  # in any order
        table["video"] = table["video"].astype("category")
        paths.append(folder / f"s{seed}.parquet")
        table.to_parquet(paths[-1])
    return paths


def test_predictions_of_others_become_a_row(
    sim_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_store(sim_store) as store:
        files = their_predictions(store, tmp_path)
        gold = gold_fingerprint(store)
    named = [word for path in files for word in ("--predictions", str(path))]
    out = tmp_path / "theirs"
    words = [*named, "--store", str(sim_store), "-o", str(out), "--row", "Theirs, big"]
    assert evaluate_cli.main([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    cells = report["row"]
    empty = {name for name in COLUMNS if name not in cells}
    assert empty == {"by", "parameters", "multiplications", "source"}
    assert (out / "row.csv").read_text() == csv_text([cells])
    scores = [
        json.loads((out / f"seed-{k}" / "metrics.json").read_text())["outputs"]["valence"]
        for k in range(3)
    ]
    each = [one["pooled"]["ccc"] for one in scores]
    dark = [one["groups"]["light"]["dark"]["ccc"] for one in scores]
    filled = cells | {"by": "they", "parameters": "10", "multiplications": "0.5", "source": "x"}
    row = parse_row(filled, where="their row")
    assert row.ccc == pytest.approx(np.mean(each), abs=6e-4)
    assert row.ccc_sd == pytest.approx(np.std(each, ddof=1), abs=6e-4)
    assert row.ccc_dark == pytest.approx(np.mean(dark), abs=6e-4)
    assert (row.seeds, row.people, row.dataset, row.gold) == (3, 5, "mavfer-sim-tiny 3", gold)
    assert row.ccc_low < row.ccc < row.ccc_high
    assert row.predictions.split() == [file_sha256(path) for path in files]
    board = tmp_path / "leaderboard.csv"
    write_leaderboard(board, [row])
    assert read_leaderboard(board) == (row,)
    assert evaluate_cli.main(words) == 1  # nothing is overwritten unasked
    assert "exists already" in capsys.readouterr().err


def test_one_network_is_not_two_seeds(
    sim_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_store(sim_store) as store:
        first, second, _ = their_predictions(store, tmp_path)
    again = tmp_path / "again.csv"
    pd.read_parquet(first).to_csv(again, index=False)
    named = [word for path in (first, second, again) for word in ("--predictions", str(path))]
    out = tmp_path / "theirs"
    words = [*named, "--store", str(sim_store), "-o", str(out), "--row", "Theirs"]
    assert evaluate_cli.main(words) == 1
    assert "s0.parquet and " in (error := capsys.readouterr().err)
    assert "again.csv have the same predictions" in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--row", "x", "--split", "train"], "a row is of the test split"),
        (["--predictions", "s1.parquet"], "or --row NAME"),
        (["--row", "x", "--controls"], "no inputs to knock out"),
    ],
)
def test_wrong_rows_are_one_line(
    sim_store: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    words = ["--predictions", "s0.parquet", "--store", str(sim_store), "-o", str(tmp_path / "out")]
    assert evaluate_cli.main([*words, *options]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.strip().count("\n") == 0


def test_gold_is_the_same_whatever_the_processor_did_to_coordinates(
    film_entry: VideoEntry, tmp_path: Path
) -> None:
    found, stores = [], []
    for name, noise in (("one", 0.0), ("two", 1e-5)):
        (tmp_path / name).mkdir()
        with open_store(lit_store(tmp_path / name, film_entry, noise=noise)) as store:
            found.append(gold_fingerprint(store))
            stores.append(store.fingerprint)
    assert found[0] == found[1]
    assert stores[0] != stores[1]
    (tmp_path / "three").mkdir()
    other = replace(film_entry, valence=np.clip(film_entry.valence + 0.002, -1, 1))
    with open_store(lit_store(tmp_path / "three", other)) as store:
        assert gold_fingerprint(store) != found[0]


def test_our_rows_come_from_a_table_and_are_checked_against_it(
    sim_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    words = ["table7", "--store", str(sim_store), "-o", str(tmp_path / "out"), "--quiet"]
    words += ["--rows", "ridge", "--steps", "2", "--set", "input_px=16", "--json"]
    words += ["--publish", str(results), "--leaderboard", str(results / "leaderboard.csv")]
    for _ in range(2):  # the second time replaces what the first has written
        assert benchmark_cli.main(words) == 0
        assert json.loads(capsys.readouterr().out)["table7"]["leaderboard"]["rows"] == 1
        (row,) = read_leaderboard(results / "leaderboard.csv")
    assert row.name == "ridge color (small)"
    assert row.source == "table7: ridge"
    assert row.dataset == "mavfer-sim-tiny 3"
    assert row.multiplications < 0.1
    assert len(row.predictions.split()) == 1
    assert f"| gold labels | `{row.gold}` |" in (results / "table7.md").read_text()
    check_against_results(row, results)
    for change, message in (
        ({"ccc_dark": row.ccc_dark + 0.002}, "ccc_dark is"),
        ({"source": "table7: other"}, "has no row 'other'"),
        ({"source": "table9: ridge"}, "cannot be read"),
    ):
        with pytest.raises(ModelError, match=message):
            check_against_results(replace(row, **change), results)


GOOD = LeaderboardRow(
    *("n", "b", "2026-01-31", "mavfer-sim-small 2", "0" * 16, "valence", 3, 24),
    *(0.5, 0.1, 0.4, 0.6, 0.3, 0.01, 0.6, 0.02, 0.6, 0.5, 0.4, 0.1),
    *(1000, 2.5, " ".join(digit * 64 for digit in "abc"), "https://example.org"),
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"by": " "}, "by missing"),
        ({"date": "31.1.2026"}, "expected 2026-01-31"),
        ({"output": "joy"}, "expected valence or arousal"),
        ({"seeds": "2"}, "at least 3"),
        ({"seeds": "three"}, "expected a number"),
        ({"ccc": "1e9"}, "expected -1 to 2"),
        ({"ccc": "nan"}, "expected -1 to 2"),
        ({"ccc_sd": "-0.1"}, "expected 0 to 2"),
        ({"ccc_low": "0.7"}, "is above ccc_high"),
        ({"parameters": "0"}, "to be counted"),
        ({"multiplications": "inf"}, "to be counted"),
        ({"predictions": "abc"}, "no.* SHA-256"),
        ({"predictions": " ".join(["a" * 64] * 2)}, "2 files of predictions of 3 seeds"),
        ({"predictions": " ".join(["a" * 64] * 3)}, "stands for two seeds"),
        ({"gold": "x"}, "16 hexadecimal"),
    ],
)
def test_incomplete_rows_are_named(tmp_path: Path, change: dict, message: str) -> None:
    path = tmp_path / "leaderboard.csv"
    write_leaderboard(path, [GOOD])
    cells = dict(zip(COLUMNS, path.read_text().splitlines()[1].split(","), strict=True))
    assert parse_row(cells, where="x") == GOOD
    path.write_text(csv_text([cells | change]))
    with pytest.raises(ModelError, match=message):
        read_leaderboard(path)


def test_a_leaderboard_is_in_order_and_has_no_row_twice(tmp_path: Path) -> None:
    path = tmp_path / "leaderboard.csv"
    better = replace(GOOD, name="m", ccc=0.7)
    arousal = replace(GOOD, output="arousal")
    write_leaderboard(path, [GOOD, better, arousal])
    assert read_leaderboard(path) == (arousal, better, GOOD)
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    with pytest.raises(ModelError, match="line 5: n by b is there already"):
        read_leaderboard(path)
    path.write_text("a,b\n")
    with pytest.raises(ModelError, match="expected name, by"):
        read_leaderboard(path)
