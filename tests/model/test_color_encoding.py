"""Luminance and opponent channels: what they are of grey, of zero, and of any color at all."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.augment import augment
from model.color_encoding import opponent
from model.config import ModelConfig, TrainConfig
from model.errors import ModelError
from model.preprocess import prepare
from model.presets import preset

LEVEL = st.floats(-4, 4, width=32)


def pixel(*rgb: float) -> torch.Tensor:
    return torch.tensor(rgb)[:, None, None]


@given(LEVEL)
def test_grey_has_its_luminance_and_no_chroma(level: float) -> None:
    torch.testing.assert_close(opponent(pixel(level, level, level)), pixel(level, 0, 0))


def test_red_blue_and_yellow_have_the_signs_of_their_names() -> None:
    _, red_green, yellow_blue = opponent(pixel(1, 0, 0)).flatten()
    assert red_green > 0
    assert yellow_blue > 0
    _, red_green, yellow_blue = opponent(pixel(0, 0, 1)).flatten()
    assert red_green == 0
    assert yellow_blue < 0
    assert opponent(pixel(0, 1, 0)).flatten()[1] < 0
    assert opponent(pixel(1, 1, 0)).flatten()[2] > 0


@given(LEVEL, LEVEL, LEVEL)
def test_no_color_is_lost(red: float, green: float, blue: float) -> None:
    luminance, red_green, yellow_blue = opponent(pixel(red, green, blue)).flatten().double()
    yellow = luminance + yellow_blue / 7.5
    found_blue = luminance - 2 * yellow_blue / 7.5
    half = red_green / 5
    found = torch.stack([yellow + half, yellow - half, found_blue])
    torch.testing.assert_close(
        found, torch.tensor([red, green, blue]).double(), rtol=1e-4, atol=1e-4
    )


def crops() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    color = torch.randint(0, 256, (2, 4, 32, 32, 3), generator=generator, dtype=torch.uint8)
    return {"color": color, "depth": torch.full((2, 4, 32, 32), 700, dtype=torch.uint16)}


def test_clips_are_encoded_after_normalisation_and_other_modalities_are_not() -> None:
    rgb = ModelConfig("early_fusion", ("color", "depth"), input_px=16, normalisation="clip")
    plain = prepare(crops(), rgb, {})
    encoded = prepare(crops(), replace(rgb, color_encoding="opponent"), {})
    torch.testing.assert_close(encoded["color"], opponent(plain["color"]))
    assert encoded["color"].shape == plain["color"].shape
    assert torch.equal(encoded["depth"], plain["depth"])


def test_augmentation_is_of_the_same_colors_in_either_encoding() -> None:
    config = ModelConfig("evidence", ("color",), color_encoding="opponent")
    train = TrainConfig(contrast_jitter=0.3, color_jitter=0.2)
    clips = {"color": torch.randn(2, 8, 3, 16, 16)}
    plain = replace(config, color_encoding="rgb")
    rgb = augment(clips, train, plain, torch.Generator().manual_seed(1))["color"]
    encoded = {"color": opponent(clips["color"])}
    for rows in (None, [1, 6]):
        found = augment(
            {"color": encoded["color"] if rows is None else encoded["color"][:, rows]},
            train,
            config,
            torch.Generator().manual_seed(1),
            n_clips=8,
            rows=rows,
        )["color"]
        wanted = opponent(rgb if rows is None else rgb[:, rows])
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [("khorrami_cnn", {}), ("lgbp_top_lstm", {}), ("vgg16", {"normalisation": "imagenet"})],
)
def test_networks_that_expect_rgb_refuse_it(architecture: str, changes: dict) -> None:
    with pytest.raises(ModelError, match=f"color_encoding opponent: {architecture} expects RGB"):
        ModelConfig(architecture, ("color",), color_encoding="opponent", **changes)


@pytest.mark.parametrize("name", ["paper", "small", "recommended"])
def test_the_papers_networks_see_rgb_and_ours_opponent_channels(name: str) -> None:
    several = ("color", "depth", "thermal")
    for architecture, modalities, encoding in (
        ("mran", several, "rgb"),
        ("uran", several[:1], "rgb"),
        ("early_fusion", several, "rgb"),
        ("evidence", several, "opponent"),
        ("evidence_attended", several, "opponent"),
    ):
        model, _ = preset(name, architecture=architecture, modalities=modalities)
        assert model.color_encoding == encoding
        lit = {"paper": "store"}.get(name, "clip_lit" if encoding == "opponent" else "clip")
        assert model.normalisation == lit
