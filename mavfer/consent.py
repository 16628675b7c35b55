"""What subjects agreed to, as it travels with their videos, and what may be done with them."""

from datetime import date
from typing import Literal, get_args

from capture.errors import ConfigError
from capture.session import Consent
from capture.structure import decode

from .errors import DatasetError

Purpose = Literal["train", "share", "publish"]
"""train: used inside the laboratory; share: given to others; publish: pictures shown to anyone."""
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


def read_consent(noted: object, *, where: str) -> Consent | None:
    """Consent as noted with a video; None for films, which come without.

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

    A film without consent on record may be used where it is: its licence is its users' duty. It
    is never shared or published.
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
