import numpy as np
import pytest

from capture.errors import ControlError
from capture.preview import decode_preview, encode_preview


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        (np.full((1080, 1920, 3), 90, np.uint8), (180, 320, 3)),
        (np.arange(512 * 424, dtype=np.uint16).reshape(424, 512) % 9000, (265, 320)),
        (np.zeros((6, 8), np.uint16), (6, 8)),
    ],
)
def test_previews_are_small_pictures(image: np.ndarray, shape: tuple[int, ...]) -> None:
    data = encode_preview(image)
    assert decode_preview(data).shape == shape
    assert len(data) < 180_000


def test_values_are_kept_and_never_mixed() -> None:
    image = np.where(np.indices((480, 640)).sum(0) % 2, 0, 7321).astype(np.uint16)
    small = decode_preview(encode_preview(image))
    assert set(np.unique(small)) <= {0, 7321}
    exact = np.random.default_rng(0).integers(0, 65536, (200, 320)).astype(np.uint16)
    np.testing.assert_array_equal(decode_preview(encode_preview(exact)), exact)


@pytest.mark.parametrize("damage", ["cut", "large", "kind"])
def test_damaged_previews_are_refused(damage: str) -> None:
    data = bytearray(encode_preview(np.ones((20, 30), np.uint16)))
    if damage == "cut":
        data = data[:30]
    elif damage == "large":
        data[16:20] = (60_000).to_bytes(4)
    else:
        data = bytearray(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(ControlError):
        decode_preview(bytes(data))
