import numpy as np
import pytest

from capture.errors import ControlError
from capture.preview import decode_preview, encode_preview, full_size_px


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


@pytest.mark.parametrize("width", [640, 512, 320])
def test_positions_lead_back_to_the_frame(width: int) -> None:
    columns = np.tile(np.arange(width, dtype=np.uint16), (424, 1))
    small = decode_preview(encode_preview(columns))
    shrunk = {"size_px": small.shape[::-1], "full_px": (width, 424)}
    middle = np.stack([np.arange(small.shape[1]), np.full(small.shape[1], 9)], axis=1)
    full = full_size_px(middle.astype(float), picked=True, **shrunk)
    np.testing.assert_array_equal(full[:, 0], small[9])  # each is the pixel that was picked


def test_positions_in_averaged_pictures_lead_back_too() -> None:
    image = np.zeros((1080, 1920, 3), np.uint8)
    image[540:660, 960:1080] = 255
    small = np.where(decode_preview(encode_preview(image))[..., 1] > 127, 1.0, 0.0)
    rows, columns = np.indices(small.shape)
    centre = [(small * columns).sum() / small.sum(), (small * rows).sum() / small.sum()]
    full = full_size_px(np.array(centre), size_px=(320, 180), full_px=(1920, 1080), picked=False)
    np.testing.assert_allclose(full, [1019.5, 599.5], atol=0.5)


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
