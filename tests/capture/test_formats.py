"""The format pages name every field there is."""

import dataclasses
from pathlib import Path

import pytest

from capture import messages, wire, writer
from capture.clock import ClockProbe, HostIdentity
from capture.config import RigConfig, SensorEntry
from capture.course import SessionMark
from capture.frame import StreamSpec
from capture.manifest import ClockSummary, Consent, Manifest, RecordingSummary, StreamSummary
from capture.protocol import Protocol, Stage
from capture.sensor import SensorInfo
from capture.sensors.test_pattern import PatternOptions

FORMATS = Path(__file__).parents[2] / "docs" / "formats"
PAGES: dict[str, list[type]] = {
    "recording.md": [StreamSpec, SensorInfo, HostIdentity, ClockProbe],
    "session.md": [
        *(Manifest, Consent, RecordingSummary, StreamSummary, ClockSummary, HostIdentity),
        SessionMark,
    ],
    "protocol.md": [Protocol, Stage],
    "rig-config.md": [RigConfig, SensorEntry, PatternOptions],
    "wire.md": [*wire._TYPES.values(), messages.StreamStatus],
}


@pytest.mark.parametrize("page", PAGES)
def test_every_field_is_documented(page: str) -> None:
    text = (FORMATS / page).read_text(encoding="utf-8")
    names = {field.name for kind in PAGES[page] for field in dataclasses.fields(kind)}
    missing = {name for name in names if f"`{name}`" not in text and f".{name}`" not in text}
    assert missing == set()


def test_topics_and_versions_are_documented() -> None:
    text = (FORMATS / "wire.md").read_text(encoding="utf-8")
    assert f"(version {wire.PROTOCOL_VERSION})" in text
    missing = {t for t in wire._TYPES if f"`{t}`" not in text and f"`{t}/" not in text}
    assert missing == set()
    text = (FORMATS / "recording.md").read_text(encoding="utf-8")
    assert f"(schema version {writer.SCHEMA_VERSION})" in text
    for name, properties in writer._OBJECT_SCHEMAS.items():
        assert name in text
        assert all(f"`{key}`" in text for key in properties)
