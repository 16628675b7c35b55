"""A card beside every checkpoint: what it learned from, what it scored, what it is not for.

Sections as proposed by Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

from datetime import date
from pathlib import Path

from capture.files import write_text_atomic
from mavfer.consent import PURPOSES, refusal
from mavfer.splits import SPLITS
from mavfer.store import ClipStore

from .card_scores import ScoredSplit, markdown_table, read_scored, score_lines
from .card_statements import intended_use, limits, origin, predicted, weights_of
from .checkpoint import CheckpointInfo
from .run_folder import MODEL_CARD

_PURPOSES = {
    "train": "used inside the laboratory",
    "share": "given to others",
    "publish": "pictures shown to anyone",
}
_NOT_FOR = """\
Decisions about people: hiring, schooling, insurance, policing, border control, medical or
psychological diagnosis, lie detection, monitoring at work or in class, advertising. In the European
Union, inferring emotions at workplaces and in education is prohibited except for medical or safety
reasons, and other emotion recognition is high-risk (Regulation (EU) 2024/1689, Art. 5(1)(f) and
Annex III). Watching people who have not agreed to it."""


def write_model_card(
    run: Path, store: ClipStore, info: CheckpointInfo, *, test: ScoredSplit | None = None
) -> Path:
    """Write the card of the run's checkpoint, anew where there is one; return its path.

    Parameters
    ----------
    run : Path
        Run folder.
    store : ClipStore
        That it was trained on.
    info : CheckpointInfo
        Of the checkpoint.
    test : ScoredSplit, optional
        What it scored on the test split; by default what ``mavfer-evaluate`` left in the folder.
    """
    path = run / MODEL_CARD
    write_text_atomic(path, model_card(run, store, info, test=test), overwrite=True)
    return path


def model_card(
    run: Path, store: ClipStore, info: CheckpointInfo, *, test: ScoredSplit | None = None
) -> str:
    """Compose the card as Markdown."""
    model = info.model
    name = f"{model.architecture} {' + '.join(model.modalities)}"
    n_frames = sum(video.n_frames for video in store.videos.values())
    parts = [
        f"# Model card: {name}",
        f"Predicts {predicted(model)} of a face from clips of {model.clip_length} frames. "
        f"{origin(info)}",
        "## Model",
        markdown_table(
            ("", ""),
            [
                ("network", f"{model.architecture} ({model.facts.summary})"),
                ("input", f"{', '.join(model.modalities)}, {model.input_px}x{model.input_px} px"),
                ("attention", model.attention if model.facts.attention else "none"),
                ("configuration", "config.json beside this file"),
                ("weights", weights_of(info)),
                ("software", f"mavfer {info.software_version}"),
            ],
        ),
        "## Data",
        f"{store.path.name}, fingerprint `{info.store_fingerprint}`: {len(store.videos)} videos, "
        f"{n_frames} frames, {store.rate_hz or 'native'} Hz, crops of {store.crop_px} px. "
        f"Checkpoint chosen on {', '.join(info.validation_subjects) or 'nobody'}.",
        markdown_table(("split", "people", "videos", "frames"), _splits(store)),
        *_consent(store),
        "## Scores",
        *score_lines(run, info, test or read_scored(run, info)),
        "## Intended use",
        intended_use(model, store),
        "## Limits",
        limits(info),
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
        markdown_table(("purpose", "people", "videos"), rows),
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
