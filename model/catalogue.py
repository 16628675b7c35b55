"""Every network by name: what it takes, where it comes from, and what is particular about it.

Data only (no torch), so that commands can list it in their help. How each is built is
`model.architectures`; layer by layer with sources and deviations: docs/reference/networks.md.
"""

from dataclasses import dataclass
from typing import Literal, get_args

Architecture = Literal[
    "mran",
    "uran",
    "cnn2d",
    "cnn3d",
    "no_attention",
    "spatial",
    "early_fusion",
    "evidence",
    "evidence_attended",
    "khorrami_cnn",
    "khorrami_cnn_rnn",
    "cnn_lstm",
    "vgg16",
    "resnet50",
    "vgg_face",
    "vgg_face_lstm",
    "affwildnet",
    "lgbp_top_lstm",
    "lgbp_top_bilstm",
    "ridge",
]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about an architecture without building it.

    Attributes
    ----------
    summary : str
        One line, for help and reports.
    rows : str
        Where the paper's tables have it; empty for controls the paper lacks.
    modalities : {"one", "several", "any"}
        How many it takes: exactly one, at least two, or one and more.
    attention : bool
        It predicts an attention cube: `attend` and `recognise` exist.
    pretrained : str or None
        Weights it is published with; the preset ``paper`` asks for them.
    closed_form : bool
        It is fitted by `fit`, not by gradient steps.
    guided : bool
        All modalities but the first only guide the attention.
    other_input : bool
        It may see smaller frames than its published weights were made for; the first fully
        connected layer, whose shape depends on that, is then learned from random weights.
    grey : bool
        It makes grey frames of color.
    """

    summary: str
    rows: str
    modalities: Literal["one", "several", "any"] = "one"
    attention: bool = False
    pretrained: Literal["imagenet", "vgg_face"] | None = None
    closed_form: bool = False
    guided: bool = False
    other_input: bool = False
    grey: bool = False

    @property
    def baseline(self) -> bool:
        """Whether its layers are another paper's: grey frames, or published weights."""
        return self.grey or self.pretrained is not None


FACTS: dict[Architecture, Facts] = {
    "mran": Facts(
        "recurrent attention guided by further modalities", "IV, VI", "several", True, guided=True
    ),
    "uran": Facts("recurrent attention, one modality", "IV, V, VII to X", "one", True),
    "cnn2d": Facts("the head in 2D, frame by frame, scores averaged", "V, VI row 1"),
    "cnn3d": Facts("the 3D-CNN head without attention", "V, VI row 2"),
    "no_attention": Facts("control: cnn3d under the name of what it controls for", ""),
    "spatial": Facts(
        "encoder and decoder without recurrence", "V, VI row 3", "any", True, guided=True
    ),
    "early_fusion": Facts("control: the 3D-CNN head on all channels stacked", "", "any"),
    "evidence": Facts("ours: each modality an estimate and its precision, added", "", "any"),
    "evidence_attended": Facts("ours: evidence under a recurrent attention map", "", "any", True),
    "khorrami_cnn": Facts("Khorrami's CNN, frame by frame", "VII, VIII, IX", grey=True),
    "khorrami_cnn_rnn": Facts(
        "Khorrami's CNN under a recurrent network", "VII, VIII, IX", grey=True
    ),
    "cnn_lstm": Facts("Khorrami's CNN under an LSTM", "VIII", grey=True),
    "vgg16": Facts("VGG-16 of ImageNet, frame by frame", "VII", pretrained="imagenet"),
    "resnet50": Facts("ResNet-50 of ImageNet, frame by frame", "VII", pretrained="imagenet"),
    "vgg_face": Facts("VGG-Face, frame by frame", "VII", pretrained="vgg_face"),
    "vgg_face_lstm": Facts(
        "VGG-Face under two LSTM layers", "VII", pretrained="vgg_face", other_input=True
    ),
    "affwildnet": Facts(
        "VGG-Face under two GRU layers", "VII", pretrained="vgg_face", other_input=True
    ),
    "lgbp_top_lstm": Facts("LGBP-TOP features under an LSTM", "VIII", grey=True),
    "lgbp_top_bilstm": Facts("LGBP-TOP features under a bidirectional LSTM", "VIII", grey=True),
    "ridge": Facts("control: ridge regression on mean crops", "", "any", closed_form=True),
}
