"""Where live pictures come from: a daemon's address, or the folder of a session that runs."""

import time
from pathlib import Path

from capture.config import LOCAL
from capture.errors import ControlError
from capture.keys import Keys
from capture.manifest import Manifest, RecordingSummary, read_manifest
from capture.preview_feed import PreviewFeed

from .errors import ModelError

_LOOK_S = 3.0
"""A daemon that shows color does so within a second."""


def open_feed(where: str, keys: Keys | None) -> PreviewFeed:
    """Open the previews of a daemon that shows color.

    Parameters
    ----------
    where : str
        ``tcp://host:port`` of a daemon, or a session folder that a controller of this machine
        writes: its manifest names the daemons, those that the controller started, too.
    keys : Keys, optional
        For daemons beyond this machine.

    Raises
    ------
    ModelError, CaptureError
        Neither, or the session is over, or none of its daemons shows color.
    """
    if where.startswith("tcp://"):
        return PreviewFeed(where, keys=keys)
    folder = Path(where)
    if not folder.is_dir():
        raise ModelError(
            f"--live {where}: neither tcp://host:port nor a folder",
            remedy="name a daemon's address, or the folder of the session that runs",
        )
    manifest = read_manifest(folder)
    if manifest.status != "recording":
        raise ModelError(
            f"the session in {folder} is {manifest.status}, not running",
            remedy="name the folder of the session that runs, or evaluate its recording",
        )
    return _color_of(manifest, folder, keys)


def _color_of(manifest: Manifest, folder: Path, keys: Keys | None) -> PreviewFeed:
    tried = []
    for name, summary in manifest.recordings.items():
        try:
            feed = _feed_of(summary, keys)
        except ControlError:
            tried.append(f"{name} does not answer")
            continue
        if _shows_color(feed):
            return feed
        feed.close()
        tried.append(f"{name} shows no color")
    raise ModelError(
        f"the session in {folder}: {', '.join(tried) or 'no daemon records yet'}",
        remedy="start it with a color camera, or name a daemon's address",
    )


def _feed_of(summary: RecordingSummary, keys: Keys | None) -> PreviewFeed:
    if summary.address != LOCAL:
        return PreviewFeed(summary.address, keys=keys)
    if summary.control is None:
        raise ControlError("a recording that has ended")
    return PreviewFeed(summary.control)


def _shows_color(feed: PreviewFeed) -> bool:
    deadline_s = time.monotonic() + _LOOK_S
    while (left_s := deadline_s - time.monotonic()) > 0:
        seen = feed.next(left_s)
        if seen is not None and seen[0].modality == "color":
            return True
    return False
