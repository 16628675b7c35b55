"""The page on ratings: whole, self-contained, right in its numbers, whatever was rated."""

import html
import re

import numpy as np
import pytest

from annotation import report
from annotation.agreement_report import describe_agreement
from annotation.fusion_options import FusionOptions
from annotation.gold import make_gold
from annotation.report import write_report
from annotation.sources import Ratings
from annotation.trace import Trace

S = 1_000_000_000
EVIL = r"<img src=x onerror=alert(1)> $\frac{1}$ 字"
TEAMS = {"R0": "north", "R1": "north", "R2": "north", "Q0": "south", EVIL: "south"}
N_RESAMPLES = 50


def ratings(sessions, teams, *, dimensions=("arousal", "valence"), n_moments=60):
    """Raters of slow waves, each with a bias; R2 never moves in S00."""
    rng = np.random.default_rng(0)
    time_ns = np.arange(n_moments, dtype=np.int64) * (S // 2)
    traces = []
    for number, (session, raters) in enumerate(sessions.items()):
        for dimension in dimensions:
            shown = 5 * np.sin(time_ns / S / (2 + number))
            for bias, rater in enumerate(raters):
                said = np.clip(np.round(shown + bias + rng.normal(0, 1, n_moments)), -10, 10)
                if (session, rater) == ("S00", "R2"):
                    said[:] = 3
                traces.append(Trace(session, rater, dimension, time_ns, said))
    return Ratings(tuple(traces), 10.0, teams)


@pytest.fixture(scope="module")
def given():
    north, south = ("R0", "R1", "R2"), ("Q0", EVIL)
    return ratings({"S00": north, "S01": north, "T00": south, "T01": south}, TEAMS)


@pytest.fixture(scope="module")
def written(given, tmp_path_factory):
    """One page with everything on it: (its HTML, what it says, progress)."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    fusion = FusionOptions(rate_hz=4.0, method="ewe", max_gap_s=2.0, lag_s=0.4)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "MAX_FANS", 3)
        agreements = write_report(
            path,
            given,
            make_gold(given, fusion, align_max_s=1.0),
            n_resamples=N_RESAMPLES,
            title="<b>&",
            on_progress=lambda done, total: seen.append((done, total)),
        )
    return path.read_text(encoding="utf-8"), agreements, seen


@pytest.fixture(scope="module")
def text(written):
    return html.unescape(re.sub(r"<[^>]+>", " ", written[0]))


def test_the_page_has_the_numbers_of_the_report_and_the_papers_beside(given, written, text):
    _, agreements, _ = written
    expected = describe_agreement(given.traces, teams=TEAMS, max_gap_s=2.0, n_resamples=N_RESAMPLES)
    assert repr(agreements) == repr(expected)  # NaN is where it belongs, too
    papers = {"arousal": ("45.4", "0.424", "0.72"), "valence": ("46.9", "0.479", "0.79")}
    for each in expected:
        paper = papers[each.dimension]
        row = re.search(rf"{each.dimension}\s+[\d.]+ \[.*?by team\s+{paper[2]}", text, re.DOTALL)
        assert row
        assert f"{each.percent_positive_zero_mean:.1f} [" in row.group(0)
        assert f"{each.mean_cc:.3f} [" in row.group(0)
        assert all(number in row.group(0) for number in paper)
        for team in each.teams:
            assert f"— {team.name}, 2 sessions" in text
            assert f"{team.alpha_zero_mean:.2f} [" in text


def test_the_page_stands_for_itself(written):
    page = written[0]
    assert page.count("data:image/png;base64,") == 3 + 1 + 1  # distributions, fans, pairs
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "<script" not in page


def test_names_are_escaped(written):
    assert "<img src=x" not in written[0]
    assert "<title>&lt;b&gt;&amp;</title>" in written[0]


def test_what_is_undefined_or_odd_is_said_in_words(text):
    assert "CC of R0 and R2 on S00: R2 never moved" in text
    assert "the slider stood still for 29.5 s" in text
    assert not re.search(r"\bnan\b", text)


def test_weights_lags_gaps_and_teams_are_told(text):
    assert "5 raters in 2 teams, 4 sessions" in text
    assert "weights: CC with the mean of all raters" in text
    assert "Lag taken out: 0.4 s" in text
    assert "Gaps over 2 s" in text
    assert "later than the others" in text
    assert "Of 4 sessions the 3 on which raters differ most" in text


def test_progress_reaches_its_end(written):
    seen = written[2]
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert seen[-1][0] == seen[-1][1]


def test_one_rater_of_one_dimension_is_enough_and_an_existing_page_is_kept(tmp_path):
    path = tmp_path / "report.html"
    alone = ratings({"S00": ("R0",)}, {}, dimensions=("valence",), n_moments=8)
    gold = make_gold(alone, FusionOptions(rate_hz=2.0))
    (agreement,) = write_report(path, alone, gold, n_resamples=N_RESAMPLES)
    assert agreement.dimension == "valence"
    page = html.unescape(path.read_text(encoding="utf-8"))
    assert "there is no α" in page
    assert "alpha of R0: 1 sessions have no second rater" in page
    with pytest.raises(FileExistsError):
        write_report(path, alone, gold, n_resamples=0)
    assert html.unescape(path.read_text(encoding="utf-8")) == page
