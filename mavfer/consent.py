"""What subjects agreed to, as it travels with their videos, and what may be done with them."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Literal, get_args

from capture.errors import ConfigError, RecordingError
from capture.manifest import Consent, read_manifest
from capture.structure import decode

from .errors import DatasetError

Purpose = Literal["train", "share", "publish"]
"""train: used inside the laboratory; share: given to others; publish: pictures shown to anyone."""
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


def read_consent(noted: object, *, where: str) -> Consent | None:
    """Consent as noted with a video; None for films and sessions that come without.

    Raises
    ------
    DatasetError
        Something is noted that is no consent.
    """
    if noted is None:
        return None
    try:
        return decode(Consent, noted, where=f"{where}: consent")
    except ConfigError as error:
        raise DatasetError(str(error)) from error


def refusal(consent: Consent | None, purpose: Purpose, *, today: date) -> str | None:
    """Why a video may not be used for `purpose`; None if it may.

    A film or session without consent on record may be used where it is: its licence is its users'
    duty. It is never shared or published.
    """
    if consent is None:
        return None if purpose == "train" else "no consent is on record"
    if not consent.record:
        return "the subject does not agree to be recorded"
    if consent.ended(today):
        return f"the consent ended on {consent.until}"
    if purpose == "share" and not consent.share:
        return "the subject does not agree to sharing"
    if purpose == "publish" and not consent.publish_pictures:
        return "the subject does not agree to pictures being published"
    return None


def refuse_films(purpose: Purpose) -> None:
    """Refuse films for what needs consent: nothing says what those in them agreed to.

    Raises
    ------
    DatasetError
        `purpose` is more than use where they are.
    """
    today = date.today()  # noqa: DTZ011 - as for sessions
    if reason := refusal(None, purpose, today=today):
        raise DatasetError(
            f"--purpose {purpose} takes no --video: {reason} for films",
            remedy="build from sessions, or leave --purpose out and use the films where they are",
        )


def consenting(paths: Iterable[Path], purpose: Purpose) -> tuple[list[Path], dict[Path, str]]:
    """Separate sessions that may be used for `purpose` from those that may not, with the reason.

    A session whose manifest cannot be read stays: whoever opens it says what is wrong.
    """
    today = date.today()  # noqa: DTZ011 - the subject's calendar day
    usable, refused = [], {}
    for path in paths:
        try:
            reason = refusal(read_manifest(path).consent, purpose, today=today)
        except RecordingError:
            reason = None
        if reason is None:
            usable.append(path)
        else:
            refused[path] = reason
    return usable, refused
