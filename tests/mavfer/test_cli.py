"""Every command answers --help at once, with an example, and none loads what it does not need."""

import argparse
import importlib
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mavfer.cli import main

ROOT = Path(__file__).parents[2]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
HEAVY = ("numpy", "torch", "cv2", "zmq", "h5py", "numba", "matplotlib", "mcap", "dlib", "av")


@pytest.mark.parametrize("module", sorted(target.partition(":")[0] for target in SCRIPTS.values()))
def test_importing_a_command_loads_nothing_heavy(module):
    code = f"import sys, {module}\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert loaded.strip() == "[]"


def test_a_build_that_only_hands_work_out_loads_nothing_that_does_it():
    """Two workers load these while the command still reads its labels."""
    doers = ("cv2", "dlib", "av", "numba", "scipy", "torch")
    code = f"import sys, mavfer.build\nprint([name for name in {doers!r} if name in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert loaded.strip() == "[]"


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_help_of_every_script_shows_an_example(script):
    command = Path(sys.executable).with_name(script)
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "example" in done.stdout
    assert f"  {script} " in done.stdout.partition("example")[2]


def commands_in(page):
    """Command lines of mavfer in a page's code, comments and line continuations removed."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ") for line in text.splitlines()]
    lines += re.findall(r"`(mavfer[^`\n]* [^`\n]*)`", text)
    shown = [shlex.split(line, comments=True) for line in lines if re.match(r"mavfer[-\w]* ", line)]
    return [words for words in shown if words[0] in SCRIPTS and not {"…", "..."} & set(words)]


DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.glob("tutorial/*.md"), *DOCS.glob("how-to/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_documentation_are_accepted(page, monkeypatch):
    for words in commands_in(page):
        parser, arguments = parser_for(SCRIPTS[words[0]], words[1:], monkeypatch)
        monkeypatch.undo()
        if len(words) > 2 or words[-1].startswith("-"):
            if "--help" in words:
                continue
            try:
                parser.parse_args(arguments)
            except SystemExit:
                pytest.fail(f"{page.name}: {shlex.join(words)} is refused")


class _ParserSeenError(Exception):
    """Ends a command as soon as it has built its parser."""


def parser_for(target, arguments, monkeypatch):
    """The parser that a console script asks for these arguments, and what it is given."""
    found = []

    def see(parser, given=None, *_):
        found.append((parser, arguments if given is None else given))
        raise _ParserSeenError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", see)
    module, _, function = target.partition(":")
    with pytest.raises(_ParserSeenError):
        getattr(importlib.import_module(module), function)(arguments)
    return found[0]


def parsers_of(target, monkeypatch):
    """Every parser of a console script, its subcommands' included."""
    found = [parser_for(target, [], monkeypatch)[0]]
    for parser in found:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                found.extend(action.choices.values())
    return found


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_reference_page_names_every_command_and_option(script, monkeypatch):
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    for parser in parsers_of(SCRIPTS[script], monkeypatch):
        if any(isinstance(action, argparse._SubParsersAction) for action in parser._actions):
            continue
        section = page.partition(f"# `{parser.prog}`\n")[2].partition("\n#")[0]
        assert section, f"commands.md has no section for {parser.prog}"
        for action in parser._actions:
            options = set(action.option_strings) - {"-h", "--help", "-v", "--verbose"}
            shown = action.help != argparse.SUPPRESS
            if shown and options and not options & {"--json", "--quiet"}:
                longest = max(options, key=len)
                assert longest in section, f"{parser.prog} {longest} is not in commands.md"


@pytest.mark.parametrize(
    "words",
    [
        ["info"],
        ["simulate"],
        ["simulate", "subjects"],
        ["simulate", "board"],
        ["simulate", "raters"],
        ["demo"],
    ],
)
def test_help_of_every_subcommand_shows_an_example(words, capsys):
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    assert left.value.code == 0
    assert f"example:\n  mavfer {' '.join(words)}" in capsys.readouterr().out


def test_a_wrong_word_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as left:
        main(["inform", "x"])
    assert left.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_info_speaks_to_people_and_programs(tmp_path, capsys):
    path = tmp_path / "raters.csv"
    path.write_text("session,rater,dimension,time_s,value\nS01,R1,valence,0,3\n")
    assert main(["info", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"{path}: ratings\n")
    assert main(["info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["raters"] == ["R1"]


def test_info_of_nothing_is_one_line(tmp_path, capsys):
    assert main(["info", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'none'} does not exist\n"
