"""A card beside every checkpoint: what it learned from, what it scored, what it is not for.

Sections as proposed by Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from capture.files import write_text_atomic
from mavfer.consent import PURPOSES, refusal
from mavfer.splits import SPLITS
from mavfer.store import ClipStore

from .checkpoint import CheckpointInfo
from .run_folder import MODEL_CARD, RunFolder
from .scores import Scores

_PURPOSES = {
    "train": "used inside the laboratory",
    "share": "given to others",
    "publish": "pictures shown to anyone",
}
_DEVIATIONS = {
    "small": "Preset small: narrow layers, small crops and a training that differ from the paper's "
    "on purpose. Its figures say that the method learns, not how well the paper's network does.",
    "recommended": "Preset recommended: the paper's size; attention, normalisation and "
    "initialisation differ from it.",
    "paper": "Preset paper: the paper's network and hyper-parameters, where it leaves no choice.",
}
_INTENDED = """\
Research on dimensional affect (valence and arousal, as raters perceive it) in faces recorded as
the training data were: one person, seated, frontal, with the same cameras and the same way of
rating. Comparing methods on the same people. Nothing else has been tested."""
_LIMITS = """\
- It predicts what raters see in a face, not what a person feels. People smile without joy.
- It has learned the raters and the people named above. Other ages, skin tones, cultures, glasses,
  beards, illnesses of the face and other cameras are not covered unless they are among them.
- Scores of a few people are mostly about who they are; look at the worst subject, not the mean.
- A clip gets one score: what is shorter than a clip (4 s at 4 Hz) is not resolved.
- Features come from the first modality alone; others guide attention. With color in the dark there
  is little to recognise from."""
_NOT_FOR = """\
Decisions about people: hiring, schooling, insurance, policing, border control, medical or
psychological diagnosis, lie detection, monitoring at work or in class, advertising. In the European
Union, inferring emotions at workplaces and in education is prohibited except for medical or safety
reasons, and other emotion recognition is high-risk (Regulation (EU) 2024/1689, Art. 5(1)(f) and
Annex III). Watching people who have not agreed to it."""


def write_model_card(run: Path, store: ClipStore, info: CheckpointInfo) -> Path:
    """Write the card of the run's checkpoint, anew where there is one; return its path.

    Parameters
    ----------
    run : Path
        Run folder.
    store : ClipStore
        That it was trained on.
    info : CheckpointInfo
        Of the checkpoint.
    """
    path = run / MODEL_CARD
    write_text_atomic(path, model_card(run, store, info), overwrite=True)
    return path


def model_card(run: Path, store: ClipStore, info: CheckpointInfo) -> str:
    """Compose the card as Markdown."""
    model, train = info.model, info.train
    name = f"{model.architecture} {' + '.join(model.modalities)}"
    n_frames = sum(video.n_frames for video in store.videos.values())
    parts = [
        f"# Model card: {name}",
        f"Predicts {' and '.join(model.outputs)} of a face from clips of {model.clip_length} "
        f"frames. {_DEVIATIONS.get(info.preset, '')}",
        "## Model",
        _table(
            ("", ""),
            [
                ("network", f"{model.architecture} ({model.facts.summary})"),
                ("input", f"{', '.join(model.modalities)}, {model.input_px}x{model.input_px} px"),
                ("attention", model.attention if model.facts.attention else "none"),
                ("configuration", "config.json beside this file"),
                ("weights of step", f"{info.step} of {train.max_steps}, seed {train.seed}"),
                ("software", f"mavfer {info.software_version}"),
            ],
        ),
        "## Data",
        f"{store.path.name}, fingerprint `{info.store_fingerprint}`: {len(store.videos)} videos, "
        f"{n_frames} frames, {store.rate_hz or 'native'} Hz, crops of {store.crop_px} px. "
        f"Checkpoint chosen on {', '.join(info.validation_subjects) or 'nobody'}.",
        _table(("split", "people", "videos", "frames"), _splits(store)),
        *_consent(store),
        "## Scores",
        *_scores(run, info),
        "## Intended use",
        _INTENDED,
        "## Limits",
        _LIMITS,
        "## Not for",
        _NOT_FOR,
    ]
    return "\n\n".join(parts) + "\n"


def _splits(store: ClipStore) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for split in SPLITS:
        members = [video for video in store.videos.values() if video.split == split]
        people = len({video.subject for video in members})
        rows.append((split, people, len(members), sum(video.n_frames for video in members)))
    return rows


def _consent(store: ClipStore) -> list[str]:
    today = date.today()  # noqa: DTZ011 - the subject's calendar day
    videos = list(store.videos.values())
    rows: list[tuple[object, ...]] = []
    for purpose in PURPOSES:
        agreed = [v for v in videos if refusal(v.consent, purpose, today=today) is None]
        people = len({v.subject for v in agreed})
        rows.append((f"{purpose}: {_PURPOSES[purpose]}", people, len(agreed)))
    ends = sorted({v.consent.until for v in videos if v.consent and v.consent.until})
    built = store.provenance.get("purpose")
    lines = [
        "### Consent",
        f"The store was built for: {built or 'no purpose named'}. Today its people agree to:",
        _table(("purpose", "people", "videos"), rows),
    ]
    without = sum(video.consent is None for video in videos)
    if without:
        lines.append(
            f"{without} videos come without consent on record (films): their licence is their "
            "users' duty."
        )
    if ends:
        lines.append(f"The first consent ends on {ends[0]}: weights learned from it go, too.")
    return lines


def _scores(run: Path, info: CheckpointInfo) -> list[str]:
    kept = [line for line in RunFolder(run).metrics() if line["step"] == info.step]
    parts = []
    if kept and kept[-1]["validation"]:
        parts += ["Validation clips, by which the weights were chosen:"]
        parts.append(_score_table(kept[-1]["validation"]))
    else:
        parts.append("There was no validation: these are the last weights.")
    found = _evaluation(run, info)
    if found is None:
        parts.append("Not evaluated on the test split yet: `mavfer-evaluate RUN --store STORE`.")
        return parts
    parts.append(
        f"Test split, {found['n_subjects']} people, all frames pooled (evaluation/test has more):"
    )
    parts.append(_score_table({o: entry["pooled"] for o, entry in found["outputs"].items()}))
    for output, entry in found["outputs"].items():
        ccc = {who: s.get("ccc") for who, s in entry["subjects"].items()}
        known = {who: value for who, value in ccc.items() if value is not None}
        if known:
            worst = min(known, key=lambda who: known[who])
            best = max(known, key=lambda who: known[who])
            parts.append(
                f"{output}: worst subject {worst} (CCC {known[worst]:.3f}), best {best} "
                f"({known[best]:.3f})."
            )
        for group, table in entry["groups"].items():
            each = ", ".join(
                f"{name} {s['ccc']:.3f}" for name, s in table.items() if s.get("ccc") is not None
            )
            if each:
                parts.append(f"{output}, CCC by {group}: {each}.")
    return parts


def _evaluation(run: Path, info: CheckpointInfo) -> Mapping[str, Any] | None:
    path = run / "evaluation" / "test" / "metrics.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["step"] != info.step or found["trained_on"] != info.store_fingerprint:
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _score_table(outputs: Mapping[str, Scores]) -> str:
    names = ("rmse", "cc", "ccc", "accuracy", "uar", "n")
    shown = [n for n in names if any(n in scores for scores in outputs.values())]
    rows = [
        (output, *(_number(scores.get(name)) for name in shown))
        for output, scores in outputs.items()
    ]
    return _table(("", *(name.upper() if len(name) < 5 else name for name in shown)), rows)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
