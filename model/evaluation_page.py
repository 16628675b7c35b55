"""The page of an evaluation: what was found, where it holds, and how it came about."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from capture.report_page import Page

from .scores import Scores

_FEW_SUBJECTS = 5
_NO_DIFFERENCE = 0.02
_MOST_VIDEOS = 60
_KNOCK_OUT_MEANS = {
    "guides=shuffle": "every clip gets the guides of another clip",
    "guides=zero": "guides say nothing",
    "attention=mean": "every clip gets the average map",
    "attention=uniform": "no pixel is preferred",
}


def evaluation_page(summary: Mapping[str, Any], title: str, pictures: Mapping[str, Path]) -> str:
    """Compose the page from ``metrics.json`` and the pictures beside it.

    Parameters
    ----------
    summary : mapping
        `model.results.summarise`.
    title : str
    pictures : mapping of kind to Path
        PNG and MP4 files that are embedded.
    """
    page = Page(title, _lead(summary))
    if summary["n_subjects"] < _FEW_SUBJECTS and not summary.get("film"):
        page.paragraph(
            f"{summary['n_subjects']} people were scored. With so few, a score is mostly about who "
            "they are: compare runs on the same people, and over several seeds.",
            note=True,
        )
    if private := summary.get("shown_without_consent_to_publish"):
        page.paragraph(
            f"This page shows the faces of {', '.join(private)}, who have not agreed to pictures "
            "being published: keep it inside the laboratory.",
            note=True,
        )
    labelled = any(entry["pooled"]["n"] for entry in summary["outputs"].values())
    if labelled:
        _scores(page, summary)
    if "traces" in pictures:
        page.section(
            "Traces",
            "Red: gold. Blue: predicted. Frames that have no prediction of their own are left out "
            "of the curves; they are interpolated in the scores.",
        )
        page.picture(pictures["traces"], "Gold and predicted traces, a panel a subject.")
    if "confusion" in pictures:
        page.section("Confusion", "Videos by their category and by the one predicted.")
        page.picture(pictures["confusion"], "Rows: gold; columns: predicted.")
    if labelled:
        _people(page, summary)
        _groups(page, summary)
    _attention(page, summary, pictures)
    _controls(page, summary)
    if labelled:
        _videos(page, summary)
    _method(page, summary)
    return page.render()


def _lead(summary: Mapping[str, Any]) -> str:
    lines = f"{summary['n_frames']} frames of {summary['n_videos']} videos of "
    lines += f"{summary['n_subjects']} people. "
    for output, entry in summary["outputs"].items():
        pooled = entry["pooled"]
        if not pooled["n"]:
            lines += f"{output.capitalize()}: there are no labels. "
        elif "accuracy" in pooled:
            lines += f"Accuracy {_shown(pooled['accuracy'])}. "
        else:
            lines += f"{output.capitalize()}: CCC {_shown(pooled['ccc'])}. "
    return lines.strip()


def _scores(page: Page, summary: Mapping[str, Any]) -> None:
    page.section("Scores")
    for output, entry in summary["outputs"].items():
        if "accuracy" in entry["pooled"]:
            pooled = entry["pooled"]
            page.table(
                ["", "accuracy", "recall, mean over categories", "videos"],
                [[output, _shown(pooled["accuracy"]), _shown(pooled["uar"]), pooled["n"]]],
            )
            continue
        rows = [_row("all frames pooled", entry["pooled"]), _spread_row(entry)]
        if after := entry.get("post_processed"):
            rows.append(_row("post-processed, pooled", after["pooled"]))
            rows.append(_spread_row(after, "post-processed, mean ± sd over videos"))
        page.table([output, "RMSE", "CC", "CCC", "n"], rows)
        if intervals := entry["ccc_interval"]:
            told = "; ".join(
                f"{name} {_shown(each['low'])} to {_shown(each['high'])}"
                for name, each in intervals.items()
            )
            page.paragraph(f"95 % intervals of CCC, the people drawn anew 1000 times: {told}.")
        if not entry["video_mean"]["n"]:
            page.paragraph("No video is longer than a clip: there is no mean over videos.")
    if left := summary["videos_left_out"]:
        page.paragraph(
            f"Not scored, because they are shorter than a clip or show no face: {', '.join(left)}.",
            note=True,
        )
    chain = summary.get("post_processing")
    if chain and chain["fitted_on_scored_subjects"]:
        page.paragraph(
            "Post-processing was fitted on people who are scored here, so the post-processed "
            "figures are optimistic.",
            note=True,
        )


def _people(page: Page, summary: Mapping[str, Any]) -> None:
    page.section("By subject", "All frames of a person together.")
    _table(page, summary, lambda entry: entry["subjects"], "subject")


def _groups(page: Page, summary: Mapping[str, Any]) -> None:
    first = next(iter(summary["outputs"].values()))
    for group in first["groups"]:
        page.section(f"By {group}", f"All frames of one {group} together.")
        _table(page, summary, lambda entry, group=group: entry["groups"][group], group)


def _table(page: Page, summary: Mapping[str, Any], pick: Any, name: str) -> None:
    for output, entry in summary["outputs"].items():
        rows = pick(entry)
        if not rows:
            continue
        if "accuracy" in next(iter(rows.values())):
            page.table(
                [name, "accuracy", "n"],
                [[key, _shown(scores["accuracy"]), scores["n"]] for key, scores in rows.items()],
            )
        else:
            header = [f"{name}, {output}", "RMSE", "CC", "CCC", "n"]
            page.table(header, [_row(key, scores) for key, scores in rows.items()])


def _attention(page: Page, summary: Mapping[str, Any], pictures: Mapping[str, Path]) -> None:
    if summary["attention_contrast"] is None:
        return
    between = summary["attention_between_clips"]
    page.section(
        "Attention",
        "How much each pixel is looked at; 1 is as much as everywhere. "
        f"Over the pixels of a map the sd is {_shown(summary['attention_contrast'])}; between "
        f"clips a pixel varies by {_shown(between)}.",
    )
    if between is not None and between < _NO_DIFFERENCE:
        page.paragraph(
            "Every clip gets nearly the same map: what is shown is a fixed mask, not a response to "
            "the face.",
            note=True,
        )
    if regions := summary.get("attention_regions"):
        page.table(
            ["region, by the landmarks of each frame", "attention"],
            [[name, _shown(value)] for name, value in regions.items()],
        )
    if "attention" in pictures:
        page.picture(
            pictures["attention"],
            "A video of each of a few people: face and attention over time. Above each face the "
            "prediction, gold in brackets.",
        )
    if "film" in pictures:
        page.film(pictures["film"], "The same videos as a film, with their traces.")


def _controls(page: Page, summary: Mapping[str, Any]) -> None:
    controls = summary.get("controls")
    if not controls:
        return
    page.section(
        "What the network uses",
        "The same weights with one thing spoiled. Where the score stays, the network does not use "
        "it at test time; a difference between two trained networks alone does not tell.",
    )
    for output, entry in summary["outputs"].items():
        key = "accuracy" if "accuracy" in entry["pooled"] else "ccc"
        whole = entry["pooled"][key]
        rows: list[Sequence[object]] = [["as trained", _shown(whole), ""]]
        for name, scores in controls.items():
            value = scores[output][key]
            change = "–" if value is None or whole is None else f"{value - whole:+.3f}"
            means = _KNOCK_OUT_MEANS.get(name) or _meaning(name)
            rows.append([f"{name}: {means}", _shown(value), change])
        page.table([output, key.upper(), "change"], rows)


def _meaning(name: str) -> str:
    modality, _, way = name.partition("=")
    return f"{modality} says nothing" if way == "blank" else f"{modality} of another clip"


def _videos(page: Page, summary: Mapping[str, Any]) -> None:
    if summary["n_videos"] > _MOST_VIDEOS:
        return
    page.section(
        "By video",
        "A short video with a nearly constant label has no meaningful CCC of its own.",
    )
    _table(page, summary, lambda entry: entry["videos"], "video")


def _method(page: Page, summary: Mapping[str, Any]) -> None:
    page.section(
        "How it came about",
        "Clips overlap by half, the last one of a video is shifted back to its end, and a frame "
        "gets the mean over the clips that hold it. CC and CCC use population moments. "
        f"{summary['n_frames_interpolated']} of {summary['n_frames']} frames have no prediction of "
        f"their own and were interpolated, {summary['n_frames_without_face']} of them because no "
        f"face was found; {summary['n_clips_without_face']} clips without enough faces were left "
        "out.",
    )
    chain = summary.get("post_processing")
    if chain:
        page.paragraph(
            "Post-processing (median, centring, scaling about the mean, no time shift) was fitted "
            f"on {', '.join(chain['subjects'])}; a step is kept only where CCC rises there."
        )
        page.table(
            ["output", "median, s", "shift", "scale"],
            [
                [name, f"{c['window_s']:g}", f"{c['shift']:+.3f}", f"{c['scale']:.3f}"]
                for name, c in chain["outputs"].items()
            ],
        )
    keys = ("checkpoint", "model", "preset", "seed", "step", "trained_on", "store", "split")
    page.table(
        ["", ""],
        [[key.replace("_", " "), summary[key]] for key in keys if summary.get(key) is not None],
    )


def _row(name: str, scores: Scores) -> list[object]:
    return [name, *(_shown(scores[key]) for key in ("rmse", "cc", "ccc")), scores["n"]]


def _spread_row(entry: Mapping[str, Scores], name: str = "mean ± sd over videos") -> list[object]:
    mean, spread = entry["video_mean"], entry["video_sd"]
    cells: list[object] = [name]
    for key in ("rmse", "cc", "ccc"):
        known = mean.get(key) is not None
        cells.append(f"{_shown(mean[key])} ± {_shown(spread[key])}" if known else "–")
    return [*cells, mean["n"]]


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
