"""Protocol files are exactly what they say, and the shipped one is the paper's."""

from pathlib import Path

import pytest

from capture.errors import ConfigError
from capture.protocol import Protocol, Stage, load_protocol


def test_the_papers_session_is_ten_minutes_and_five():
    protocol = load_protocol("paper")
    assert [(stage.name, stage.duration_s) for stage in protocol.stage] == [
        ("relaxation", 600),
        ("interview", 300),
    ]
    assert protocol.duration_s == 900


def test_a_stage_without_duration_leaves_the_length_open():
    assert Protocol("p", (Stage("a", 5), Stage("b"))).duration_s is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "schema_version is missing"),
        ("schema_version = 1\nname = 'p'\nstage = []", r"no \[\[stage\]\]"),
        ("schema_version = 2\nname = 'p'\n[[stage]]\nname = 'a'", "schema_version 2"),
        ("schema_version = 1\nname = 'p'\n[[stage]]\nname = 'a'\nduration = 3", "duration_s"),
        ("schema_version = 1\nname = 'p'\n[[stage]]\nname = 'a'\nduration_s = -3", "lasts -3 s"),
        ("schema_version = 1\nname = 'p'\n[[stage]]\nname = 'a'\nduration_s = nan", "lasts nan s"),
        ("schema_version = 1\nname = 'p'\n[[stage]]\nname = ' '", "printable characters"),
        (
            "schema_version = 1\nname = 'p'\n[[stage]]\nname = 'a'\n[[stage]]\nname = 'a'",
            "two stages",
        ),
        ("stage = ", "no TOML file"),
    ],
)
def test_what_is_no_protocol_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=complaint):
        load_protocol(str(path))


def test_a_missing_file_names_the_built_in_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one of: paper"):
        load_protocol(str(tmp_path / "absent.toml"))
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_protocol(str(tmp_path / "bytes.toml"))
