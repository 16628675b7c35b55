"""The metrics beside the packages that people compare them with, on random ratings with gaps.

The exact numbers are in the tests of each metric; here the packages themselves are asked.
"""

import math

import audmetric
import krippendorff
import numpy as np
import pandas as pd
import pingouin
import pytest
import torch
from torchmetrics.functional import concordance_corrcoef, mean_squared_error, pearson_corrcoef

from annotation.agreement import cc, ccc, cronbach_alpha, mse, rmse
from annotation.reliability import icc, krippendorff_alpha

SEEDS = range(4)
THEIR_WARNINGS = pytest.mark.filterwarnings("ignore")
"""pingouin calls what pandas 3.1 deprecates, and divides by zero beside what is compared here."""
FORMS = {"ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "ICC(1,k)", "ICC(A,k)", "ICC(C,k)"}


def table(seed, *, gaps=False):
    """Four raters of the same wandering, each with a bias and noise, in steps of one."""
    rng = np.random.default_rng(seed)
    shown = np.cumsum(rng.normal(size=60))
    said = shown + rng.normal(0, 2, size=(4, 1)) + rng.normal(0, 1 + seed / 2, size=(4, 60))
    ratings = np.clip(np.round(said), -10, 10)
    if gaps:
        ratings[rng.random(ratings.shape) < 0.2] = np.nan
    return ratings


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_equal_audmetric(seed):
    x, y = table(seed)[:2]
    assert ccc(x, y) == pytest.approx(audmetric.concordance_cc(x, y), abs=1e-12)
    assert cc(x, y) == pytest.approx(audmetric.pearson_cc(x, y), abs=1e-12)
    assert mse(x, y) == pytest.approx(audmetric.mean_squared_error(x, y), rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_with_sample_moments_equal_torchmetrics(seed):
    x, y = table(seed)[:2]
    p, g = torch.from_numpy(x), torch.from_numpy(y)
    assert ccc(x, y, ddof=1) == pytest.approx(float(concordance_corrcoef(p, g)), rel=1e-5)
    assert cc(x, y) == pytest.approx(float(pearson_corrcoef(p, g)), rel=1e-5)
    assert rmse(x, y) == pytest.approx(float(mean_squared_error(p, g, squared=False)), rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_alpha_equals_pingouin(seed):
    for ratings in (table(seed), table(seed, gaps=True)):
        frame = pd.DataFrame(ratings.T)
        expected, _ = pingouin.cronbach_alpha(data=frame, nan_policy="listwise")
        assert cronbach_alpha(ratings) == pytest.approx(expected, abs=1e-12)


@THEIR_WARNINGS
@pytest.mark.parametrize("seed", SEEDS)
def test_icc_equals_pingouin(seed):
    ratings = table(seed)
    long = pd.DataFrame(ratings.T).melt(ignore_index=False).reset_index()
    long.columns = ["moment", "rater", "value"]
    theirs = pingouin.intraclass_corr(
        data=long, targets="moment", raters="rater", ratings="value"
    ).set_index("Type")["ICC"]
    assert set(theirs.index) == FORMS
    assert icc(ratings) == pytest.approx(theirs.to_dict(), abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("level", ["interval", "ordinal"])
def test_krippendorff_equals_krippendorff(seed, level):
    for ratings in (table(seed), table(seed, gaps=True)):
        expected = krippendorff.alpha(reliability_data=ratings, level_of_measurement=level)
        assert krippendorff_alpha(ratings, level=level) == pytest.approx(expected, abs=1e-12)


def test_constants_are_as_undefined_as_audmetric_says():
    ramp, flat = [0.0, 1.0, 2.0], [3.0, 3.0, 3.0]
    with np.errstate(all="ignore"):
        assert math.isnan(audmetric.concordance_cc(flat, flat))
        assert audmetric.concordance_cc(flat, ramp) == 0.0
    assert math.isnan(ccc(flat, flat))
    assert ccc(flat, ramp) == 0.0
