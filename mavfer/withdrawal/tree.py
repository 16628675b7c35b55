"""What lies below some folders, and what of it could not be looked at."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DatasetError


@dataclass(slots=True)
class Tree:
    """Everything below some roots, each thing once; links are not followed.

    Attributes
    ----------
    files : dict of Path to Path
        Regular files, and the root that each lies below.
    folders, links : list of Path
    unsearched : dict of Path to str
        Folders that cannot be read, links to what lies outside the roots, and why that matters.
    """

    files: dict[Path, Path] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    unsearched: dict[Path, str] = field(default_factory=dict)


def look_below(roots: Iterable[Path]) -> Tree:
    """List what lies below `roots`; of a root within another only the outer one is looked at.

    Raises
    ------
    DatasetError
        A root is no folder.
    """
    tree = Tree()
    apart = _apart(roots)
    for root in apart:
        _walk(root, tree)
    tree.files = dict(sorted(tree.files.items()))
    real = [Path(os.path.realpath(root)) for root in apart]
    for link in tree.links:
        target = Path(os.path.realpath(link))
        if not any(target.is_relative_to(root) for root in real):
            tree.unsearched[link] = f"a link to {target}, outside the folders searched"
    return tree


def _apart(roots: Iterable[Path]) -> list[Path]:
    found: dict[Path, Path] = {}
    for root in roots:
        if not root.is_dir():
            raise DatasetError(f"{root} is no folder", remedy="pass the folders that hold data")
        found.setdefault(root.resolve(), root)
    return [root for real, root in found.items() if not found.keys() & {*real.parents}]


def _walk(root: Path, tree: Tree) -> None:
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    path = folder / entry.name
                    if entry.is_symlink():
                        tree.links.append(path)
                    elif entry.is_dir(follow_symlinks=False):
                        tree.folders.append(path)
                        waiting.append(path)
                    elif entry.is_file(follow_symlinks=False):
                        tree.files[path] = root
        except OSError as error:
            tree.unsearched[folder] = f"a folder that cannot be read ({error.strerror})"
