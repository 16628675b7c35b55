"""The project's SQLite database: schema, connections, transactions that are on disk when they end.

Write-ahead log and ``synchronous=FULL``: what was committed survives the end of the process and
of the machine. The log needs shared memory, so the folder must not lie on a network drive.
"""

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import AnnotationError

SCHEMA_VERSION = 1
_APPLICATION_ID = 0x6D766672
"""``mvfr``: what ``file`` and we recognise the database by."""
_BUSY_S = 20.0

_SCHEMA = """
CREATE TABLE project (id TEXT NOT NULL);
CREATE TABLE video (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL CHECK (role IN ('rating', 'practice')),
  file TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  n_bytes INTEGER NOT NULL,
  codec TEXT NOT NULL,
  width_px INTEGER NOT NULL,
  height_px INTEGER NOT NULL,
  n_frames INTEGER NOT NULL CHECK (n_frames > 0),
  rate_num INTEGER NOT NULL CHECK (rate_num > 0),
  rate_den INTEGER NOT NULL CHECK (rate_den > 0),
  start_ns INTEGER NOT NULL,
  added_ns INTEGER NOT NULL
);
CREATE TABLE rater (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  team TEXT NOT NULL,
  added_ns INTEGER NOT NULL,
  instructed_ns INTEGER,
  removed_ns INTEGER
);
CREATE TABLE token (
  hash BLOB PRIMARY KEY,
  rater INTEGER REFERENCES rater (id),
  created_ns INTEGER NOT NULL,
  expires_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE login (
  hash BLOB PRIMARY KEY,
  rater INTEGER REFERENCES rater (id),
  created_ns INTEGER NOT NULL,
  expires_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE task (
  id INTEGER PRIMARY KEY,
  rater INTEGER NOT NULL REFERENCES rater (id),
  video INTEGER NOT NULL REFERENCES video (id),
  dimensions TEXT NOT NULL CHECK (dimensions IN ('valence', 'arousal', 'valence+arousal')),
  position INTEGER NOT NULL,
  part INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'submitted')),
  submitted_ns INTEGER,
  UNIQUE (rater, video, dimensions)
);
CREATE INDEX task_of_video ON task (video);
CREATE TABLE client (
  task INTEGER NOT NULL REFERENCES task (id),
  client TEXT NOT NULL,
  tab TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  seen_ns INTEGER NOT NULL,
  released INTEGER NOT NULL DEFAULT 0,
  acked INTEGER NOT NULL DEFAULT -1,
  PRIMARY KEY (task, client)
) WITHOUT ROWID;
CREATE TABLE event (
  task INTEGER NOT NULL REFERENCES task (id),
  client TEXT NOT NULL,
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  frame INTEGER NOT NULL,
  at_us INTEGER NOT NULL,
  dimension TEXT,
  value INTEGER,
  hand INTEGER NOT NULL,
  speed REAL NOT NULL,
  detail TEXT NOT NULL,
  late INTEGER NOT NULL,
  received_ns INTEGER NOT NULL,
  PRIMARY KEY (task, client, seq)
) WITHOUT ROWID;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at_ns INTEGER NOT NULL,
  who TEXT NOT NULL,
  what TEXT NOT NULL,
  detail TEXT NOT NULL
);
"""


class Database:
    """Opens connections; one writer at a time, any number of readers.

    Parameters
    ----------
    path : Path
        An existing database of this software.

    Raises
    ------
    AnnotationError
        Missing, of another program, of a newer schema, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._check()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that sees one state of the database throughout the block."""
        with closing(connect(self.path)) as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection of a transaction that is committed, to disk, or did not happen."""
        with self._lock:
            if self._writer is None:
                self._writer = connect(self.path)
            connection = self._writer
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # A failing disk can have ended the transaction already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the writer; the log is folded into the database."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _check(self) -> None:
        if not self.path.is_file():
            raise AnnotationError(
                f"{self.path} does not exist",
                remedy="pass a folder that mavfer-annotate init made",
            )
        try:
            with closing(connect(self.path)) as connection:
                application = connection.execute("PRAGMA application_id").fetchone()[0]
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise AnnotationError(
                f"{self.path} cannot be read as a database: {error}",
                remedy="restore it from a copy, together with its -wal file if there is one",
            ) from error
        if application != _APPLICATION_ID:
            raise AnnotationError(f"{self.path} is no database of an annotation project")
        if journal != "wal":
            raise AnnotationError(
                f"{self.path} cannot keep a write-ahead log there (journal mode {journal})",
                remedy="put the project on a local disk",
            )
        if version != SCHEMA_VERSION:
            raise AnnotationError(
                f"{self.path}: schema version {version}, this software reads {SCHEMA_VERSION}",
                remedy="install the mavfer version that wrote it or a newer one",
            )


def create_database(path: Path) -> None:
    """Write an empty database to `path`, which must not exist."""
    with closing(connect(path)) as connection:
        connection.executescript(
            f"BEGIN; {_SCHEMA} INSERT INTO project VALUES ('{secrets.token_hex(8)}'); "
            f"PRAGMA application_id = {_APPLICATION_ID}; "
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection; close it yourself."""
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection
