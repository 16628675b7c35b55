"""Image codecs of recordings: JPEG for color, lossless ``mavfer-z16`` for 16-bit images.

mavfer-z16: a 16-byte header (magic ``MZ16``, version, 3 zero bytes, height, width as uint32,
little-endian) and one zstd frame. The frame holds the differences of consecutive pixels in row
order, modulo 2^16, zigzag coded so that small magnitudes are small numbers, all low bytes before
all high bytes. docs/formats/recording.md is the specification.
"""

import struct

import cv2
import numpy as np
import zstandard
from numpy.typing import NDArray

from .errors import RecordingError

Z16_FORMAT = "mavfer-z16"
_HEADER = struct.Struct("<4sB3xII")
_MAGIC = b"MZ16"
_VERSION = 1
_MAX_PIXELS = 1 << 26
_ZSTD_LEVEL = 1  # sensor noise is incompressible: higher levels gain nothing


def encode_z16(image: NDArray[np.uint16]) -> bytes:
    """Encode an image (H, W) uint16 without loss."""
    if image.ndim != 2 or image.dtype != np.uint16 or not 0 < image.size <= _MAX_PIXELS:
        raise ValueError(f"expected (H, W) uint16, got {image.shape} {image.dtype}")
    flat = np.ascontiguousarray(image).ravel().view(np.int16)
    delta = np.empty_like(flat)
    delta[0] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=delta[1:])
    zigzag = ((delta << 1) ^ (delta >> 15)).astype("<i2", copy=False)
    planes = np.ascontiguousarray(zigzag.view(np.uint8).reshape(-1, 2).T)
    header = _HEADER.pack(_MAGIC, _VERSION, *image.shape)
    return header + zstandard.compress(planes.data, _ZSTD_LEVEL)


def decode_z16(data: bytes) -> NDArray[np.uint16]:
    """Decode what `encode_z16` made.

    Returns
    -------
    (H, W) uint16

    Raises
    ------
    RecordingError
        Anything but one complete image: wrong magic, version, size or payload.
    """
    if len(data) < _HEADER.size:
        raise RecordingError(f"{Z16_FORMAT}: {len(data)} bytes are shorter than a header")
    magic, version, height, width = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise RecordingError(f"{Z16_FORMAT}: magic is {magic!r}, expected {_MAGIC!r}")
    if version != _VERSION:
        raise RecordingError(f"{Z16_FORMAT}: version {version}, this software reads {_VERSION}")
    count = height * width
    if not 0 < count <= _MAX_PIXELS:
        raise RecordingError(f"{Z16_FORMAT}: {width}x{height} px is no image size")
    payload = memoryview(data)[_HEADER.size :]
    try:
        # The frame's own size is checked first: decompress() would allocate whatever it claims.
        claimed = zstandard.get_frame_parameters(payload).content_size
        if claimed != 2 * count:
            raise RecordingError(f"{Z16_FORMAT}: payload of {claimed} bytes, expected {2 * count}")
        planes = zstandard.ZstdDecompressor().decompress(payload, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise RecordingError(f"{Z16_FORMAT}: damaged payload ({error})") from error
    if len(planes) != 2 * count:
        raise RecordingError(f"{Z16_FORMAT}: payload ends early")
    pairs = np.ascontiguousarray(np.frombuffer(planes, np.uint8).reshape(2, count).T)
    zigzag = pairs.view("<u2").ravel().astype(np.uint16, copy=False)
    delta = (zigzag >> 1) ^ (np.uint16(0) - (zigzag & np.uint16(1)))
    image: NDArray[np.uint16] = np.cumsum(delta, dtype=np.uint16).reshape(height, width)
    return image


def encode_jpeg(image: NDArray[np.uint8], *, quality: int) -> bytes:
    """Encode a color image (H, W, 3) uint8 BGR; `quality` 1 to 100."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8, got {image.shape} {image.dtype}")
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data)


def decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Decode to (H, W, 3) uint8 BGR.

    Raises
    ------
    RecordingError
        Not a JPEG that can be decoded.
    """
    return _decode_jpeg(data, cv2.IMREAD_COLOR)


def decode_jpeg_grey(data: bytes) -> NDArray[np.uint8]:
    """Decode the brightness alone, (H, W) uint8, which takes half the time; as `decode_jpeg`."""
    return _decode_jpeg(data, cv2.IMREAD_GRAYSCALE)


def _decode_jpeg(data: bytes, flags: int) -> NDArray[np.uint8]:
    if not data.startswith(b"\xff\xd8"):
        raise RecordingError("not a JPEG image")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise RecordingError(f"damaged JPEG image ({error.err})") from error
    if image is None:
        raise RecordingError("damaged JPEG image")
    return np.asarray(image, np.uint8)
