"""What a network is and how it is trained, as values that travel with every checkpoint.

Two presets. ``paper`` is the network and the hyper-parameters of the MRAN paper (sections III and
V.A, Table I) under the reading of docs/decisions/0060. ``small`` deviates from it on purpose so
that a network learns in minutes on two cores; docs/decisions/0061 lists each deviation.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from .errors import ModelError
from .strict import from_object

Architecture = Literal["mran", "uran"]
Preset = Literal["paper", "small"]
MODALITIES = ("color", "depth", "thermal")
DIMENSIONS = ("valence", "arousal")
CHANNELS = {"color": 3, "depth": 1, "thermal": 1}
_ENCODER_REDUCTION = 8  # three 2x2 pools
_HEAD_POOLS = 4
_MAX_SIDE = 1024
_MAX_UNITS = 65_536
MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The network, completely: two equal configs build networks of equal shape.

    Attributes
    ----------
    architecture : {"mran", "uran"}
        ``mran``: the first modality carries the features, the others guide its attention.
        ``uran``: one modality, no guides.
    modalities : tuple of str
        Among color, depth, thermal; the target first.
    outputs : tuple of str
        The predicted dimensions: valence, arousal or both.
    input_px : int
        Side of the square input, a multiple of 16. The paper's fc1 (9216 = 6·6·256) means 96.
    clip_length : int
        Frames of a clip: a power of two or a multiple of 16.
    width : float
        Multiplies every channel count of Table I except inputs and the 1-channel lstm3.
    fc_units : int
        Outputs of fc1.
    dropout : float
        Probability between fc1 and fc2.
    peephole : {"paper", "hadamard", "none"}
        ``paper``: eq. 1 as printed, a convolution of c[t-1] on i and f and a Hadamard product with
        c[t] on o. ``hadamard``: on all three, as in the ConvLSTM that the paper cites.
    forget_input : {"target", "thermal"}
        Input features of the guided forget gate. Eq. 2 prints x^F (``thermal``), taken for a typo.
    attention : {"mean1", "literal", "standardise"}
        ``literal`` is eq. 3, ``mean1`` eq. 3 times H·W, ``standardise`` (a deviation) standardises
        the logits over each frame with a learnable gain before ``mean1``.
    upsampling : {"deconvolution", "bilinear"}
        ``bilinear`` (a deviation) is a 1x1 convolution with bilinear interpolation.
    normalisation : {"store", "clip"}
        ``store``: mean and sd of the store's training split. ``clip`` (a deviation): color by the
        clip's mean and sd, depth and thermal relative to the face of each frame.
    """

    architecture: Architecture
    modalities: tuple[str, ...]
    outputs: tuple[str, ...] = ("valence",)
    input_px: int = 96
    clip_length: int = 16
    width: float = 1.0
    fc_units: int = 1024
    dropout: float = 0.5
    peephole: Literal["paper", "hadamard", "none"] = "paper"
    forget_input: Literal["target", "thermal"] = "target"
    attention: Literal["mean1", "literal", "standardise"] = "mean1"
    upsampling: Literal["deconvolution", "bilinear"] = "deconvolution"
    normalisation: Literal["store", "clip"] = "store"

    def __post_init__(self) -> None:
        _check_names("modalities", self.modalities, MODALITIES)
        _check_names("outputs", self.outputs, DIMENSIONS)
        if self.architecture == "uran" and len(self.modalities) != 1:
            raise ModelError(
                f"uran takes one modality, got {', '.join(self.modalities)}",
                remedy="choose one, or mran",
            )
        if self.architecture == "mran" and len(self.modalities) < 2:
            raise ModelError(
                f"mran takes a target and at least one guide, got {', '.join(self.modalities)}",
                remedy="add a guide modality, or choose uran",
            )
        if self.forget_input == "thermal" and "thermal" not in self.modalities[1:]:
            raise ModelError("forget_input thermal needs thermal among the guides")
        if not 0 < self.input_px <= _MAX_SIDE or self.input_px % 2**_HEAD_POOLS:
            raise ModelError(
                f"input_px is {self.input_px}, expected a multiple of 16 up to {_MAX_SIDE}"
            )
        length = self.clip_length
        if not 0 < length <= _MAX_SIDE or (length & (length - 1) and length % 16):
            raise ModelError(f"clip_length is {length}, expected a power of two or multiple of 16")
        if (
            not 0 < self.width <= 8
            or not 0 < self.fc_units <= _MAX_UNITS
            or not 0 <= self.dropout < 1
        ):
            raise ModelError(
                f"width {self.width}, fc_units {self.fc_units}, dropout {self.dropout}: "
                "expected 0 < width <= 8, 0 < fc_units <= 65536, 0 <= dropout < 1"
            )

    @property
    def target(self) -> str:
        """The modality whose features are attended and recognised."""
        return self.modalities[0]

    @property
    def guides(self) -> tuple[str, ...]:
        """The modalities that only guide the attention."""
        return self.modalities[1:]

    @property
    def hidden_px(self) -> int:
        """Side of the encoders' output."""
        return self.input_px // _ENCODER_REDUCTION

    def channels(self, paper: int) -> int:
        """Scale a channel count of Table I by the width."""
        return max(1, round(paper * self.width))

    def to_object(self) -> dict[str, Any]:
        """Return the JSON object that `from_object` reads."""
        return _listed(asdict(self))

    @classmethod
    def from_object(cls, value: object, *, where: str = "model config") -> Self:
        """Read a parsed JSON object strictly; `ModelError` names what is wrong."""
        return from_object(cls, value, where=where)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How a network is trained.

    Attributes
    ----------
    seed : int
        Weights, order of clips, augmentation and dropout are functions of it.
    batch_size, max_steps : int
    learning_rate : float
        Of Adam, after `warmup_steps` steps of linear rise.
    gradient_clip : float or None
        Largest norm of the gradient.
    ccc_weight : float
        The loss is the mean squared error + ccc_weight · (1 - CCC of the batch).
    initialisation : {"xavier", "he"}
        ``xavier``: Xavier-uniform everywhere. ``he``: He-normal in encoders and 3D convolutions.
    output_gain : float
        Scales fc2 at initialisation, so that tanh starts in its linear part.
    flip : bool
        Mirror half of the clips, all frames and modalities alike.
    contrast_jitter, color_jitter : float
        Half range of a clip's contrast factor about 1 and of the offset of each color channel.
    validate_every : int
        Steps between validations.
    patience : int or None
        Stop after so many validations without a better one; None: never.
    min_valid_share : float
        Clips with a smaller share of frames with a face are left out.
    cache : {"none", "prepared"}
        ``prepared`` keeps all clips normalised and reduced in memory.
    """

    seed: int = 0
    batch_size: int = 4
    max_steps: int = 20_000
    learning_rate: float = 1e-4
    warmup_steps: int = 0
    gradient_clip: float | None = None
    ccc_weight: float = 0.0
    initialisation: Literal["xavier", "he"] = "xavier"
    output_gain: float = 1.0
    flip: bool = True
    contrast_jitter: float = 0.2
    color_jitter: float = 0.1
    validate_every: int = 200
    patience: int | None = 20
    min_valid_share: float = 0.5
    cache: Literal["none", "prepared"] = "none"

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_steps", "validate_every"):
            if getattr(self, name) < 1:
                raise ModelError(f"{name} is {getattr(self, name)}, expected at least 1")
        if not 0 <= self.seed <= MAX_SEED:
            raise ModelError(f"seed is {self.seed}, expected 0 to {MAX_SEED}")
        if not self.learning_rate > 0 or self.warmup_steps < 0 or self.ccc_weight < 0:
            raise ModelError(
                f"learning_rate {self.learning_rate}, warmup_steps {self.warmup_steps}, "
                f"ccc_weight {self.ccc_weight}: expected > 0, >= 0, >= 0"
            )
        if not 0 <= self.min_valid_share <= 1:
            raise ModelError(f"min_valid_share is {self.min_valid_share}, expected 0 to 1")

    def to_object(self) -> dict[str, Any]:
        """Return the JSON object that `from_object` reads."""
        return _listed(asdict(self))

    @classmethod
    def from_object(cls, value: object, *, where: str = "train config") -> Self:
        """Read a parsed JSON object strictly; `ModelError` names what is wrong."""
        return from_object(cls, value, where=where)


def preset(
    name: Preset,
    *,
    architecture: Architecture,
    modalities: tuple[str, ...],
    outputs: tuple[str, ...] = ("valence",),
) -> tuple[ModelConfig, TrainConfig]:
    """Return the configurations of a preset; refine them with `dataclasses.replace`."""
    if name == "paper":
        model = ModelConfig(architecture, modalities, outputs)
        # Section V.A: mini-batches of 4 clips for MRAN, 8 for URAN.
        return model, TrainConfig(batch_size=4 if architecture == "mran" else 8)
    if name != "small":
        raise ModelError(f"no preset {name!r}, expected 'paper' or 'small'")
    model = ModelConfig(
        architecture,
        modalities,
        outputs,
        input_px=32,
        width=0.25,
        fc_units=128,
        dropout=0.1,
        attention="standardise",
        upsampling="bilinear",
        normalisation="clip",
    )
    train = TrainConfig(
        batch_size=8,
        max_steps=500,
        learning_rate=1e-3,
        warmup_steps=30,
        gradient_clip=1.0,
        ccc_weight=0.3,
        initialisation="he",
        output_gain=0.1,
        validate_every=25,
        patience=None,
        cache="prepared",
    )
    return model, train


def _check_names(what: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not names or len(set(names)) != len(names) or not set(names) <= set(known):
        raise ModelError(
            f"{what} {', '.join(names) or '(none)'}: expected among {', '.join(known)}"
        )


def _listed(values: dict[str, Any]) -> dict[str, Any]:
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
