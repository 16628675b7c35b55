import json
from pathlib import Path

import pytest

from model import evaluate_cli, train_cli
from model.errors import ModelWarning

TINY = ("--set", "width=0.1", "--set", "input_px=16", "--set", "fc_units=8")


def trained(store_path: Path, folder: Path, *options: str) -> int:
    base = [str(store_path), "-o", str(folder), "--steps", "4", "--threads", "1", "--quiet"]
    return train_cli.main([*base, *TINY, *options])


def test_from_store_to_checkpoint_to_results(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "evaluation"
    assert trained(store_path, run, "--model", "uran", "--target", "both", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["modalities"] == ["color"]
    assert report["steps"] == 4
    assert (run / "curves.png").stat().st_size > 1000

    arguments = [str(run), str(store_path), "-o", str(out), "--quiet", "--json", "--threads", "1"]
    assert evaluate_cli.main(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["outputs"]) == {"valence", "arousal"}
    assert result["pooled"]["n"] == 78
    for name in ("predictions.csv", "metrics.json", "traces.png", "attention.png", "report.html"):
        assert (out / name).stat().st_size > 500
    assert json.loads((out / "metrics.json").read_text())["pooled"] == result["pooled"]

    assert evaluate_cli.main(arguments) == 1
    assert "exists already" in capsys.readouterr().err


def test_text_report_and_knock_out(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert trained(store_path, run, "--max-seconds", "0") == 0
    assert "time budget used up" in capsys.readouterr().out
    arguments = ["--run", str(run), "--store", str(store_path), "--quiet"]
    arguments += ["--knock-out", "zero-guides", "--knockout", "color=blank"]
    assert evaluate_cli.main([*arguments, "--batch-size", "0"]) == 1
    assert "--batch-size is 0" in capsys.readouterr().err
    assert not (run / "evaluation").exists()
    assert evaluate_cli.main(arguments) == 0
    text = capsys.readouterr().out
    assert "guides=zero,color=blank" in text
    assert (run / "evaluation" / "test-guides=zero-color=blank" / "report.html").is_file()
    assert "video mean" in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "widht=1"), "did you mean width?"),
        (("--set", "width"), "expected KEY=VALUE"),
        (("--set", "attention=cubist"), "expected one of"),
        (("--modalities", "color,infrared"), "expected among"),
        (("--device", "cuda:99"), "CUDA devices"),
        (("--device", "toaster"), "no device 'toaster'"),
        (("--seed", "-1"), "seed is -1"),
        (("--seed", str(10**20)), "seed is 1000"),
        (("--threads", str(10**20)), "threads asked for"),
        (("--workers", "-1"), "--workers is -1"),
        (("--max-seconds", "nan"), "--max-seconds is nan"),
        (("--max-seconds", "-1"), "--max-seconds is -1"),
    ],
)
def test_wrong_options_are_one_line(
    store_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    assert trained(store_path, tmp_path / "run", *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "holds no training run"),
        (("--batch-size", "2"), "--batch-size with --resume"),
        (("--overwrite",), "--resume and --overwrite at once"),
    ],
)
def test_resume_needs_a_run_and_no_other_settings(
    tmp_path: Path,
    store_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    base = [str(store_path), "-o", str(tmp_path / "none"), "--resume", "--quiet"]
    assert train_cli.main([*base, *options]) == 1
    assert message in capsys.readouterr().err


def test_workers_that_have_nothing_to_read_are_told_of(store_path: Path, tmp_path: Path) -> None:
    with pytest.warns(ModelWarning, match=r"--workers 2 do nothing.*--set cache=none"):
        assert trained(store_path, tmp_path / "run", "--workers", "2", "--max-seconds", "0") == 0


def test_a_run_is_resumed_as_it_was_started(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert trained(store_path, run, "--model", "uran", "--modalities", "thermal") == 0
    capsys.readouterr()
    base = [str(store_path), "-o", str(run), "--resume", "--quiet", "--json"]
    assert train_cli.main(base) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 4
    assert train_cli.main([*base, "--steps", "7"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["steps"], report["modalities"]) == (7, ["thermal"])


def test_results_go_into_the_run_folder_and_controls_beside_them(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert trained(store_path, run, "--modalities", "color,depth") == 0
    capsys.readouterr()
    base = ["--store", str(store_path), "--quiet", "--json", "--threads", "1"]
    assert evaluate_cli.main([str(run), *base, "--controls"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["controls"]) == {
        *("guides=shuffle", "guides=zero", "attention=mean", "attention=uniform"),
        *("color=blank", "depth=blank"),
    }
    assert (run / "evaluation" / "test" / "report.html").is_file()
    assert (run / "post_processing.json").is_file()
    assert result["post_processing"]["subjects"] == ["V0", "V1"]
    theirs = str(run / "evaluation" / "test" / "predictions.parquet")
    words = ["--predictions", theirs, *base, "-o", str(tmp_path / "theirs")]
    assert evaluate_cli.main(words) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["pooled"]["ccc"] == pytest.approx(result["pooled"]["ccc"], abs=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["runs/x"], "STORE is missing"),
        (["--store", "s.h5"], "RUN is missing"),
        (["a", "s.h5", "--store", "t.h5"], "STORE is given twice"),
        (["a", "--run", "b"], "RUN is given twice"),
        (["--video", "v.mp4", "--live", "tcp://127.0.0.1:1"], "choose one"),
        (["--video", "v.mp4", "--run", "a", "--store", "s.h5"], "takes no clip store"),
        (["a", "s.h5", "--knockout", "guides=loud"], "known: guides=shuffle|zero"),
        (["--predictions", "p.parquet", "--store", "s.h5"], "where to?"),
        (["--predictions", "p.parquet", "--run", "r", "s.h5", "-o", "o"], "choose one"),
    ],
)
def test_wrong_evaluations_are_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert evaluate_cli.main([*words, "--quiet"]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


CONFIG = """\
preset = "small"
[model]
architecture = "uran"
modalities = ["thermal"]
width = 0.1
input_px = 16
fc_units = 8
[train]
max_steps = 3
seed = 5
"""


def test_a_configuration_file_is_refined_by_options(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = tmp_path / "x.toml", tmp_path / "run"
    file.write_text(CONFIG)
    base = [str(store_path), "--threads", "1", "--quiet", "--json"]
    changed = ("--set", "fc_units=4", "--seed", "6")
    assert train_cli.main([*base, "--config", str(file), "-o", str(run), *changed]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["modalities"], report["steps"]) == (["thermal"], 3)
    config = json.loads((run / "config.json").read_text())
    assert (config["model"]["fc_units"], config["model"]["width"]) == (4, 0.1)
    assert config["train"]["seed"] == 6

    again = tmp_path / "again"
    assert train_cli.main([*base, "--config", str(run / "config.json"), "-o", str(again)]) == 0
    repeated = json.loads((again / "config.json").read_text())
    assert (repeated["model"], repeated["train"]) == (config["model"], config["train"])
    one, two = ((f / "checkpoint.safetensors").read_bytes() for f in (run, again))
    assert one == two


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[modell]\n", "did you mean 'model'?"),
        ("[train]\nseeds = 1\n", "did you mean 'seed'?"),
        ("[model]\ndropout = 'some'\n", "dropout is 'some'"),
        ("[model]\nmodalities = 3\n", "expected a list of names"),
        ("preset = 'huge'\n", "no preset 'huge'"),
        ("preset = 3\n", "preset is 3"),
        ("model = 3\n", "model is no table"),
        ("not toml", "cannot be read as a configuration"),
    ],
)
def test_a_wrong_configuration_file_is_one_line(
    store_path: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    message: str,
) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text)
    assert trained(store_path, tmp_path / "run", "--config", str(file)) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_json_file_that_is_no_runs_config_is_refused(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "metrics.json"
    file.write_text('{"pooled": {}}')
    assert trained(store_path, tmp_path / "run", "--config", str(file)) == 1
    assert "is not the config.json of a run" in capsys.readouterr().err


def test_a_run_gets_a_folder_of_its_own(
    store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--model", "uran", "--seed", "3", "--steps", "1", "--threads", "1", "--quiet"]
    assert train_cli.main([str(store_path), *options, *TINY]) == 0
    assert (tmp_path / "runs" / "uran-color-seed3" / "checkpoint.safetensors").is_file()


def test_categories_are_learned_and_scored(
    category_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    options = ("--model", "uran", "--target", "category", "--set", "validate_every=2", "--json")
    assert trained(category_store, run, *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["validation"]["category"]) == {"n", "accuracy", "uar", "sd"}
    config = json.loads((run / "config.json").read_text())
    assert config["model"]["categories"] == ["angry", "happy"]
    words = [str(run), "--store", str(category_store), "--quiet", "--threads", "1"]
    assert evaluate_cli.main(words) == 0
    text = capsys.readouterr().out
    assert "gold, predicted:" in text
    assert "accuracy" in text


def test_ridge_is_solved_not_trained(
    store_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    options = ["--model", "ridge", "--set", "input_px=32", "--quiet", "--json", "--threads", "1"]
    assert train_cli.main([str(store_path), "-o", str(run), *options]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["stopped"] == "fitted"
    assert report["modalities"] == ["color", "depth", "thermal"]
    assert report["validation"]["valence"]["ccc"] > 0.3
    words = [str(run), "--store", str(store_path), "--quiet", "--json", "--threads", "1"]
    assert evaluate_cli.main(words) == 0
    assert json.loads(capsys.readouterr().out)["attention_contrast"] is None
