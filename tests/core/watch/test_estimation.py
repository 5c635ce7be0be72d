"""The metric that is estimated from probabilities, before labels are known."""

import json

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from catalog.model_kind import METRICS
from core.models.metrics import weighted
from core.watch.estimation import Calibrator, estimate
from tests.core.watch.made import made


def rows(seed: int, count: int, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, their true probabilities, and scores that are too near the middle."""
    random = np.random.default_rng(seed)
    logit = random.normal(-0.8, spread, count)
    likely = 1 / (1 + np.exp(-2 * logit))
    return random.random(count) < likely, likely, 1 / (1 + np.exp(-logit))


def test_the_estimate_is_that_of_nannyml_0_13_1() -> None:
    data = made()
    known, new = slice(2_000), slice(2_000, None)
    calibrator = Calibrator.fit(data["truth"][known], data["score"][known], 0)
    assert calibrator.needed
    for metric, theirs, within in (
        ("roc_auc", 0.9157005415701243, 1e-6),
        ("average_precision", 0.8444645437470836, 2e-3),  # equal scores stand together here
    ):
        found = estimate(metric, data["score"][new], calibrator, confidence=0.95, seed=0)
        assert found.value == pytest.approx(theirs, abs=within)


def test_the_calibrator_is_isotonic_regression_and_comes_back_from_a_manifest() -> None:
    truth, _, scores = rows(0, 3_000)
    fitted = Calibrator.fit(truth, scores, 0)
    back = Calibrator.from_json(json.loads(json.dumps(fitted.to_json())))
    points = np.linspace(-0.1, 1.1, 500)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, truth).predict(points)
    assert back(points) == pytest.approx(theirs, abs=1e-12)
    of_steps = dict(zip(back.probabilities, back.rows, strict=True))
    assert sum(of_steps.values()) == 3_000


def test_scores_that_are_right_as_they_are_stay_as_they_are() -> None:
    random = np.random.default_rng(3)
    likely = random.beta(2, 3, 4_000)
    fitted = Calibrator.fit(random.random(4_000) < likely, likely, 0)
    assert not fitted.needed
    assert fitted(likely) is likely


def test_of_a_class_with_hardly_a_row_nothing_is_learnt() -> None:
    truth, _, scores = rows(0, 400)
    truth[:] = False
    truth[:3] = True
    assert not Calibrator.fit(truth, scores, 0).needed


@pytest.mark.parametrize("metric", METRICS)
def test_the_realised_metric_lies_in_the_interval_as_often_as_it_says(metric: str) -> None:
    inside = 0
    for seed in range(30):
        truth, _, scores = rows(2 * seed, 1_500)
        later, _, its_scores = rows(2 * seed + 1, 1_500, spread=1.3)  # other rows, same relation
        found = estimate(
            metric, its_scores, Calibrator.fit(truth, scores, 0), confidence=0.9, seed=0
        )
        real = weighted(metric, later, its_scores)(np.ones(1_500))
        inside += found.low <= real <= found.high
    assert 23 <= inside <= 30


def test_an_interval_of_few_rows_is_wide_and_the_same_again() -> None:
    truth, _, scores = rows(0, 2_000)
    calibrator = Calibrator.fit(truth, scores, 0)
    few, many = (
        estimate("roc_auc", rows(1, count)[2], calibrator, confidence=0.95, seed=0)
        for count in (100, 20_000)
    )
    assert few.high - few.low > 3 * (many.high - many.low)
    again = estimate("roc_auc", rows(1, 100)[2], calibrator, confidence=0.95, seed=0)
    assert again == few
