"""Image messages of a recording: one frame as a Foxglove protobuf message, and back."""

from typing import Any

import numpy as np
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from mcap_protobuf.schema import build_file_descriptor_set
from numpy.typing import NDArray

from .codec import (
    Z16_FORMAT,
    decode_jpeg,
    decode_jpeg_grey,
    decode_z16,
    encode_jpeg,
    encode_z16,
)
from .errors import RecordingError
from .frame import Frame, Image

COMPRESSED_SCHEMA = "foxglove.CompressedImage"
RAW_SCHEMA = "foxglove.RawImage"
_KINDS: dict[str, Any] = {COMPRESSED_SCHEMA: CompressedImage, RAW_SCHEMA: RawImage}


def descriptor(schema: str) -> bytes:
    """Return the FileDescriptorSet that MCAP wants for `schema`."""
    return bytes(build_file_descriptor_set(_KINDS[schema]).SerializeToString())


def encode_image(frame: Frame, *, schema: str, wall_time_ns: int, jpeg_quality: int) -> bytes:
    """Encode the image of `frame` as a message of `schema`.

    Color images are JPEG; 16-bit images are mavfer-z16, or plain pixels in a RawImage.
    """
    seconds, nanos = divmod(wall_time_ns, 1_000_000_000)
    stamp = Timestamp(seconds=seconds, nanos=nanos)
    image = frame.image
    if schema == RAW_SCHEMA:
        raw = RawImage(
            timestamp=stamp,
            frame_id=frame.stream,
            width=image.shape[1],
            height=image.shape[0],
            encoding="mono16",
            step=2 * image.shape[1],
            data=np.ascontiguousarray(image, "<u2").tobytes(),
        )
        return bytes(raw.SerializeToString())
    if image.dtype == np.uint8:
        kind, data = "jpeg", encode_jpeg(image.astype(np.uint8, copy=False), quality=jpeg_quality)
    else:
        kind, data = Z16_FORMAT, encode_z16(image.astype(np.uint16, copy=False))
    message = CompressedImage(timestamp=stamp, frame_id=frame.stream, data=data, format=kind)
    return bytes(message.SerializeToString())


def decode_image(data: bytes, *, schema: str) -> Image:
    """Decode the image of a message of `schema`.

    Raises
    ------
    RecordingError
        Damaged, or a format this software does not write.
    """
    message = _parsed(data, schema)
    if schema == COMPRESSED_SCHEMA:
        if message.format == "jpeg":
            return decode_jpeg(message.data)
        if message.format == Z16_FORMAT:
            return decode_z16(message.data)
        raise RecordingError(f"unknown image format {message.format!r:.40}")
    if message.encoding != "mono16" or message.step != 2 * message.width:
        raise RecordingError(f"unknown pixel encoding {message.encoding!r:.40}")
    if len(message.data) != message.step * message.height:
        raise RecordingError(f"{len(message.data)} bytes for {message.width}x{message.height} px")
    pixels = np.frombuffer(message.data, "<u2").astype(np.uint16)
    return pixels.reshape(message.height, message.width)


def decode_grey(data: bytes, *, schema: str) -> NDArray[np.uint8]:
    """Decode the brightness of a color image (H, W) alone, in half the time of `decode_image`.

    Raises
    ------
    RecordingError
        Damaged, or no JPEG.
    """
    message = _parsed(data, schema)
    if schema != COMPRESSED_SCHEMA or message.format != "jpeg":
        raise RecordingError("only JPEG images have a brightness of their own")
    return decode_jpeg_grey(message.data)


def encoded_pixels(data: bytes, *, schema: str) -> bytes:
    """Return the encoded pixels of a message, without its time; equal images have equal ones."""
    return bytes(_parsed(data, schema).data)


def _parsed(data: bytes, schema: str) -> Any:
    if schema not in _KINDS:
        raise RecordingError(f"images are stored as {schema!r}, expected {' or '.join(_KINDS)}")
    try:
        return _KINDS[schema].FromString(data)
    except DecodeError as error:
        raise RecordingError(f"damaged image message ({error})") from error
