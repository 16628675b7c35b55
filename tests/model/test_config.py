import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import ModelConfig, TrainConfig
from model.errors import ModelError
from model.presets import preset
from model.settings import assignments


@pytest.mark.parametrize("name", ["paper", "small"])
@pytest.mark.parametrize("architecture", ["mran", "uran"])
def test_configs_survive_json(name: str, architecture: str) -> None:
    modalities = ("color", "depth") if architecture == "mran" else ("thermal",)
    model, train = preset(name, architecture=architecture, modalities=modalities)
    assert ModelConfig.from_object(json.loads(json.dumps(model.to_object()))) == model
    assert TrainConfig.from_object(json.loads(json.dumps(train.to_object()))) == train


def test_paper_preset_is_the_papers() -> None:
    _, mran = preset("paper", architecture="mran", modalities=("color", "depth"))
    model, uran = preset("paper", architecture="uran", modalities=("color",))
    assert (mran.batch_size, uran.batch_size) == (4, 8)
    assert mran.learning_rate == 1e-4
    assert mran.initialisation == "xavier"
    assert mran.ccc_weight == 0
    assert (model.input_px, model.clip_length, model.fc_units, model.dropout) == (96, 16, 1024, 0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peephol": "none"}, "did you mean 'peephole'"),
        ({"peephole": "full"}, "expected one of"),
        ({"width": "1"}, "width is '1', expected float"),
        ({"input_px": 96.0}, "expected int"),
        ({"input_px": True}, "expected int"),
        ({"modalities": "color"}, "modalities is 'color'"),
        ({"input_px": 1 << 40}, "input_px"),
        ({"fc_units": 1 << 40}, "fc_units"),
    ],
)
def test_wrong_values_are_named(changes: dict, message: str) -> None:
    model, _ = preset("paper", architecture="uran", modalities=("color",))
    with pytest.raises(ModelError, match=message):
        ModelConfig.from_object(model.to_object() | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gradient_clip": 0.0}, "gradient_clip is 0.0, expected more than 0"),
        ({"gradient_clip": -1.0}, "null leaves gradients as they are"),
        ({"patience": 0}, "patience is 0, expected at least 1"),
        ({"patience": -3}, "null switches it off"),
        ({"contrast_jitter": -0.1}, "contrast_jitter is -0.1, expected 0 to 1"),
        ({"contrast_jitter": 3.0}, "contrast_jitter is 3.0"),
        ({"color_jitter": -0.1}, "color_jitter is -0.1"),
        ({"color_jitter": 1.5}, "color_jitter is 1.5"),
        ({"output_gain": 0.0}, "output_gain is 0.0, expected more than 0"),
        ({"output_gain": -1.0}, "output_gain is -1.0"),
        ({"ccc_weight": float("nan")}, "ccc_weight nan"),
    ],
)
def test_training_that_makes_no_sense_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        TrainConfig(**changes)


def test_what_is_switched_off_stays_so() -> None:
    off = TrainConfig(gradient_clip=None, patience=None, contrast_jitter=0.0, color_jitter=0.0)
    assert (off.gradient_clip, off.patience) == (None, None)


def test_missing_keys_and_other_types_are_refused() -> None:
    with pytest.raises(ModelError, match="'modalities' is missing"):
        ModelConfig.from_object({"architecture": "uran"})
    with pytest.raises(ModelError, match="expected a JSON object"):
        ModelConfig.from_object([])


def test_a_config_from_before_a_field_existed_is_read_as_it_was_meant() -> None:
    first = {
        "architecture": "mran",
        "modalities": ["color", "depth"],
        "outputs": ["valence"],
        "input_px": 96,
        "clip_length": 16,
        "width": 1.0,
        "fc_units": 1024,
        "dropout": 0.5,
        "peephole": "paper",
        "forget_input": "target",
        "attention": "mean1",
        "upsampling": "deconvolution",
        "normalisation": "store",
    }
    now, _ = preset("paper", architecture="mran", modalities=("color", "depth"))
    assert ModelConfig.from_object(first) == now


def test_options_read_words_as_words_and_numbers_as_numbers() -> None:
    words = ["rate=4", "label=last", "width=2", "pretrained=null", "flip=false"]
    assert assignments(words) == {
        "rate": "4",
        "label": "last",
        "width": 2,
        "pretrained": None,
        "flip": False,
    }
    assert (
        ModelConfig.from_object(
            {"architecture": "uran", "modalities": ["color"]} | assignments(["rate=native"])
        ).rate
        == "native"
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(TrainConfig.__dataclass_fields__)), json_values))
def test_any_json_is_a_config_or_a_clear_error(value: dict) -> None:
    try:
        config = TrainConfig.from_object(value)
    except ModelError:
        return
    assert TrainConfig.from_object(config.to_object()) == config
