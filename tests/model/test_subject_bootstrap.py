"""CCC from summed moments is that of the frames, and so are intervals over subjects."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.agreement import ccc
from model.benchmark_people import people_breakdowns
from model.config import ModelConfig, TrainConfig
from model.evaluation import Evaluation, VideoPrediction
from model.run_spec import RunScores, RunSpec
from model.subject_bootstrap import ccc_difference_interval, ccc_interval, ccc_intervals
from model.subject_moments import WHOLE, ccc_of_moments, subject_moments


def made_evaluation(seed: int, n_subjects: int = 4, n_frames: int = 30) -> Evaluation:
    rng = np.random.default_rng(seed)
    videos, lights = [], {}
    for k in range(2 * n_subjects):
        gold = (rng.uniform(-1, 1) + 0.2 * rng.standard_normal((n_frames, 1))).astype(np.float32)
        predicted = (0.6 * gold + 0.3 * rng.standard_normal(gold.shape)).astype(np.float32)
        gold[rng.random(n_frames) < 0.2] = np.nan
        time_ns = np.arange(n_frames, dtype=np.int64) * 250_000_000
        videos.append(
            VideoPrediction(
                f"v{k}", f"S{k // 2}", time_ns, gold, predicted, np.zeros(n_frames, bool)
            )
        )
        lights[f"v{k}"] = np.where(np.arange(n_frames) < 10, "dim", "dark")
    return Evaluation(("valence",), tuple(videos), 16, groups={"light": lights})


@given(seed=st.integers(0, 1000))
def test_ccc_is_that_of_the_frames(seed: int) -> None:
    evaluation = made_evaluation(seed)
    found = subject_moments(evaluation)["valence"]
    assert list(found[WHOLE]) == ["S0", "S1", "S2", "S3"]
    expected = {WHOLE: evaluation.pooled()["valence"]["ccc"]}
    by_light = evaluation.by_group()["light"]
    expected |= {f"light {name}": scores["valence"]["ccc"] for name, scores in by_light.items()}
    assert set(found) == set(expected)
    for key, moments in found.items():
        total = np.sum(list(moments.values()), 0)
        assert ccc_of_moments(total) == pytest.approx(expected[key], abs=1e-9)


def test_undefined_ccc_is_nan() -> None:
    assert np.isnan(ccc_of_moments(np.zeros(6)))
    one = np.array([0.5, 0.5])
    assert np.isnan(ccc(one, one)) == np.isnan(ccc_of_moments(np.array([2, 1, 1, 0.5, 0.5, 0.5])))
    categories = Evaluation(("category",), (), 16, categories=("a", "b"))
    assert subject_moments(categories) == {}


def frames(evaluation: Evaluation, subject: str) -> tuple[np.ndarray, np.ndarray]:
    own = [v for v in evaluation.videos if v.subject == subject]
    return (
        np.concatenate([v.predicted[:, 0] for v in own]),
        np.concatenate([v.gold[:, 0] for v in own]),
    )


def test_intervals_are_those_of_frames_drawn_with_their_subject() -> None:
    one, two = made_evaluation(1, 8), made_evaluation(2, 8)
    subjects = sorted({v.subject for v in one.videos})
    rng = np.random.default_rng(0)
    counts = rng.multinomial(8, np.full(8, 1 / 8), size=1000)

    def drawn(evaluation: Evaluation, times: np.ndarray) -> float:
        parts = [
            frames(evaluation, s) for s, n in zip(subjects, times, strict=True) for _ in range(n)
        ]
        predicted, gold = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
        return ccc(predicted, gold)

    expected = np.array([[drawn(e, times) for e in (one, two)] for times in counts[:200]])
    moments = [subject_moments(e)["valence"][WHOLE] for e in (one, two)]
    found = ccc_interval(moments)
    assert found is not None
    assert (found.n_sequences, found.n_resamples) == (8, 1000)
    low, high = np.quantile(expected.mean(1), [0.025, 0.975])
    assert (found.low, found.high) == (
        pytest.approx(low, abs=0.03),
        pytest.approx(high, abs=0.03),
    )
    paired = ccc_difference_interval(moments[:1], moments[1:])
    assert paired is not None
    low, high = np.quantile(expected[:, 0] - expected[:, 1], [0.025, 0.975])
    assert (paired.low, paired.high) == (
        pytest.approx(low, abs=0.04),
        pytest.approx(high, abs=0.04),
    )
    same = ccc_difference_interval(moments[:1], moments[:1])
    assert (same.low, same.high) == (0, 0)
    assert ccc_difference_interval(moments[:1], []) is None
    assert found == ccc_interval(moments)  # the same draws each time


def test_few_people_have_no_interval() -> None:
    assert ccc_intervals(made_evaluation(0, 4)) == {"valence": {}}
    assert set(ccc_intervals(made_evaluation(0, 5))["valence"]) == {
        "all",
        "light dim",
        "light dark",
    }


def test_rows_get_intervals_of_their_own_and_against_the_baseline() -> None:
    def run(seed: int, spoiled: int) -> RunScores:
        spec = RunSpec(Path("s.h5"), "f", ModelConfig("uran", ("color",)), TrainConfig(), "small")
        evaluations = {
            name: {"subject_moments": subject_moments(made_evaluation(number, 6))}
            for name, number in (("", seed), ("color=blank", spoiled))
        }
        return RunScores(spec, evaluations, {}, [], Path("p.parquet"))

    runs = {"color": [run(1, 1), run(2, 2)], "other": [run(3, 5), run(4, 6)]}
    whole, against, spoiled = people_breakdowns(runs, "valence", "color")
    assert whole.columns == ("all", "light dark", "light dim")
    assert set(against.figures) == {"other"}
    low, high = (getattr(against.figures["other"]["all"], name) for name in ("low", "high"))
    assert low < high
    unspoiled = spoiled.figures["color"]["color=blank"]
    assert (unspoiled.low, unspoiled.high) == (0, 0)
    assert "to" in whole.cell(whole.figures["color"]["all"])
    assert people_breakdowns({}, "valence", None) == ()
