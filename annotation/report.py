"""The page on a set of ratings: do the raters agree, what do the labels look like, what is odd."""

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from capture.files import OutputExistsError, write_text_atomic
from capture.report_page import Page
from capture.terminal import OnProgress

from .agreement_report import DimensionAgreement, describe_agreement
from .gold import Gold, count_values
from .mark import DERIVED_MARK
from .quality import QualityRules, flag_trace
from .report_figures import (
    FANS_A_FIGURE,
    distribution_figure,
    fan_figure,
    frames_figure,
    histogram_figure,
    pairs_figure,
)
from .report_tables import agreement_table, listed, raters_table, sessions_table, table_3
from .sources import Ratings, key_of
from .strict_csv import NS_PER_S
from .trace import DIMENSIONS, Trace

MAX_FANS = 40
MAX_LISTED = 60
OnStep = Callable[[], None]


def write_report(
    path: Path,
    ratings: Ratings,
    gold: Gold,
    *,
    rate_hz: float = 10.0,
    n_resamples: int = 1000,
    title: str = "Ratings",
    commands: Sequence[str] = (),
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> tuple[DimensionAgreement, ...]:
    """Write one self-contained HTML page, whole or not at all.

    Parameters
    ----------
    path : Path
    ratings : Ratings
    gold : Gold
        Made of `ratings`.
    rate_hz : float
        Moments a second at which raters are compared.
    n_resamples : int
        For the intervals over sessions.
    title : str
    commands : sequence of str
        How to make the page again.
    overwrite : bool
    on_progress : callable, optional

    Returns
    -------
    tuple of DimensionAgreement
        What the page says.
    """
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"{path} exists already", remedy="choose another output or pass --overwrite"
        )
    fans = _choose_fans(ratings)
    steps = 5 + math.ceil(len(fans) / FANS_A_FIGURE)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_progress:
            on_progress(done, steps)

    agreements = describe_agreement(
        ratings.traces,
        rate_hz=rate_hz,
        max_gap_s=gold.options.max_gap_s,
        teams=ratings.teams,
        n_resamples=n_resamples,
    )
    step()
    by_name = {each.dimension: each for each in agreements}
    # as in Table III
    ordered = [by_name[name] for name in DIMENSIONS[::-1] if name in by_name]
    page = Page(title, _lead(ratings, gold))
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder)
        table_3(page, ordered)
        _distribution(page, ratings, gold, pictures, step)
        _fans(page, ratings, gold, fans, pictures, step)
        agreement_table(page, ordered)
        _pairs(page, ratings, ordered, pictures, step)
    raters_table(page, ordered, ratings)
    sessions_table(page, ordered)
    _quality(page, ratings)
    _fusion(page, gold)
    _definitions(page, rate_hz, n_resamples)
    if commands:
        page.commands(commands)
    meta = f'<meta name="generator" content="{DERIVED_MARK}">'
    write_text_atomic(
        path, page.render().replace("<title>", f"{meta}<title>", 1), overwrite=overwrite
    )
    return agreements


def _lead(ratings: Ratings, gold: Gold) -> str:
    n_values = sum(len(trace) for trace in ratings.traces)
    minutes = sum(
        (int(each.time_ns[-1]) - int(each.time_ns[0])) / NS_PER_S / 60
        for each in gold.labels.sessions.values()
    )
    teams = sorted(set(ratings.teams.values()))
    return (
        f"{len(ratings.raters)} raters"
        + (f" in {len(teams)} teams" if len(teams) > 1 else "")
        + f", {len(ratings.sessions)} sessions, {minutes:.1f} minutes, "
        f"{len(ratings.traces)} traces with {n_values} values."
    )


def _distribution(page: Page, ratings: Ratings, gold: Gold, pictures: Path, step: OnStep) -> None:
    page.section("What the labels look like")
    joint, shares, counts = (pictures / f"{name}.png" for name in ("joint", "shares", "counts"))
    distribution_figure(gold.labels, joint)
    step()
    histogram_figure(gold.labels, ratings.traces, shares, scale=ratings.scale)
    step()
    frames_figure(gold.labels, counts)
    step()
    page.picture(joint, "Gold labels over all frames, on the raters' scale (as Figure 8).")
    page.picture(shares, "Share of each value, gold labels and single ratings (as Figure 9).")
    page.picture(counts, "Labelled moments of each session (as Figure 7).")


def _fans(
    page: Page, ratings: Ratings, gold: Gold, fans: Sequence[str], pictures: Path, step: OnStep
) -> None:
    n_sessions = len(ratings.sessions)
    page.section(
        "Every rater's trace",
        "Thin: raters; thick: the gold label; shaded: one standard deviation of the raters."
        + (
            f" Of {n_sessions} sessions the {len(fans)} on which raters differ most."
            if len(fans) < n_sessions
            else ""
        ),
    )
    for start in range(0, len(fans), FANS_A_FIGURE):
        shown = fans[start : start + FANS_A_FIGURE]
        figure = pictures / f"fan-{start}.png"
        fan_figure(shown, ratings.traces, gold.labels, figure, scale=ratings.scale)
        page.picture(figure, f"{', '.join(shown)}.")
        step()


