"""What a network is and how it is trained, as values that travel with every checkpoint.

Presets are `model.presets`. What an architecture is: `model.catalogue`.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from .catalogue import FACTS, Architecture, Facts
from .errors import ModelError
from .strict import from_object

Precision = Literal["auto", "float32", "bfloat16"]
MODALITIES = ("color", "depth", "thermal")
DIMENSIONS = ("valence", "arousal")
CATEGORY = "category"
CHANNELS = {"color": 3, "depth": 1, "thermal": 1}
_ENCODER_REDUCTION = 8  # three 2x2 pools
_HEAD_POOLS = 4
_MAX_SIDE = 1024
_MAX_UNITS = 65_536
_MAX_GAIN = 20
MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The network, completely: two equal configs build networks of equal shape.

    Fields that an architecture has no use for are ignored by it.

    Attributes
    ----------
    architecture : str
        A name of `model.catalogue`.
    modalities : tuple of str
        Among color, depth, thermal. With guides: the target, which carries the features, first.
    outputs : tuple of str
        The predicted dimensions, valence, arousal or both; or ``category`` alone.
    input_px : int
        Side of the square input, a multiple of 16. The paper's fc1 (9216 = 6·6·256) means 96.
    clip_length : int
        Frames of a clip: a power of two or a multiple of 16.
    width : float
        Multiplies every channel count except inputs and the 1-channel lstm3.
    fc_units : int
        Outputs of fc1: 1024 in Table I.
    dropout : float
        Probability between fully connected layers.
    peephole : {"paper", "hadamard", "none"}
        ``paper``: eq. 1 as printed, a convolution of c[t-1] on i and f and a Hadamard product with
        c[t] on o. ``hadamard``: on all three, as in the ConvLSTM that the paper cites.
    forget_input : {"target", "thermal"}
        Input features of the guided forget gate. Eq. 2 prints x^F (``thermal``), taken for a typo.
    attention : {"mean1", "literal", "standardise", "residual"}
        ``literal`` is eq. 3, ``mean1`` eq. 3 times H·W, ``residual`` 1 + ``mean1``,
        ``standardise`` (a deviation) standardises the logits over each frame with a learnable gain
        before ``mean1``.
    attention_gain : float
        Of ``standardise``, at the start of training: 0 is uniform attention, so that a network
        begins as one without.
    upsampling : {"deconvolution", "bilinear", "nearest"}
        ``bilinear`` and ``nearest`` (deviations) interpolate after a 1x1 convolution.
    normalisation : {"store", "clip", "clip_lit", "imagenet", "vgg_face"}
        ``store``: mean and sd of the store's training split. ``clip`` (a deviation): color by the
        clip's mean and sd, depth and thermal relative to the face of each frame. ``clip_lit``: as
        ``clip``, and color is 0, which is missing, where a clip holds no more than noise.
        ``imagenet``, ``vgg_face``: what weights published under these names expect of color.
    categories : tuple of str
        Names of the classes where the output is ``category``: scores are their logits.
    guide_step : {"previous", "same"}
        Hidden states with which guides enter step t: those of t - 1 (eq. 2 as printed) or of t.
    label : {"mean", "last", "center", "frames"}
        What a clip's score stands for: the mean of its frames' labels, the label of the last or
        the middle frame, or, with a score for each frame, all of them.
    rate : {"4", "native"}
        ``4``: of frames that come faster, those nearest to a grid of 4 Hz, so that 16 are 4 s;
        slower ones as stored, with a warning. ``native``: consecutive frames as stored.
    backbone_px : int
        Side to which frames are resized for VGG and ResNet trunks.
    recurrent_units, recurrent_layers : int
        Of recurrent layers over frame-wise features.
    precision_weights : bool
        Of ``evidence``: modalities are weighted by the precision that they give; else alike.
    color_encoding : {"rgb", "opponent"}
        What normalised color is given as: ``opponent`` is luminance, red - green and
        yellow - blue (`model.color_encoding`).
    modality_dropout : float
        Of ``evidence``: probability with which a training clip lacks a modality.
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
    attention: Literal["mean1", "literal", "standardise", "residual"] = "mean1"
    attention_gain: float = 0.5
    upsampling: Literal["deconvolution", "bilinear", "nearest"] = "deconvolution"
    normalisation: Literal["store", "clip", "clip_lit", "imagenet", "vgg_face"] = "store"
    categories: tuple[str, ...] = ()
    guide_step: Literal["previous", "same"] = "previous"
    label: Literal["mean", "last", "center", "frames"] = "mean"
    rate: Literal["4", "native"] = "4"
    backbone_px: int = 224
    recurrent_units: int = 128
    recurrent_layers: int = 2
    precision_weights: bool = True
    modality_dropout: float = 0.0
    color_encoding: Literal["rgb", "opponent"] = "rgb"

    def __post_init__(self) -> None:
        _check_names("modalities", self.modalities, MODALITIES)
        self._check_architecture()
        self._check_outputs()
        self._check_sizes()
        if self.forget_input == "thermal" and "thermal" not in self.modalities[1:]:
            raise ModelError("forget_input thermal needs thermal among the guides")
        if self.normalisation in ("imagenet", "vgg_face") and self.modalities != ("color",):
            raise ModelError(
                f"normalisation {self.normalisation} is of color alone, "
                f"got {', '.join(self.modalities)}",
                remedy="use normalisation=store or clip",
            )
        if self.color_encoding == "opponent" and (
            self.facts.grey or self.normalisation in ("imagenet", "vgg_face")
        ):
            raise ModelError(
                f"color_encoding opponent: {self.architecture} expects RGB "
                + ("to make grey frames of" if self.facts.grey else "as its weights were made for"),
                remedy="use color_encoding=rgb",
            )

    def _check_architecture(self) -> None:
        if self.architecture not in FACTS:
            raise ModelError(
                f"no architecture {self.architecture!r}", remedy=f"known: {', '.join(FACTS)}"
            )
        taken, given = self.facts.modalities, ", ".join(self.modalities)
        if taken == "one" and len(self.modalities) != 1:
            raise ModelError(
                f"{self.architecture} takes one modality, got {given}",
                remedy="choose one, or mran" if self.architecture == "uran" else "choose one",
            )
        if taken == "several" and len(self.modalities) < 2:
            raise ModelError(
                f"{self.architecture} takes a target and at least one guide, got {given}",
                remedy="add a guide modality, or choose uran",
            )

    def _check_outputs(self) -> None:
        if CATEGORY not in self.outputs:
            _check_names("outputs", self.outputs, DIMENSIONS)
            if self.categories:
                raise ModelError(
                    f"categories {', '.join(self.categories)} with outputs "
                    f"{', '.join(self.outputs)}",
                    remedy="predict outputs category, or leave the categories out",
                )
            return
        if self.outputs != (CATEGORY,):
            raise ModelError(f"outputs {', '.join(self.outputs)}: category stands alone")
        if len(set(self.categories)) != len(self.categories) or len(self.categories) < 2:
            raise ModelError(
                f"categories {', '.join(self.categories) or '(none)'}: expected two or more "
                "different names"
            )

    def _check_sizes(self) -> None:
        if not 0 < self.input_px <= _MAX_SIDE or self.input_px % 2**_HEAD_POOLS:
            raise ModelError(
                f"input_px is {self.input_px}, expected a multiple of 16 up to {_MAX_SIDE}"
            )
        length = self.clip_length
        if not 0 < length <= _MAX_SIDE or (length & (length - 1) and length % 16):
            raise ModelError(f"clip_length is {length}, expected a power of two or multiple of 16")
        if not 0 <= self.attention_gain <= _MAX_GAIN:
            raise ModelError(
                f"attention_gain is {self.attention_gain:g}, expected 0 to {_MAX_GAIN}"
            )
        if (
            not 0 < self.width <= 8
            or not 0 < self.fc_units <= _MAX_UNITS
            or not 0 <= self.dropout < 1
        ):
            raise ModelError(
                f"width {self.width}, fc_units {self.fc_units}, dropout {self.dropout}: "
                "expected 0 < width <= 8, 0 < fc_units <= 65536, 0 <= dropout < 1"
            )
        if not 0 <= self.modality_dropout < 1:
            raise ModelError(
                f"modality_dropout is {self.modality_dropout}, expected 0 <= dropout < 1"
            )
        if not 32 <= self.backbone_px <= _MAX_SIDE:
            raise ModelError(f"backbone_px is {self.backbone_px}, expected 32 to {_MAX_SIDE}")
        if not 0 < self.recurrent_units <= _MAX_UNITS or not 0 < self.recurrent_layers <= 16:
            raise ModelError(
                f"recurrent_units {self.recurrent_units}, recurrent_layers "
                f"{self.recurrent_layers}: expected 1 to {_MAX_UNITS} and 1 to 16"
            )

    @property
    def facts(self) -> Facts:
        """What the catalogue says of the architecture."""
        return FACTS[self.architecture]

    @property
    def categorical(self) -> bool:
        """Whether scores are logits of categories."""
        return self.outputs == (CATEGORY,)

    @property
    def n_scores(self) -> int:
        """Numbers that a clip (or frame) is given: dimensions or categories."""
        return len(self.categories) if self.categorical else len(self.outputs)

    @property
    def target(self) -> str:
        """The modality whose features are attended and recognised."""
        return self.modalities[0]

    @property
    def guides(self) -> tuple[str, ...]:
        """The modalities that only guide the attention; none where all carry features."""
        return self.modalities[1:] if self.facts.guided else ()

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
    steps_past_plateau : int or None
        A run that leaves the plateau of constant output within `max_steps` takes so many steps
        after it (`model.plateau`), which may be more than `max_steps`. Categories, which have no
        CCC, end at `max_steps`.
    learning_rate : float
        Of Adam, after `warmup_steps` steps of linear rise.
    gradient_clip : float or None
        Largest norm of the gradient.
    loss : {"mse", "l1", "epsilon", "ccc"}
        ``mse`` reads eq. 5 as its text, ``l1`` as it is printed for one output; ``epsilon`` is the
        epsilon-insensitive loss, ``ccc`` 1 - CCC of the batch. Categories: cross entropy, always.
    epsilon : float
        Errors up to it cost nothing with the loss ``epsilon``.
    ccc_weight : float
        Adds ccc_weight · (1 - CCC of the batch) to the loss.
    own_weight : float
        Adds own_weight · the mean loss of what each modality says by itself (``evidence``).
    initialisation : {"xavier", "he", "pretrained"}
        ``xavier``: Xavier-uniform everywhere. ``he``: He-normal in encoders and convolutions.
        ``pretrained``: what the file `pretrained` holds, the rest as ``he``; without a file the
        run does not start.
    pretrained : str or None
        Path of published weights for VGG and ResNet trunks (`model.pretrained`).
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
    precision : {"auto", "float32", "bfloat16"}
        Of convolutions and products; weights, loss and optimiser are float32. ``auto``: bfloat16
        on a GPU that supports it.
    checkpointing : bool
        Keep fewer activations and compute them again: less memory for more time, same results.
    validation : {"auto", "store", "train", "none"}
        Subjects that choose the checkpoint and end the run: those of the store's validation
        split, ``validation_share`` of the training subjects, or nobody. ``auto``: the store's
        where it has any, else of the training subjects where there are at least three.
    validation_share : float
    """

    seed: int = 0
    batch_size: int = 4
    max_steps: int = 20_000
    steps_past_plateau: int | None = None
    learning_rate: float = 1e-4
    warmup_steps: int = 0
    gradient_clip: float | None = None
    loss: Literal["mse", "l1", "epsilon", "ccc"] = "mse"
    epsilon: float = 0.1
    ccc_weight: float = 0.0
    own_weight: float = 0.0
    initialisation: Literal["xavier", "he", "pretrained"] = "xavier"
    pretrained: str | None = None
    output_gain: float = 1.0
    flip: bool = True
    contrast_jitter: float = 0.2
    color_jitter: float = 0.1
    validate_every: int = 200
    patience: int | None = 20
    min_valid_share: float = 0.5
    cache: Literal["none", "prepared"] = "none"
    precision: Precision = "auto"
    checkpointing: bool = False
    validation: Literal["auto", "store", "train", "none"] = "auto"
    validation_share: float = 0.2

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_steps", "validate_every"):
            if getattr(self, name) < 1:
                raise ModelError(f"{name} is {getattr(self, name)}, expected at least 1")
        for name in ("steps_past_plateau", "patience"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ModelError(
                    f"{name} is {value}, expected at least 1", remedy="null switches it off"
                )
        if not 0 <= self.seed <= MAX_SEED:
            raise ModelError(f"seed is {self.seed}, expected 0 to {MAX_SEED}")
        if not self.learning_rate > 0 or self.warmup_steps < 0 or not self.ccc_weight >= 0:
            raise ModelError(
                f"learning_rate {self.learning_rate}, warmup_steps {self.warmup_steps}, "
                f"ccc_weight {self.ccc_weight}: expected > 0, >= 0, >= 0"
            )
        for name in ("own_weight", "epsilon"):
            if not getattr(self, name) >= 0:
                raise ModelError(f"{name} is {getattr(self, name)}, expected at least 0")
        for name in ("min_valid_share", "contrast_jitter", "color_jitter"):
            if not 0 <= getattr(self, name) <= 1:
                raise ModelError(f"{name} is {getattr(self, name)}, expected 0 to 1")
        if not self.output_gain > 0:
            raise ModelError(f"output_gain is {self.output_gain}, expected more than 0")
        if self.gradient_clip is not None and not self.gradient_clip > 0:
            raise ModelError(
                f"gradient_clip is {self.gradient_clip}, expected more than 0",
                remedy="null leaves gradients as they are",
            )
        if not 0 < self.validation_share < 1:
            raise ModelError(f"validation_share is {self.validation_share}, expected 0 < share < 1")

    @property
    def most_steps(self) -> int:
        """Steps that a run takes at most."""
        return self.max_steps + (self.steps_past_plateau or 0)

    def to_object(self) -> dict[str, Any]:
        """Return the JSON object that `from_object` reads."""
        return _listed(asdict(self))

    @classmethod
    def from_object(cls, value: object, *, where: str = "train config") -> Self:
        """Read a parsed JSON object strictly; `ModelError` names what is wrong."""
        return from_object(cls, value, where=where)


def _check_names(what: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not names or len(set(names)) != len(names) or not set(names) <= set(known):
        raise ModelError(
            f"{what} {', '.join(names) or '(none)'}: expected among {', '.join(known)}"
        )


def _listed(values: dict[str, Any]) -> dict[str, Any]:
    return {key: list(v) if isinstance(v, tuple) else v for key, v in values.items()}
