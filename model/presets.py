"""Named starting points: a network and how it is trained.

``paper`` is the network and the hyper-parameters of the MRAN paper (sections III and V, Table I)
under the reading of docs/decisions/0060, and for the baselines what their papers say.
``small`` deviates on purpose so that a network learns in minutes on two cores; docs/decisions/0061
lists each deviation. ``recommended`` keeps the paper's size with the deviations that let it learn.
"""

from dataclasses import replace
from typing import Literal, get_args

from .catalogue import FACTS, Architecture
from .config import ModelConfig, TrainConfig
from .errors import ModelError

Preset = Literal["paper", "small", "recommended"]
PRESETS: tuple[Preset, ...] = get_args(Preset)
_GUIDED_BATCH, _BATCH = 4, 8


def preset(
    name: Preset,
    *,
    architecture: Architecture,
    modalities: tuple[str, ...],
    outputs: tuple[str, ...] = ("valence",),
    categories: tuple[str, ...] = (),
) -> tuple[ModelConfig, TrainConfig]:
    """Return the configurations of a preset; refine them with `dataclasses.replace`."""
    if name not in PRESETS:
        raise ModelError(f"no preset {name!r}, expected {', '.join(PRESETS)}")
    model = ModelConfig(architecture, modalities, outputs, categories=categories)
    model, train = _as_published(model)
    if name == "recommended":
        repaired, training = _repaired(model), _repaired_training(model, train)
        if FACTS[architecture].pretrained:  # published weights expect their own normalisation
            repaired = replace(repaired, normalisation=model.normalisation)
            training = replace(training, initialisation="pretrained")
        return repaired, training
    if name == "small":
        small = replace(
            _repaired(model),
            input_px=48,
            width=0.25,
            fc_units=min(model.fc_units, 128),
            dropout=0.1,
            backbone_px=48,
            recurrent_units=min(model.recurrent_units, 32),
        )
        return small, replace(
            _repaired_training(model, train),
            batch_size=8,
            max_steps=500,
            learning_rate=1e-3,
            validate_every=25,
            patience=None,
            cache="prepared",
        )
    return model, train


def _as_published(model: ModelConfig) -> tuple[ModelConfig, TrainConfig]:
    """Give the baselines the sizes of their papers: docs/reference/networks.md has the sources."""
    # Section V.A: mini-batches of 4 clips for MRAN, 8 for URAN.
    train = TrainConfig(batch_size=_GUIDED_BATCH if model.architecture == "mran" else _BATCH)
    name, facts = model.architecture, FACTS[model.architecture]
    if facts.pretrained:
        model = replace(model, normalisation=facts.pretrained)
        train = replace(train, initialisation="pretrained")
    if name.startswith("khorrami") or name == "cnn_lstm":
        model = replace(model, fc_units=300)
    if name.startswith("evidence"):  # ours: docs/decisions/0108, 0111
        model = replace(model, modality_dropout=0.2, color_encoding="opponent")
        train = replace(train, own_weight=3.0)
    if name == "khorrami_cnn_rnn":
        model = replace(model, recurrent_units=100, recurrent_layers=3, label="last")
    if name in ("vgg_face_lstm", "affwildnet"):
        model = replace(model, fc_units=4096)
    if name.startswith("lgbp_top"):
        # Gain and offset do not change these features, but would make every clip a new one.
        train = replace(train, contrast_jitter=0.0, color_jitter=0.0)
    if name == "affwildnet":
        model = replace(model, backbone_px=96)
        train = replace(train, loss="ccc")
    if name == "cnn_lstm":
        train = replace(train, loss="epsilon")
    return model, train


def _repaired(model: ModelConfig) -> ModelConfig:
    if model.architecture.startswith("evidence"):  # docs/decisions/0111
        return replace(model, attention="standardise", normalisation="clip_lit")
    return replace(model, attention="standardise", normalisation="clip")


def _repaired_training(model: ModelConfig, train: TrainConfig) -> TrainConfig:
    return replace(
        train,
        warmup_steps=30,
        gradient_clip=1.0,
        loss="mse",
        ccc_weight=0.3,
        # The baselines are deep in ReLUs; the paper's networks learn from Xavier's.
        initialisation="he" if model.facts.baseline else "xavier",
        output_gain=0.1,
    )
