"""The statistics of a data set as a folder: JSON, figures and one page that shows them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from capture.report_page import Page
from capture.terminal import OnProgress

from ..derived import DERIVED_MARK
from ..output_folder import output_folder
from ..splits import SPLITS
from ..store import ClipStore
from .figures import draw_all
from .measure import measure

JSON_NAME, PAGE_NAME = "statistics.json", "index.html"
_MOST_ROWS = 500
FIGURES = {
    "frames-per-video": "Frames of every video, by split (the paper's Fig. 7).",
    "label-distribution": "How often which pair of valence and arousal occurs (Fig. 8).",
    "label-histograms": "Histograms of arousal and valence, stacked by split (Fig. 9).",
    "class-balance": "Classes in every split: emotions where videos have them, else quadrants.",
    "missing-frames": "Rows with a face, and why the others have none.",
}

Facts = Mapping[str, Any]


def write_statistics(
    store: ClipStore,
    folder: Path,
    *,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """Write the folder, the page last: with it, all is there; return the statistics.

    Raises
    ------
    OutputExistsError
        `folder` holds statistics and `overwrite` is false.
    """
    names = (
        JSON_NAME,
        PAGE_NAME,
        *(f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")),
    )
    with output_folder(folder, names=names, last=PAGE_NAME, overwrite=overwrite) as made:
        facts = measure(store, on_progress=on_progress)
        text = json.dumps({"generator": DERIVED_MARK, **facts}, indent=1, allow_nan=False)
        (made / JSON_NAME).write_text(text + "\n", encoding="utf-8")
        figures = draw_all(facts, made)
        page = _page(facts, figures).render()
        marked = page.replace(
            "<head>", f'<head><meta name="generator" content="{DERIVED_MARK}">', 1
        )
        (made / PAGE_NAME).write_text(marked, encoding="utf-8")
    return facts


def _page(facts: Facts, figures: Mapping[str, Path]) -> Page:
    store = facts["store"]
    page = Page(
        f"{store['name']}: statistics",
        f"Made from the clip store with the fingerprint {store['fingerprint'][:16]}… Made anew "
        "when the store changes: mavfer stats.",
    )
    _data_set(page, facts)
    _labels(page, facts, figures)
    _agreement(page, facts)
    _missing(page, facts, figures)
    return page


def _data_set(page: Page, facts: Facts) -> None:
    about = facts["data_set"]
    span = about["duration_s"]
    page.section("The data set", "The columns of the paper's Table II that data can tell.")
    page.table(
        ["subjects", "annotation type", "amount of data", "data type", "frames", "rate"],
        [
            [
                about["subjects"],
                ", ".join(about["annotation_type"]) or "none",
                f"{about['videos']} videos of {_time(span['shortest'])} to "
                f"{_time(span['longest'])}, {_time(span['total'])} in all",
                " + ".join(about["data_type"]),
                about["frames"],
                f"{about['rate_hz']:g} Hz" if about["rate_hz"] else "native",
            ]
        ],
    )
    page.table(
        ["split", "subjects", "videos", "frames"],
        [[s, *(about["splits"][s][k] for k in ("subjects", "videos", "frames"))] for s in SPLITS],
    )


def _labels(page: Page, facts: Facts, figures: Mapping[str, Path]) -> None:
    page.section("Labels")
    columns = ("frames", "mean", "std", "min", "max", "percent_positive")
    rows = [[d, *(_shown(facts["labels"][d][c]) for c in columns)] for d in ("arousal", "valence")]
    page.table(["dimension", "frames", "mean", "deviation", "least", "most", "% positive"], rows)
    for name in ("frames-per-video", "label-distribution", "label-histograms", "class-balance"):
        if name in figures:
            page.picture(figures[name], FIGURES[name])
    balance = facts["balance"]
    counts = balance["categories"] if any(balance["categories"].values()) else balance["quadrants"]
    names = list(dict.fromkeys(name for split in SPLITS for name in counts[split]))
    if any(sum(counts[split].values()) for split in SPLITS):
        page.table(
            ["split", *names], [[s, *(counts[s].get(name, 0) for name in names)] for s in SPLITS]
        )


def _agreement(page: Page, facts: Facts) -> None:
    page.section(
        "Agreement of the raters",
        "The columns of the paper's Table III: gold labels above zero after every video's mean is "
        "taken out, mean correlation of pairs of raters within videos, Cronbach's alpha of "
        "zero-mean ratings within teams.",
    )
    if not facts["agreement"]:
        page.paragraph(
            "The store holds no traces of single raters: build it with --raters.", note=True
        )
        return
    page.table(
        ["dimension", "% pos.", "corr.", "alpha", "CCC", "corr. across videos", "pairs"],
        [
            [
                each["dimension"],
                _shown(facts["labels"][each["dimension"]]["percent_positive_zero_mean"]),
                *(_shown(each[k]) for k in ("correlation", "alpha", "ccc")),
                _shown(each["correlation_across_sessions"]),
                each["pairs"],
            ]
            for each in facts["agreement"]
        ],
    )


def _missing(page: Page, facts: Facts, figures: Mapping[str, Path]) -> None:
    missing = facts["missing"]
    shares = ", ".join(f"{n} {p:.1f} %" for n, p in missing["valid_percent"].items())
    why = ", ".join(f"{reason} {n}" for reason, n in missing["by_reason"].items())
    flags = ", ".join(f"{n.replace('_', ' ')} {k}" for n, k in missing["flags"].items() if k)
    page.section(
        "Missing frames",
        f"Valid of {missing['frames']} rows: {shares}. Without a face: "
        f"{missing['faces_missing']}{f' ({why})' if why else ''}; longest gap "
        f"{missing['longest_gap_s']:.1f} s.{f' Flagged: {flags}.' if flags else ''}",
    )
    if "missing-frames" in figures:
        page.picture(figures["missing-frames"], FIGURES["missing-frames"])
    names = list(missing["valid_percent"])
    rows = [
        [
            name,
            video["subject"],
            video["split"],
            video["frames"],
            *(_percent(video["valid_frames"][n], video["frames"]) for n in names),
            f"{video['longest_gap_s']:.1f}",
            sum(video["labelled_frames"].values()) // 2,
        ]
        for name, video in list(facts["videos"].items())[:_MOST_ROWS]
    ]
    valid = [f"{name} %" for name in names]
    page.table(["video", "subject", "split", "rows", *valid, "longest gap, s", "labels"], rows)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "–"


def _shown(value: float | None) -> object:
    return "–" if value is None else value


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
