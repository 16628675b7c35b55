"""The wire protocol as a pure codec: what controller and daemons say to each other.

A message is three parts: topic, JSON header, payload. The topic's first segment names the type of
the body; docs/formats/wire.md is the specification. Whatever does not fit is a `ControlError`:
bytes from a socket are never trusted.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import ConfigError, ControlError
from .messages import (
    Abort,
    Arm,
    Body,
    Describe,
    Description,
    DigestFile,
    FileChunk,
    FileDigest,
    FileList,
    Finish,
    ListFiles,
    Mark,
    Poll,
    Preview,
    ProbeReply,
    ProbeRequest,
    ReadFile,
    Refusal,
    Shutdown,
    Start,
    Status,
    Stop,
)
from .structure import decode, encode

PROTOCOL_VERSION = 1
MAX_HEADER_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 16 << 20
_MAX_INTEGER = 1 << 63

_TYPES: Mapping[str, type[Body]] = {
    "describe": Describe,
    "arm": Arm,
    "start": Start,
    "stop": Stop,
    "mark": Mark,
    "finish": Finish,
    "abort": Abort,
    "poll": Poll,
    "shutdown": Shutdown,
    "description": Description,
    "status": Status,
    "refusal": Refusal,
    "probe": ProbeRequest,
    "probe-reply": ProbeReply,
    "preview": Preview,
    "list-files": ListFiles,
    "file-list": FileList,
    "read-file": ReadFile,
    "file-chunk": FileChunk,
    "digest-file": DigestFile,
    "file-digest": FileDigest,
}
_TOPICS = {kind: topic for topic, kind in _TYPES.items()}


@dataclass(frozen=True, slots=True)
class Message:
    """A body with its number and payload.

    Attributes
    ----------
    body : one of the types of `capture.messages`
    number : int
        Of a request; its answer repeats it.
    payload : bytes
    """

    body: Body
    number: int = 0
    payload: bytes = b""


def pack(message: Message, *, detail: str = "") -> list[bytes]:
    """Encode a message; `detail` goes into the topic (``preview/color``) for subscribers."""
    topic = _TOPICS[type(message.body)] + (f"/{detail}" if detail else "")
    header = {
        "version": PROTOCOL_VERSION,
        "number": message.number,
        "body": encode(message.body),
    }
    text = json.dumps(header, separators=(",", ":"), allow_nan=False)
    return [topic.encode(), text.encode(), message.payload]


def unpack(parts: Sequence[bytes]) -> Message:
    """Decode a message.

    Raises
    ------
    ControlError
        Wrong number of parts, too large, unknown topic, another version, or a body that does not
        fit its type.
    """
    if len(parts) != 3:
        raise ControlError(f"message of {len(parts)} parts, expected 3")
    topic, text, payload = parts
    if len(text) > MAX_HEADER_BYTES or len(payload) > MAX_PAYLOAD_BYTES:
        raise ControlError(f"message too large: header {len(text)}, payload {len(payload)} bytes")
    kind = _TYPES.get(topic.decode("ascii", "replace").partition("/")[0])
    if kind is None:
        raise ControlError(f"unknown topic {topic!r:.60}")
    number, plain = _header(text)
    try:
        body = decode(kind, plain, where="message")
    except ConfigError as error:
        raise ControlError(f"malformed message: {error}") from error
    return Message(body, number, bytes(payload))


def _header(text: bytes) -> tuple[int, object]:
    try:
        header = json.loads(
            text, parse_int=_integer, parse_float=_real, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        raise ControlError(f"malformed message: {error}") from error
    if not isinstance(header, dict):
        raise ControlError("malformed message: the header is no JSON object")
    if header.get("version") != PROTOCOL_VERSION:
        raise ControlError(
            f"protocol version {header.get('version')!r:.20}, expected {PROTOCOL_VERSION}",
            remedy="run the same mavfer version everywhere",
        )
    number = header.get("number")
    if type(number) is not int:
        raise ControlError(f"malformed message: number is {number!r:.20}")
    return number, header.get("body")


def _integer(text: str) -> int:
    number = int(text) if len(text) < 30 else _MAX_INTEGER
    if not -_MAX_INTEGER <= number < _MAX_INTEGER:
        raise ValueError(f"{text:.30} has more than 64 bits")
    return number


def _real(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.30} is not finite")
    return number


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")
