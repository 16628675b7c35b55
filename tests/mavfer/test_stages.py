import json

import pytest

from mavfer.stages import StageError, StageRunner


def runner(folder, lines, plan=None):
    return StageRunner(folder, plan=plan or {"fast": True}, say=lines.append)


def test_finished_stage_is_not_run_again(tmp_path):
    calls = []

    def work():
        calls.append(1)
        return {"value": 7}

    first = runner(tmp_path, [])
    assert first.stage("one", "Stage one", work) == {"value": 7}
    lines: list[str] = []
    again = runner(tmp_path, lines)
    assert again.stage("one", "Stage one", work) == {"value": 7}
    assert calls == [1]
    assert any("done earlier" in line for line in lines)


def test_failed_stage_leaves_the_earlier_ones_done(tmp_path):
    first = runner(tmp_path, [])
    first.stage("one", "Stage one", lambda: {"value": 1})

    def failing():
        raise StageError("no camera")

    with pytest.raises(StageError, match="no camera"):
        first.stage("two", "Stage two", failing)
    assert list(runner(tmp_path, []).stages) == ["one"]


def test_folder_of_another_plan_is_refused(tmp_path):
    runner(tmp_path, []).stage("one", "Stage one", dict)
    with pytest.raises(StageError, match="other settings"):
        runner(tmp_path, [], plan={"fast": False})


def test_folder_with_foreign_files_is_refused_and_untouched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StageError, match="holds no demonstration"):
        runner(tmp_path, [])
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 1}', '{"version": 1, "plan": 3}'])
def test_damaged_state_is_one_clear_error(tmp_path, content):
    (tmp_path / "stages.json").write_text(content)
    with pytest.raises(StageError, match=r"stages\.json is damaged"):
        runner(tmp_path, [])


def test_commands_run_as_processes_and_their_json_is_read(tmp_path):
    raters = tmp_path.parent / f"{tmp_path.name}-raters.csv"
    raters.write_text(
        "session,rater,dimension,time_s,value\n"
        + "".join(
            f"A,r{r},{d},{t},{t - r}\n"
            for r in (1, 2)
            for d in ("valence", "arousal")
            for t in range(5)
        )
    )
    labels = tmp_path.parent / f"{tmp_path.name}-labels.csv"
    lines: list[str] = []
    stages = runner(tmp_path, lines)
    result = stages.stage(
        "fuse", "Fuse", lambda: stages.run("mavfer-annotate", "fuse", raters, "-o", labels)
    )
    assert isinstance(result, dict)
    assert labels.exists()
    state = json.loads((tmp_path / "stages.json").read_text())
    (command,) = state["stages"]["fuse"]["commands"]
    assert command.startswith("mavfer-annotate fuse")


def test_a_failing_command_is_an_error_that_names_it(tmp_path):
    stages = runner(tmp_path, [])
    with pytest.raises(StageError, match="mavfer-annotate exited with status"):
        stages.run("mavfer-annotate", "fuse", tmp_path / "missing.csv", "-o", tmp_path / "x.csv")
