import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from core.models import metrics

THEIRS = {
    "roc_auc": roc_auc_score,
    "average_precision": average_precision_score,
    "brier": brier_score_loss,
}


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 400), st.integers(1, 30), st.integers(0, 10_000), st.booleans())
@pytest.mark.parametrize("metric", THEIRS)
def test_metrics_agree_with_scikit_learn_also_with_ties_and_weights(
    metric: str, rows: int, distinct: int, seed: int, weighted: bool
) -> None:
    random = np.random.default_rng(seed)
    truth = random.random(rows) < 0.4
    truth[:2] = [True, False]
    scores = random.integers(0, distinct + 1, rows) / (distinct + 1)
    weights = random.integers(1, 5, rows).astype(float) if weighted else np.ones(rows)
    ours = metrics.weighted(metric, truth, scores)(weights)
    assert ours == pytest.approx(THEIRS[metric](truth, scores, sample_weight=weights), abs=1e-12)


@pytest.mark.parametrize("metric", THEIRS)
def test_a_row_drawn_twice_weighs_as_two_rows(metric: str) -> None:
    random = np.random.default_rng(1)
    truth, scores = random.random(50) < 0.5, random.random(50).round(1)
    counts = np.bincount(random.integers(0, 50, 50), minlength=50)
    repeated = np.repeat(np.arange(50), counts)
    ours = metrics.weighted(metric, truth, scores)(counts.astype(float))
    assert ours == pytest.approx(THEIRS[metric](truth[repeated], scores[repeated]), abs=1e-12)


def population(rows: int, seed: int, signal: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.random(rows) < 0.3
    logits = signal * (truth - 0.3) + random.normal(size=rows)
    return truth, 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("metric", THEIRS)
def test_the_interval_covers_the_truth_about_as_often_as_it_says(
    metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "ROUNDS", 200)
    truth, scores = population(200_000, seed=99)
    real = metrics.weighted(metric, truth, scores)(np.ones(len(truth)))
    covered = 0
    for seed in range(150):
        sample = metrics.estimate(metric, *population(300, seed), confidence=0.9, seed=seed)
        covered += sample.low <= real <= sample.high
    assert 0.82 <= covered / 150 <= 0.97


def test_the_interval_holds_its_value_and_narrows_with_rows() -> None:
    few = metrics.estimate("roc_auc", *population(200, 1), confidence=0.95, seed=0)
    many = metrics.estimate("roc_auc", *population(5_000, 1), confidence=0.95, seed=0)
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    wide = metrics.estimate("roc_auc", *population(200, 1), confidence=0.99, seed=0)
    assert wide.low < few.low


def test_the_same_seed_gives_the_same_interval() -> None:
    one, other = (
        metrics.estimate("brier", *population(300, 1), confidence=0.95, seed=7) for _ in range(2)
    )
    assert one == other
    assert one != metrics.estimate("brier", *population(300, 1), confidence=0.95, seed=8)


@pytest.mark.parametrize("metric", THEIRS)
def test_a_better_challenger_gains_whichever_way_the_metric_goes(metric: str) -> None:
    truth, good = population(1_000, 1, signal=3)
    noise = np.random.default_rng(0).random(1_000)
    gain = metrics.difference(metric, truth, good, noise, confidence=0.95, seed=0)
    loss = metrics.difference(metric, truth, noise, good, confidence=0.95, seed=0)
    assert gain.low > 0 > loss.high
    assert gain.value == -loss.value


def test_the_paired_difference_is_narrower_than_two_intervals() -> None:
    truth, good = population(1_000, 1, signal=2)
    almost = np.clip(good + np.random.default_rng(0).normal(0, 0.01, 1_000), 0, 1)
    paired = metrics.difference("roc_auc", truth, almost, good, confidence=0.95, seed=0)
    alone = metrics.estimate("roc_auc", truth, good, confidence=0.95, seed=0)
    assert paired.high - paired.low < (alone.high - alone.low) / 5
    same = metrics.difference("roc_auc", truth, good, good, confidence=0.95, seed=0)
    assert (same.low, same.value, same.high) == (0, 0, 0)


@pytest.mark.filterwarnings("error")
def test_samples_of_one_class_are_left_out_and_only_those_say_nothing() -> None:
    truth, scores = np.array([True, False, False]), np.array([0.9, 0.2, 0.1])
    found = metrics.estimate("roc_auc", truth, scores, confidence=0.95, seed=0)
    assert (found.low, found.value, found.high) == (1, 1, 1)
    none = metrics.estimate("roc_auc", truth[1:], scores[1:], confidence=0.95, seed=0)
    assert np.isnan([none.value, none.low, none.high]).all()


def test_an_estimate_reads_as_value_with_interval_and_sign_where_asked() -> None:
    found = metrics.Estimate(0.8, 0.75, 0.85)
    assert str(found) == "0.800 (0.750 to 0.850)"
    assert f"{found:+}" == "+0.800 (+0.750 to +0.850)"
