"""What the subject of a project's video agreed to, read without opening the video."""

import json
from pathlib import Path

from capture.manifest import Consent
from capture.structure import decode

from ..errors import AnnotationError


def consent_of(file: Path) -> Consent:
    """Read from a video's manifest what its subject agreed to; files from elsewhere do not say."""
    manifest = file.with_suffix(".json")
    try:
        source = json.loads(manifest.read_text(encoding="utf-8"))["source"]
        said = source.get("consent")
        return Consent() if said is None else decode(Consent, said, where=str(manifest))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise AnnotationError(
            f"{manifest} cannot be read: {error}", remedy="restore it from a copy"
        ) from error
