import numpy as np
import pytest

from capture.codec import decode_jpeg
from capture.preview import preview_jpeg


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        (np.full((1080, 1920, 3), 90, np.uint8), (180, 320, 3)),
        (np.arange(512 * 424, dtype=np.uint16).reshape(424, 512) % 9000, (265, 320, 3)),
        (np.zeros((6, 8), np.uint16), (6, 8, 3)),
        (np.full((6, 8), 7300, np.uint16), (6, 8, 3)),
    ],
)
def test_previews_are_small_pictures(image: np.ndarray, shape: tuple[int, ...]) -> None:
    data = preview_jpeg(image)
    assert decode_jpeg(data).shape == shape
    assert len(data) < 60_000


def test_the_range_of_temperatures_fills_the_range_of_grays() -> None:
    image = np.tile(np.linspace(7300, 7700, 320).astype(np.uint16), (240, 1))
    gray = decode_jpeg(preview_jpeg(image))[120, :, 0]
    assert gray[0] < 20
    assert gray[-1] > 235