def _pairs(
    page: Page,
    ratings: Ratings,
    agreements: Sequence[DimensionAgreement],
    pictures: Path,
    step: OnStep,
) -> None:
    tables = []
    for each in agreements:
        raters = sorted({name for pair in each.pairs for name in (pair.first, pair.second)})
        if not raters:
            continue
        summed, weight = np.zeros((2, len(raters), len(raters)))
        for pair in each.pairs:
            if math.isfinite(pair.ccc):
                i, j = raters.index(pair.first), raters.index(pair.second)
                for at in ((i, j), (j, i)):
                    summed[at] += pair.ccc * pair.n_moments
                    weight[at] += pair.n_moments
        mean = np.divide(summed, weight, out=np.full_like(summed, np.nan), where=weight > 0)
        tables.append((each.dimension, raters, mean))
    if tables and len(tables[0][1]) > 1:
        figure = pictures / "pairs.png"
        pairs_figure(tables, figure)
        page.picture(figure, "Mean CCC of every two raters within sessions; blank: none together.")
    step()


def _quality(page: Page, ratings: Ratings) -> None:
    rules = QualityRules()
    page.section(
        "What looks odd",
        f"Late starts (over {rules.max_start_s:g} s), gaps (over {rules.max_gap_s:g} s), sliders "
        f"that stand still (over {rules.max_still_s:g} s, or throughout) or race across the "
        "scale. A flag is a question to the rater, no verdict.",
    )
    rows: list[list[object]] = []
    for trace in ratings.traces:
        moved, duration_ns = _since_first_frame(trace, ratings)
        for flag in flag_trace(moved, duration_ns=duration_ns, scale=ratings.scale, rules=rules):
            rows.append([trace.session, trace.rater, trace.dimension, flag.text])
    if not rows:
        page.paragraph("Nothing.")
        return
    page.table(["session", "rater", "dimension", "sign"], rows[:MAX_LISTED])
    if len(rows) > MAX_LISTED:
        page.paragraph(f"… and {len(rows) - MAX_LISTED} more.")


def _since_first_frame(trace: Trace, ratings: Ratings) -> tuple[Trace, int | None]:
    """Count a project's ratings from the video's first frame, which raters start at."""
    frames = ratings.frames.get(key_of(trace))
    if frames is None:
        return trace, None
    start_ns = int(frames.time_ns[0])
    moved = Trace(
        trace.session, trace.rater, trace.dimension, trace.time_ns - start_ns, trace.value
    )
    return moved, int(frames.time_ns[-1]) - start_ns


def _fusion(page: Page, gold: Gold) -> None:
    options = gold.options
    counts = count_values(gold.reports)
    page.section(
        "How the labels were made",
        f"Method: {gold.labels.provenance['method']}. Lag taken out: {options.lag_s:g} s."
        + (f" Gaps over {options.max_gap_s:g} s are left open." if options.max_gap_s else ""),
        f"Of the raters' values behind the labels {counts['n_rated']} were said at that moment, "
        f"{counts['n_interpolated']} interpolated between two ratings, {counts['n_held']} held at "
        f"an edge, {counts['n_missing']} missing.",
    )
    if gold.lags:
        page.table(
            ["rater", "later than the others, s"],
            [[name, f"{lag:+.2f}"] for name, lag in gold.lags.lag_s.items()],
        )
    if options.method not in ("mean", "ges"):
        page.table(
            ["session", "dimension", "weights of the raters"],
            [
                [r.session, r.dimension, _weights(r.raters, r.weights)]
                for r in gold.reports[:MAX_LISTED]
            ],
        )
    if gold.warnings:
        page.paragraph(f"{listed(gold.warnings)}.", note=True)


def _definitions(page: Page, rate_hz: float, n_resamples: int) -> None:
    page.section(
        "Definitions",
        f"Raters are compared at {rate_hz:g} moments a second, interpolated linearly in time. CC "
        "and CCC use population moments. A pair of which one rater never moved has no CC: it is "
        "counted, not averaged. Cronbach's α is pooled over the sessions that the same raters "
        "judged; it ignores constant shifts, so that centring shows only where sessions are "
        "pooled. Intraclass correlations are McGraw and Wong's, of the ratings as given. "
        f"Intervals: percentiles over {n_resamples} resamples of subjects with all "
        "their sessions, since neighbouring moments say nearly the same.",
    )


def _choose_fans(ratings: Ratings) -> list[str]:
    """All sessions, or those on which raters differ most."""
    if len(ratings.sessions) <= MAX_FANS:
        return list(ratings.sessions)
    spread: dict[str, list[float]] = {}
    for agreement in describe_agreement(ratings.traces, rate_hz=4.0):
        for each in agreement.sessions:
            spread.setdefault(each.session, []).append(each.mean_rmse)
    worst = sorted(spread, key=lambda name: -float(np.nan_to_num(np.mean(spread[name]), nan=-1.0)))
    return sorted(worst[:MAX_FANS])


def _weights(raters: Sequence[str], weights: Sequence[float]) -> str:
    return ", ".join(f"{name} {weight:.2f}" for name, weight in zip(raters, weights, strict=True))
