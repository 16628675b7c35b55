"""A figure as PNG and SVG, the same bytes for the same content, each file whole or not there."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from capture.files import atomic_output


def write_figure(
    figure: Figure, folder: Path, name: str, *, key: str, about: str | None = None
) -> dict[str, Path]:
    """Write ``<name>.png`` and ``<name>.svg`` into `folder`.

    Parameters
    ----------
    figure : Figure
    folder : Path
    name : str
    key : str
        Of the returned paths: ``<key>_png`` and ``<key>_svg``.
    about : str, optional
        Kept in both files.
    """
    paths = {}
    with matplotlib.rc_context({"svg.hashsalt": name}):
        for kind in ("png", "svg"):
            path = paths[f"{key}_{kind}"] = folder / f"{name}.{kind}"
            stamp: dict[str, str | None] = {"Date" if kind == "svg" else "Software": None}
            if about is not None:
                stamp["Description"] = about
            with atomic_output(path, overwrite=True) as partial:
                figure.savefig(partial, format=kind, metadata=stamp)
    return paths
