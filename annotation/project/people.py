"""Raters, their links and their logins; secrets are kept as hashes only."""

import hashlib
import secrets
import sqlite3
import time
from dataclasses import dataclass

from capture.names import check_name

from ..errors import AnnotationError

LINK_DAYS = 180.0
LOGIN_DAYS = 30.0
"""From the last use: nobody is thrown out in the middle of a video."""
_NS_PER_DAY = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Rater:
    """Somebody who rates.

    Attributes
    ----------
    id : int
    name : str
        Pseudonym.
    team : str
    removed : bool
        May not enter any more; what they rated is kept.
    instructed : bool
        Has read the instructions.
    """

    id: int
    name: str
    team: str
    removed: bool
    instructed: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a login belongs to: a rater, or the admin (None)."""

    rater: Rater | None

    @property
    def name(self) -> str:
        """For the audit trail."""
        return "admin" if self.rater is None else self.rater.name


def add_rater(db: sqlite3.Connection, name: str, team: str) -> int:
    """Add a rater, or let a removed one in again.

    Raises
    ------
    AnnotationError
        The name is taken.
    ConfigError
        Not a name.
    """
    check_name(name, what="rater")
    check_name(team, what="team")
    row = db.execute("SELECT id, removed_ns FROM rater WHERE name = ?", (name,)).fetchone()
    if row is not None and row["removed_ns"] is None:
        raise AnnotationError(f"there is a rater {name} already", remedy="choose another pseudonym")
    if row is not None:
        db.execute("UPDATE rater SET removed_ns = NULL WHERE id = ?", (row["id"],))
        return int(row["id"])
    cursor = db.execute(
        "INSERT INTO rater (name, team, added_ns) VALUES (?, ?, ?)", (name, team, time.time_ns())
    )
    return int(cursor.lastrowid or 0)


def remove_rater(db: sqlite3.Connection, rater: int) -> None:
    """Shut a rater out; links and logins end at once, ratings stay."""
    db.execute("UPDATE rater SET removed_ns = ? WHERE id = ?", (time.time_ns(), rater))
    revoke(db, rater)


def revoke(db: sqlite3.Connection, rater: int | None) -> None:
    """End every link and login of a rater, or of the admin."""
    for table in ("token", "login"):
        db.execute(f"DELETE FROM {table} WHERE rater IS ?", (rater,))


def raters(db: sqlite3.Connection) -> list[Rater]:
    """Return everybody who ever rated, by name."""
    return [_rater(row) for row in db.execute("SELECT * FROM rater ORDER BY name")]


def find_rater(db: sqlite3.Connection, rater: int) -> Rater | None:
    """Return the rater with this id."""
    row = db.execute("SELECT * FROM rater WHERE id = ?", (rater,)).fetchone()
    return None if row is None else _rater(row)


def new_token(db: sqlite3.Connection, rater: int | None, *, days: float = LINK_DAYS) -> str:
    """Make the only link of a rater, or of the admin; an older link ends, logins stay.

    Returns
    -------
    str
        The secret, which nobody can look up later.
    """
    token = secrets.token_urlsafe(32)
    db.execute("DELETE FROM token WHERE rater IS ?", (rater,))
    _insert(db, "token", token, rater, days)
    return token


def log_in(db: sqlite3.Connection, token: str) -> str | None:
    """Exchange a link's secret for that of a login; None if it opens nothing."""
    row = _find(db, "token", token)
    if row is None:
        return None
    cookie = secrets.token_urlsafe(32)
    db.execute("DELETE FROM login WHERE expires_ns < ?", (time.time_ns(),))
    _insert(db, "login", cookie, row["rater"], LOGIN_DAYS)
    return cookie


def identify(db: sqlite3.Connection, cookie: str) -> Identity | None:
    """Tell who a login belongs to; None if it has ended."""
    row = _find(db, "login", cookie)
    if row is None:
        return None
    if row["rater"] is None:
        return Identity(None)
    rater = find_rater(db, row["rater"])
    return None if rater is None or rater.removed else Identity(rater)


def prolong(db: sqlite3.Connection, cookie: str) -> None:
    """Let a login in use last for another while."""
    expires_ns = time.time_ns() + round(LOGIN_DAYS * _NS_PER_DAY)
    db.execute("UPDATE login SET expires_ns = ? WHERE hash = ?", (expires_ns, _hash(cookie)))


def note(db: sqlite3.Connection, who: str, what: str, detail: str = "") -> None:
    """Add to the audit trail, which nothing ever deletes from."""
    db.execute(
        "INSERT INTO audit (at_ns, who, what, detail) VALUES (?, ?, ?, ?)",
        (time.time_ns(), who, what, detail),
    )


def _insert(
    db: sqlite3.Connection, table: str, secret: str, rater: int | None, days: float
) -> None:
    now_ns = time.time_ns()
    db.execute(
        f"INSERT INTO {table} (hash, rater, created_ns, expires_ns) VALUES (?, ?, ?, ?)",
        (_hash(secret), rater, now_ns, now_ns + round(days * _NS_PER_DAY)),
    )


def _find(db: sqlite3.Connection, table: str, secret: str) -> sqlite3.Row | None:
    """Look a secret up by its hash, from which nothing can be learned by timing."""
    row: sqlite3.Row | None = db.execute(
        f"SELECT * FROM {table} WHERE hash = ? AND expires_ns > ?",
        (_hash(secret), time.time_ns()),
    ).fetchone()
    return row


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _rater(row: sqlite3.Row) -> Rater:
    return Rater(
        row["id"],
        row["name"],
        row["team"],
        removed=row["removed_ns"] is not None,
        instructed=row["instructed_ns"] is not None,
    )
