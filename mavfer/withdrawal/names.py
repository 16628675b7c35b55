"""What a subject goes by: the pseudonym, their sessions' folders and uuids, their films."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

_LONG = 8
"""A name of fewer letters stands in any large file by chance."""
_SESSION = re.compile(r"\d{8}-\d{6}_.+")


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
    films : set of str
        Those of `sessions` and `uuids` that are of films: others' films may have the same.
    contested : set of str
        Those of `films` that other people's films do have: they prove nothing any more and are
        in `films` alone.
    digests : dict of str to set of str
        Of the subject's films by the names of their files, where a store knows them.
    """

    def __init__(
        self,
        subject: str,
        *,
        sessions: Iterable[str] = (),
        uuids: Iterable[str] = (),
        fingerprints: Iterable[str] = (),
        films: Iterable[str] = (),
        contested: Iterable[str] = (),
        digests: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        self.subject = subject
        self.fingerprints = {*fingerprints}
        self.sessions = {*sessions}
        self.uuids = {*uuids}
        self.films = {*films}
        self.contested = {*contested}
        self.digests = {file: {*each} for file, each in (digests or {}).items()}

    def add(self, session: str, uuid: str) -> None:
        """Learn of a session."""
        self.sessions.add(session)
        if uuid:
            self.uuids.add(uuid)

    def add_film(self, video_id: str, file: str, digest: str = "") -> None:
        """Learn of a film; its digest is empty where it is not known."""
        if digest:
            self.digests.setdefault(file, set()).add(digest)
        self.films |= {name for name in (video_id, file) if name}
        self.add(video_id, file)
        self.contest(self.contested)

    def contest(self, others: Collection[str]) -> None:
        """Learn what other people's videos are called."""
        self.contested |= self.films & {*others}
        self.sessions -= self.contested
        self.uuids -= self.contested

    @property
    def pattern(self) -> "re.Pattern[bytes]":
        """Any of the names as a word of its own."""
        return _words(self._all)

    @property
    def long_pattern(self) -> "re.Pattern[bytes]":
        """Those that cannot stand in a file by chance."""
        return _words(name for name in self._all if len(name) >= _LONG)

    @property
    def path_pattern(self) -> "re.Pattern[bytes]":
        """Those that prove something in the name of a file or folder."""
        return _words({self.subject, *(name for name in self._all if len(name) >= _LONG)})

    @property
    def longest(self) -> int:
        """Bytes of the longest name, and one on each side."""
        return max(len(form) for name in self._all for form in _forms(name)) + 2

    @property
    def _all(self) -> set[str]:
        return {self.subject, *self.sessions, *self.uuids, *self.films}

    def may_name(self, folder: str) -> bool:
        """Tell whether a session folder's name looks like one of the subject's."""
        return re.fullmatch(rf".*_{re.escape(self.subject)}(_\d+)?", folder) is not None

    def is_for_another(self, folder: str) -> bool:
        """Tell whether a session folder's name looks like one of somebody else's."""
        return _SESSION.fullmatch(folder) is not None and not self.may_name(folder)

    def is_named_after(self, file: str) -> bool:
        """Tell whether a file is named ``<session>.json`` or the like.

        Short names of sessions, such as a corpus' 001, are no proof.
        """
        named = (name for name in self.sessions - self.films if len(name) >= _LONG)
        return any(file.startswith(f"{name}.") for name in named)

    def is_row(self, video: str, subject: str | None) -> bool:
        """Tell whether a table's row about a video is about the subject.

        Parameters
        ----------
        video : str
            Session, id or file name.
        subject : str or None
            Where the table says whose it is.
        """
        if video in self.sessions or video in self.uuids:
            return video not in self.films or not subject or subject == self.subject
        return subject == self.subject

    def document(self) -> dict[str, Any]:
        """Return the names as JSON values."""
        return {
            "subject": self.subject,
            "sessions": sorted(self.sessions),
            "uuids": sorted(self.uuids),
            "fingerprints": sorted(self.fingerprints),
            "films": sorted(self.films),
            "contested": sorted(self.contested),
            "digests": {file: sorted(each) for file, each in self.digests.items()},
        }


def _words(names: Iterable[str]) -> "re.Pattern[bytes]":
    """Match any of `names` where no letter or digit touches it: ``20260301_S01-eyes`` names S01."""
    forms = sorted({form for name in names for form in _forms(name)})
    alternatives = b"|".join(map(re.escape, forms)) or rb"(?!)"
    return re.compile(rb"(?<![A-Za-z0-9])(?:" + alternatives + rb")(?![A-Za-z0-9])")


def _forms(name: str) -> set[bytes]:
    """Bytes by which a name stands in texts and in JSON."""
    return {name.encode(), json.dumps(name)[1:-1].encode()}
