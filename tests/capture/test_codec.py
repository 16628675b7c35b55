import struct

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from capture.codec import decode_jpeg, decode_z16, encode_jpeg, encode_z16
from capture.errors import RecordingError

IMAGES = hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))


@given(IMAGES)
def test_z16_is_lossless(image: np.ndarray) -> None:
    decoded = decode_z16(encode_z16(image))
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, image)


def test_z16_takes_views_that_are_not_contiguous() -> None:
    image = np.arange(600, dtype=np.uint16).reshape(20, 30)[::2, ::3]
    np.testing.assert_array_equal(decode_z16(encode_z16(image)), image)


@given(IMAGES, st.data())
def test_z16_cut_off_anywhere_is_refused(image: np.ndarray, data: st.DataObject) -> None:
    encoded = encode_z16(image)
    length = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(RecordingError):
        decode_z16(encoded[:length])


@given(st.binary(max_size=200))
def test_z16_noise_is_refused(noise: bytes) -> None:
    for data in (noise, encode_z16(np.ones((3, 3), np.uint16))[:16] + noise):
        with pytest.raises(RecordingError):
            decode_z16(data)


@pytest.mark.parametrize("size", [(0, 5), (1 << 20, 1 << 20), (3, 4)])
def test_z16_sizes_that_contradict_the_payload_are_refused(size: tuple[int, int]) -> None:
    payload = zstandard.compress(bytes(18))
    with pytest.raises(RecordingError):
        decode_z16(struct.pack("<4sB3xII", b"MZ16", 1, *size) + payload)


def test_z16_refuses_a_payload_that_claims_gigabytes() -> None:
    bomb = zstandard.compress(bytes(1 << 24))
    with pytest.raises(RecordingError, match="expected 18"):
        decode_z16(struct.pack("<4sB3xII", b"MZ16", 1, 3, 3) + bomb)


def test_z16_of_another_version_is_refused() -> None:
    encoded = bytearray(encode_z16(np.ones((3, 3), np.uint16)))
    encoded[4] = 9
    with pytest.raises(RecordingError, match="version 9"):
        decode_z16(bytes(encoded))


def test_z16_shrinks_what_a_depth_camera_sees() -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(600, 1500, 512)[None, :] + np.linspace(0, 90, 424)[:, None]
    image = (ramp + rng.normal(0, 1.5, (424, 512))).astype(np.uint16)
    assert len(encode_z16(image)) < image.nbytes / 3


@pytest.mark.parametrize("image", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 1), np.uint16)])
def test_z16_wants_16_bit_images(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint16"):
        encode_z16(image)


def test_jpeg_is_close_and_keeps_the_order_of_colors() -> None:
    y, x = np.mgrid[:48, :64]
    image = np.stack([x * 4, y * 5, 255 - x * 2], axis=-1).astype(np.uint8)
    decoded = decode_jpeg(encode_jpeg(image, quality=95))
    assert decoded.shape == image.shape
    assert np.abs(decoded.astype(int) - image).mean() < 3


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8", b"\xff\xd8\xff\xe0" + bytes(40)])
def test_what_is_no_jpeg_is_refused(data: bytes) -> None:
    with pytest.raises(RecordingError):
        decode_jpeg(data)
