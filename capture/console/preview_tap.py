"""Listens to what daemons publish and keeps the newest preview of every stream."""

import json
import logging
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import zmq

from ..errors import MavferError
from ..frame import Image
from ..keys import Keys
from ..messages import Preview
from ..preview import decode_preview
from ..preview_feed import subscribed
from ..wire import unpack

logger = logging.getLogger(__name__)

_POLL_MS = 100
_HEADER = struct.Struct("<I")

Source = tuple[str, Keys | None]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded preview.

    Attributes
    ----------
    preview : Preview
    image : (H, W, 3) uint8 BGR or (H, W) uint16
    """

    preview: Preview
    image: Image


class PreviewTap:
    """A thread that owns the subscribing sockets; other methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: Mapping[str, Source] = {}
        self._newest: dict[str, tuple[int, bytes, Picture]] = {}
        self._n_seen = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mavfer-previews", daemon=True)
        self._thread.start()

    def follow(self, sources: Mapping[str, Source]) -> None:
        """Listen to these publish addresses (with the keys they need) from now on."""
        with self._lock:
            self._wanted = dict(sources)

    def newer_than(self, number: int) -> tuple[int, list[bytes]]:
        """Return the number reached, and of every stream with something newer the newest."""
        with self._lock:
            return self._n_seen, [data for at, data, _ in self._newest.values() if at > number]

    def pictures_newer_than(self, number: int) -> tuple[int, list[Picture]]:
        """Do what `newer_than` does for those who compute with the pictures."""
        with self._lock:
            return self._n_seen, [shown for at, _, shown in self._newest.values() if at > number]

    def close(self) -> None:
        """Hang up."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        sockets: dict[Source, zmq.Socket[bytes]] = {}
        with zmq.Context() as context:
            while not self._ended.is_set():
                with self._lock:
                    wanted = set(self._wanted.values())
                for source in set(sockets) - wanted:
                    sockets.pop(source).close(linger=0)
                for source in wanted - set(sockets):
                    sockets[source] = subscribed(context, *source)
                self._receive(list(sockets.values()))
            for socket in sockets.values():
                socket.close(linger=0)

    def _receive(self, sockets: "list[zmq.Socket[bytes]]") -> None:
        poller = zmq.Poller()
        for socket in sockets:
            poller.register(socket, zmq.POLLIN)
        if not sockets:
            self._ended.wait(_POLL_MS * 1e-3)
        for socket, _ in poller.poll(_POLL_MS) if sockets else ():
            try:
                message = unpack(socket.recv_multipart())
                if isinstance(message.body, Preview):
                    self._keep(message.body, message.payload)
            except MavferError as error:
                logger.debug("preview refused: %s", error)

    def _keep(self, preview: Preview, payload: bytes) -> None:
        picture = Picture(preview, decode_preview(payload))
        data = to_browser(picture, payload)
        with self._lock:
            self._n_seen += 1
            self._newest[preview.stream] = (self._n_seen, data, picture)


def to_browser(picture: Picture, payload: bytes) -> bytes:
    """Pack a preview as the page takes it: length of the header, JSON header, JPEG or values.

    A browser cannot read 16-bit PNGs without loss, so values go as plain little-endian uint16.
    """
    preview, image = picture.preview, picture.image
    values = image.dtype == np.uint16
    header = {
        "stream": preview.stream,
        "modality": preview.modality,
        "seq": preview.seq,
        "unit": preview.unit,
        "width": image.shape[1],
        "height": image.shape[0],
        "format": "uint16" if values else "jpeg",
    }
    text = json.dumps(header).encode()
    body = image.astype("<u2").tobytes() if values else payload
    return _HEADER.pack(len(text)) + text + body
