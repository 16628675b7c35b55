"""Films of the subject: stores keep the names of their files only, which others' may have too."""

import filecmp
from collections.abc import Mapping
from pathlib import Path

from capture.digest import digest_file

from .names import Names
from .tables import told_subject


def divide_films(files: Mapping[Path, Path], names: Names) -> tuple[list[Path], list[Path]]:
    """Divide the files that are called like films of the subject; names that prove nothing go.

    A film is the subject's if ``videos.csv`` beside or above it says so, if a store knows it by its
    digest, if it is a copy of such a film, or if no digest of it and no other film of its name is
    known. Whose table names somebody else is left alone.

    Parameters
    ----------
    files : mapping of Path to Path
        Files, and the root that each lies below.
    names : Names
        Names that others' films have become contested.

    Returns
    -------
    list of Path
        The subject's, with the files beside them that are called after them.
    list of Path
        Those of which nobody can tell.
    """
    called: dict[str, list[Path]] = {}
    for path in files:
        if path.name in names.films:
            called.setdefault(path.name, []).append(path)
    own: list[Path] = []
    open_to_doubt: list[Path] = []
    for name, paths in called.items():
        told = {path: told_subject(path, files[path]) for path in paths}
        digests = names.digests.get(name, set())
        known = {path for path in paths if digests and _digest(path) in digests}
        untold = [path for path in paths if told[path] is None]
        proven = [p for p in paths if told[p] == names.subject or (p in known and p in untold)]
        open_to_doubt += [p for p in known if p not in proven]  # the table names somebody else
        rest = [p for p in untold if p not in proven and not any(_are_same(p, q) for q in proven)]
        copies = [p for p in untold if p not in proven and p not in rest]
        is_one = not digests and all(_are_same(rest[0], path) for path in rest[1:])
        if len(proven) + len(untold) < len(paths) or (rest and (proven or not is_one)):
            names.contest({name, Path(name).stem})  # which is its id
        if name in names.contested:
            open_to_doubt += rest
        else:
            own += rest
        own += proven + copies
    companions = [
        path
        for path in files
        if any(path.parent == film.parent and path.name.startswith(f"{film.stem}.") for film in own)
    ]
    return [*(path for path in companions if path not in own), *own], open_to_doubt


def _digest(path: Path) -> str:
    try:
        return digest_file(path)
    except OSError:
        return ""


def _are_same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
