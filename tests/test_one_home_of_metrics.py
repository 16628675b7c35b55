"""Correlation and concordance of labels are computed in one place, `annotation.agreement`."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("capture", "calibration", "annotation", "mavfer", "model")
ELSEWHERE = re.compile(r"\b(corrcoef|pearsonr|spearmanr|concordance_corrcoef|mean_squared_error)\b")
DEFINED = re.compile(
    r"^\s*def (rmse|mse|cc|ccc|sagr|cronbach_alpha|icc|krippendorff_alpha)\(", re.M
)
HOMES = {
    "annotation/agreement.py": {"rmse", "mse", "cc", "ccc", "sagr", "cronbach_alpha"},
    "annotation/reliability.py": {"icc", "krippendorff_alpha"},
}


def test_nobody_computes_agreement_apart() -> None:
    defined: dict[str, set[str]] = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            name = path.relative_to(ROOT).as_posix()
            assert not ELSEWHERE.search(text), name
            if found := set(DEFINED.findall(text)):
                defined[name] = found
    assert defined == HOMES


def test_scores_of_networks_are_these() -> None:
    import annotation.agreement
    import model.scores

    for metric in ("rmse", "cc", "ccc"):
        assert getattr(model.scores, metric) is getattr(annotation.agreement, metric)
