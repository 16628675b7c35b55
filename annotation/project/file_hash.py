"""SHA-256 of files: what ties ratings to the very video that was shown."""

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Return the digest of the file at `path`, as ``sha256sum`` prints it."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
