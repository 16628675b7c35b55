"""What a subject goes by: the pseudonym, their sessions' folders and uuids."""

import re
from collections.abc import Iterable
from typing import Any

_LONG = 8
"""A name of fewer letters stands in any large file by chance."""


class Names:
    """The words that lead to a subject.

    Attributes
    ----------
    subject : str
        Pseudonym.
    sessions : set of str
        Names of session folders, which are also ids of videos in stores.
    uuids : set of str
        Of sessions; for films the names of their files.
    fingerprints : set of str
        Of stores that hold or held their videos: networks trained on those know them.
    """

    def __init__(
        self,
        subject: str,
        *,
        sessions: Iterable[str] = (),
        uuids: Iterable[str] = (),
        fingerprints: Iterable[str] = (),
    ) -> None:
        self.subject = subject
        self.fingerprints = {*fingerprints}
        self.sessions = {*sessions}
        self.uuids = {*uuids}

    def add(self, session: str, uuid: str) -> None:
        """Learn of a session."""
        self.sessions.add(session)
        if uuid:
            self.uuids.add(uuid)

    @property
    def pattern(self) -> "re.Pattern[bytes]":
        """Any of the names as a word of its own."""
        return _words({self.subject, *self.sessions, *self.uuids})

    @property
    def long_pattern(self) -> "re.Pattern[bytes]":
        """Those that cannot stand in a file by chance."""
        return _words({name for name in self._all if len(name) >= _LONG})

    @property
    def longest(self) -> int:
        """Bytes of the longest name, and one on each side."""
        return max(len(name.encode()) for name in self._all) + 2

    @property
    def _all(self) -> set[str]:
        return {self.subject, *self.sessions, *self.uuids}

    def may_name(self, folder: str) -> bool:
        """Tell whether a session folder's name looks like one of the subject's."""
        return re.fullmatch(rf".*_{re.escape(self.subject)}(_\d+)?", folder) is not None

    def is_named_after(self, file: str) -> bool:
        """Tell whether a file is a film of the subject, or named ``<session>.json`` or the like.

        Short names of sessions, such as a corpus' 001, are no proof.
        """
        named = (name for name in self.sessions if len(name) >= _LONG)
        return file in self.uuids or any(file.startswith(f"{name}.") for name in named)

    def document(self) -> dict[str, Any]:
        """Return the names as JSON values."""
        return {
            "subject": self.subject,
            "sessions": sorted(self.sessions),
            "uuids": sorted(self.uuids),
            "fingerprints": sorted(self.fingerprints),
        }


def _words(names: Iterable[str]) -> "re.Pattern[bytes]":
    """Match any of `names` where no letter or digit touches it: ``20260301_S01-eyes`` names S01."""
    alternatives = b"|".join(re.escape(name.encode()) for name in sorted(names)) or rb"(?!)"
    return re.compile(rb"(?<![A-Za-z0-9])(?:" + alternatives + rb")(?![A-Za-z0-9])")
