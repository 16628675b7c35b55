import json
import shutil

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


def chain(folder, lines, calls):
    """Three stages, each of which writes what the next would read."""
    stages = runner(folder, lines)

    def make(name, content):
        def work():
            calls.append(name)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
            return {}

        return work

    stages.stage("sessions", "Sessions", make("sessions/A/color.mcap", "frames"), ["sessions"])
    stages.stage("labels", "Labels", make("labels.csv", "time,value"), ["labels.csv"])
    stages.stage("build", "Build", make("store.h5", "store"), ["store.h5"])


def test_what_is_gone_is_made_again_with_all_that_follows(tmp_path):
    chain(tmp_path, [], [])
    for gone, redone in (
        ("store.h5", ["store.h5"]),
        ("labels.csv", ["labels.csv", "store.h5"]),
        ("sessions/A", ["sessions/A/color.mcap", "labels.csv", "store.h5"]),
    ):
        path = tmp_path / gone
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        lines, calls = [], []
        chain(tmp_path, lines, calls)
        assert calls == redone
        assert f"gone since: {gone}; made again, with all that follows" in lines
    calls = []
    chain(tmp_path, [], calls)
    assert calls == []


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("store.h5", "cut", r"store\.h5 has 3 bytes, 5 when it was made \(delete it"),
        ("labels.csv", "time,value,mine", "labels.csv has 15 bytes, 10"),
        ("sessions/A/color.mcap", "", "A has 0 bytes, 6"),
    ],
)
def test_what_was_changed_is_told_and_not_overwritten(tmp_path, name, content, told):
    chain(tmp_path, [], [])
    (tmp_path / name).write_text(content)
    calls = []
    with pytest.raises(StageError, match=told):
        chain(tmp_path, [], calls)
    assert calls == []
    assert (tmp_path / name).read_text() == content


def test_a_folder_may_grow(tmp_path):
    chain(tmp_path, [], [])
    (tmp_path / "sessions" / "A" / "note.txt").write_text("glasses")
    (tmp_path / "sessions" / "B").mkdir()
    calls = []
    chain(tmp_path, [], calls)
    assert calls == []


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
