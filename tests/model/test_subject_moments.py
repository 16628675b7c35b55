"""CCC from summed moments is that of the frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.agreement import ccc
from model.evaluation import Evaluation, VideoPrediction
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
