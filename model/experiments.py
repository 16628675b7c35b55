"""The tables and figures of the MRAN paper, and what it lacks, as named experiments.

Data only: which networks a table needs, what the paper prints beside them, and which controls it
lacks. Running them is `model.benchmark`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .catalogue import FACTS, Architecture
from .published import (
    TABLE_4,
    TABLE_5,
    TABLE_6,
    TABLE_7,
    TABLE_8,
    TABLE_9,
    TABLE_10,
    Published,
)

Kind = Literal["table", "agreement", "statistics", "attention", "traces", "curve"]
ALL = ("color", "depth", "thermal")
CLIP_LENGTHS = (4, 8, 16, 32)
"""Of Fig. 11, whose axis the text does not name."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One network of an experiment.

    Attributes
    ----------
    label : str
    architecture : str or None
        None: the paper's figure stands alone, there is nothing to train.
    modalities : tuple of str
    published : Published or None
    model, train : mapping
        Fields that differ from the scale's.
    control : bool
        The paper lacks this row.
    baseline : bool
        The row that the others are compared with, seed by seed.
    """

    label: str
    architecture: Architecture | None = None
    modalities: tuple[str, ...] = ("color",)
    published: Published | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    control: bool = False
    baseline: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """A table or figure.

    Attributes
    ----------
    name, title : str
    kind : str
        What is made of the runs.
    rows : tuple of Row
    categorical : bool
    knock_outs : bool
        Score every knock-out of every row beside the table.
    published_on : str
        Data set of the paper's figures.
    """

    name: str
    title: str
    kind: Kind
    rows: tuple[Row, ...] = ()
    categorical: bool = False
    knock_outs: bool = False
    published_on: str = "MAVFER"


def _modality_rows() -> tuple[Row, ...]:
    rows = [
        Row(
            " + ".join(names),
            "uran" if len(names) == 1 else "mran",
            names,
            published,
            baseline=names == ("color",),
        )
        for names, published in TABLE_4.items()
    ]
    controls = [
        Row("no attention, color", "no_attention", control=True),
        Row("early fusion, color + depth + thermal", "early_fusion", ALL, control=True),
    ]
    ridges = [Row(f"ridge, {' + '.join(names)}", "ridge", names, control=True) for names in TABLE_4]
    return (*rows, *controls, *ridges)


def _component_rows(
    published: Mapping[str, Published], full: Architecture, modalities: tuple[str, ...]
) -> tuple[Row, ...]:
    architectures: tuple[Architecture, ...] = ("cnn2d", "cnn3d", "spatial", full)
    return tuple(
        Row(
            label,
            architecture,
            modalities if FACTS[architecture].modalities != "one" else modalities[:1],
            published[label],
            baseline=architecture == "cnn3d",
        )
        for label, architecture in zip(published, architectures, strict=True)
    )


def _architecture_rows() -> tuple[Row, ...]:
    labels: dict[Architecture, str] = {
        "khorrami_cnn": "CNN (Khorrami et al.)",
        "vgg16": "VGG-16",
        "resnet50": "ResNet-50",
        "vgg_face": "VGG-Face",
        "khorrami_cnn_rnn": "CNN + RNN, 4 s (Khorrami et al.)",
        "vgg_face_lstm": "VGG-Face-LSTM",
        "affwildnet": "AffWildNet",
        "uran": "URAN",
    }
    rows = [
        Row(
            label,
            name,
            published=TABLE_7[name],
            model={"clip_length": 16} if "4 s" in label else {},
            baseline=name == "uran",
        )
        for name, label in labels.items()
    ]
    return (*rows, Row("ridge", "ridge", control=True))


def _recola_rows() -> tuple[Row, ...]:
    ours: dict[str, Row] = {
        "CNN": Row("", "khorrami_cnn"),
        "CNN + RNN (1 s)": Row("", "khorrami_cnn_rnn", model={"clip_length": 4}),
        "CNN + RNN (4 s)": Row("", "khorrami_cnn_rnn", model={"clip_length": 16}),
        "LGBP-TOP + LSTM": Row("", "lgbp_top_lstm"),
        "LGBP-TOP + Bi-LSTM": Row("", "lgbp_top_bilstm"),
        "LGBP-TOP + LSTM + ε-loss": Row("", "lgbp_top_lstm", train={"loss": "epsilon"}),
        "CNN + LSTM + ε-loss": Row("", "cnn_lstm", train={"loss": "epsilon"}),
        "URAN": Row("", "uran", baseline=True),
    }
    return _beside(TABLE_8, ours)


def _sewa_rows() -> tuple[Row, ...]:
    ours = {
        "CNN": Row("", "khorrami_cnn"),
        "CNN + RNN (4 s)": Row("", "khorrami_cnn_rnn", model={"clip_length": 16}),
        "URAN": Row("", "uran", baseline=True),
    }
    return _beside(TABLE_9, ours)


_PUBLISHED = {"upsampling": "deconvolution", "attention": "mean1", "initialisation": "xavier"}
_REPAIRS = {
    "bilinear upsampling": ("upsampling", "bilinear"),
    "standardised attention": ("attention", "standardise"),
    "He initialisation": ("initialisation", "he"),
}
"""What lets the attention branch learn, by name: field and value (docs/decisions/0061)."""


def _repair_rows(
    architecture: Architecture, modalities: tuple[str, ...], published: Published
) -> tuple[Row, ...]:
    """Return the branch as published, with each repair, with all, and with all but each.

    Every row names all three fields, so that it is the same network at any scale.
    """

    def row(label: str, *repairs: str, figures: Published | None = None, gain: float = 0.5) -> Row:
        fields = _PUBLISHED | dict(_REPAIRS[name] for name in repairs) | {"attention_gain": gain}
        train = {"initialisation": fields.pop("initialisation")}
        return Row(label, architecture, modalities, figures, fields, train, baseline=not repairs)

    names = tuple(_REPAIRS)
    return (
        row("as published", figures=published),
        *(row(f"{name} alone", name) for name in names),
        row("all three repairs", *names),
        row("repaired, attention uniform at first", *names, gain=0.0),
        *(row(f"without {out}", *(name for name in names if name != out)) for out in names),
    )


def _beside(published: Mapping[str, Published], ours: Mapping[str, Row]) -> tuple[Row, ...]:
    rows = []
    for label, figures in published.items():
        own = ours.get(label, Row(""))
        rows.append(
            Row(
                label,
                own.architecture,
                own.modalities,
                figures,
                own.model,
                own.train,
                baseline=own.baseline,
            )
        )
    return tuple(rows)


def _evidence_rows() -> tuple[Row, ...]:
    ours: dict[str, tuple[Architecture, dict[str, Any], dict[str, Any]]] = {
        "evidence": ("evidence", {}, {}),
        "evidence, with attention": ("evidence_attended", {}, {}),
        "evidence, no losses of their own": ("evidence", {}, {"own_weight": 0.0}),
        "evidence, no modality dropout": ("evidence", {"modality_dropout": 0.0}, {}),
        "evidence, no precision weights": ("evidence", {"precision_weights": False}, {}),
        "evidence, color as RGB": ("evidence", {"color_encoding": "rgb"}, {}),
    }
    opponent = {"color_encoding": "opponent"}
    return (
        Row("URAN, color", "uran", published=TABLE_4["color",]),
        Row("MRAN", "mran", ALL, TABLE_4[ALL], baseline=True),
        Row("early fusion", "early_fusion", ALL, control=True),
        Row("ridge", "ridge", ALL, control=True),
        *(
            Row(label, name, ALL, model=model, train=train)
            for label, (name, model, train) in ours.items()
        ),
        # What of it is the network, and what is how color is given.
        Row("MRAN, opponent colors", "mran", ALL, model=opponent),
        Row("early fusion, opponent colors", "early_fusion", ALL, model=opponent, control=True),
    )


_MRAN = Row("MRAN", "mran", ALL, TABLE_4[ALL])
_URAN = Row("URAN", "uran", published=TABLE_4["color",])
_TRACES = (Row("CNN (Khorrami et al.)", "khorrami_cnn"), _URAN)

EXPERIMENTS: dict[str, Experiment] = {
    each.name: each
    for each in (
        Experiment("table3", "Agreement of the raters", "agreement"),
        Experiment("table4", "Modalities", "table", _modality_rows(), knock_outs=True),
        Experiment(
            "table5",
            "Components of URAN",
            "table",
            _component_rows(TABLE_5, "uran", ("color",)),
            knock_outs=True,
            published_on="RECOLA",
        ),
        Experiment(
            "table6",
            "Components of MRAN",
            "table",
            _component_rows(TABLE_6, "mran", ALL),
            knock_outs=True,
        ),
        Experiment("table7", "Architectures on color", "table", _architecture_rows()),
        Experiment("table8", "RECOLA", "table", _recola_rows(), published_on="RECOLA"),
        Experiment("table9", "SEWA", "table", _sewa_rows(), published_on="SEWA"),
        Experiment(
            "table10",
            "Categories",
            "table",
            _beside(TABLE_10, {"URAN": Row("", "uran", baseline=True)}),
            categorical=True,
            published_on="AFEW",
        ),
        Experiment("fig7", "Frames in each video", "statistics"),
        Experiment("fig8", "Distribution of arousal and valence", "statistics"),
        Experiment("fig9", "Histograms of arousal and valence", "statistics"),
        Experiment("fig10", "Attention of MRAN", "attention", (_MRAN,)),
        Experiment(
            "fig11",
            "Length of the clips",
            "curve",
            tuple(
                Row(f"T = {length}", "mran", ALL, model={"clip_length": length})
                for length in CLIP_LENGTHS
            ),
        ),
        Experiment("fig12", "Traces of CNN and URAN", "traces", _TRACES),
        Experiment("fig13", "Attention of URAN", "attention", (_URAN,), published_on="RECOLA"),
        Experiment("fig14", "Traces of URAN", "traces", (_URAN,), published_on="RECOLA"),
        Experiment("fig15", "Traces of URAN", "traces", (_URAN,), published_on="SEWA"),
        Experiment(
            "repairs",
            "Repairs of the attention branch, MRAN",
            "table",
            _repair_rows("mran", ALL, TABLE_4[ALL]),
            knock_outs=True,
        ),
        Experiment(
            "repairs-uran",
            "Repairs of the attention branch, URAN on color",
            "table",
            _repair_rows("uran", ("color",), TABLE_4["color",]),
            knock_outs=True,
        ),
        Experiment(
            "evidence",
            "Depth and thermal as evidence, beyond the paper",
            "table",
            _evidence_rows(),
            knock_outs=True,
        ),
    )
}
