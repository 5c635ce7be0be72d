import json

import numpy as np
import pytest
from scipy import stats

from catalog.kinds import Drift
from core.watch import drift
from core.watch.sample import Sample
from core.watch.sketch import POINTS, TAIL, Sketch
from core.watch.statistics.kolmogorov_smirnov import kolmogorov_smirnov
from core.watch.statistics.psi import psi

LIMITS = Drift()


def normal(rows: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, rows)


def measure(before: np.ndarray, after: np.ndarray) -> drift.Measured:
    return drift.measure("x", Sketch.of(before), after, LIMITS)


def psi_of(before: np.ndarray, after: np.ndarray) -> float:
    return psi(*Sketch.of(before).binned(Sample.of(after)))


def ks_of(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    return kolmogorov_smirnov(Sketch.of(before), Sample.of(after))


def test_a_sketch_of_few_values_is_their_distribution_function() -> None:
    sketch = Sketch.of(np.array([3.0, 1, 1, np.nan]))
    assert sketch.values.tolist() == [1, 3]
    assert sketch.below.tolist() == [2 / 3, 1]
    assert (sketch.rows, sketch.null_share, sketch.exact) == (4, 0.25, True)
    points = np.array([0.0, 1, 2, 3, 4])
    assert sketch.share_at_or_below(points).tolist() == [0, 2 / 3, 2 / 3, 1, 1]


def test_a_sketch_of_many_values_is_small_and_right_within_its_step() -> None:
    data = normal(50_000, 1)
    sketch = Sketch.of(data)
    assert not sketch.exact and len(sketch.values) <= POINTS + 2 * TAIL
    assert (sketch.values[0], sketch.values[-1], sketch.below[-1]) == (data.min(), data.max(), 1)
    points = np.linspace(-3, 3, 100)
    exact = np.searchsorted(np.sort(data), points, side="right") / len(data)
    assert np.abs(sketch.share_at_or_below(points) - exact).max() < 1.01 / (POINTS - 1)


def test_a_sketch_comes_back_the_same_from_a_manifest() -> None:
    for data in (normal(2_000, 1), np.array([]), np.array([np.nan]), np.array([1.0, 1.0])):
        sketch = Sketch.of(data)
        back = Sketch.from_json(json.loads(json.dumps(sketch.to_json())))
        assert np.array_equal(back.values, sketch.values)
        assert np.array_equal(back.below, sketch.below)
        assert (back.rows, back.null_share, back.std) == (
            sketch.rows,
            sketch.null_share,
            sketch.std,
        )
        assert np.array_equal(back.edges, sketch.edges)


def test_a_sketch_of_an_older_manifest_is_measured_without_what_it_lacks() -> None:
    whole = Sketch.of(normal(2_000, 1)).to_json()
    older = Sketch.from_json({name: whole[name] for name in OLDER})
    found = drift.measure("x", older, normal(500, 2, 1.0), LIMITS)
    assert found.verdict == "drifted" and found.wasserstein is None
    assert found.jensen_shannon is not None and found.jensen_shannon > 0.2


OLDER = ("values", "below", "rows", "null_share", "exact")


@pytest.mark.parametrize("seed", range(8))
def test_ks_agrees_with_scipy_also_with_ties(seed: int) -> None:
    random = np.random.default_rng(seed)
    before = random.integers(0, 40, 900).astype(float)
    after = random.integers(seed, 44, 700) + random.choice([0.0, 0.5], 700)
    theirs = stats.ks_2samp(before, after, method="asymp")
    assert ks_of(before, after) == pytest.approx((theirs.statistic, theirs.pvalue), abs=1e-12)


def test_ks_of_a_thinned_sketch_is_within_its_step() -> None:
    for shift in (0.0, 0.05, 0.3):
        before, after = normal(20_000, 1), normal(3_000, 2, shift)
        theirs = stats.ks_2samp(before, after).statistic
        assert abs(ks_of(before, after)[0] - theirs) < 1 / POINTS


def test_nulls_count_as_a_value_of_their_own() -> None:
    before, after = normal(1_000, 1), normal(1_000, 2)
    before[:100], after[:400] = np.nan, np.nan
    lowest = [np.nan_to_num(each, nan=-1e9) for each in (before, after)]
    theirs = stats.ks_2samp(*lowest).statistic
    assert ks_of(before, after)[0] == pytest.approx(theirs, abs=1 / POINTS)


def test_psi_is_what_the_formula_gives_by_hand() -> None:
    before = np.repeat(np.arange(10.0), 10)
    after = np.repeat(np.arange(10.0), [20, 10, 10, 10, 10, 10, 10, 10, 5, 5])
    by_hand = 0.1 * np.log(2) + 2 * (-0.05 * np.log(0.5))
    assert psi_of(before, after) == pytest.approx(by_hand, abs=1e-12)


def test_psi_counts_an_empty_bin_as_one_in_ten_thousand() -> None:
    before, after = np.repeat([0.0, 1.0], 50), np.zeros(100)
    by_hand = 0.5 * np.log(2) + (0.5 - 1e-4) * np.log(0.5 / 1e-4)
    assert psi_of(before, after) == pytest.approx(by_hand, abs=1e-12)


def test_psi_of_nulls_is_a_bin_of_its_own() -> None:
    before = np.r_[np.ones(90), np.full(10, np.nan)]
    after = np.r_[np.ones(50), np.full(50, np.nan)]
    by_hand = (0.5 - 0.9) * np.log(0.5 / 0.9) + (0.5 - 0.1) * np.log(5)
    assert psi_of(before, after) == pytest.approx(by_hand, abs=1e-12)


MOSTLY_ONE = (np.random.default_rng(0).random(2_000) < 0.95).astype(float)
SOME_ZERO = np.where(np.random.default_rng(1).random(2_000) < 0.4, 0, normal(2_000, 2) + 9)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (normal(2_000, 1), normal(500, 2, 1.0)),
        (normal(2_000, 1), np.full(500, np.nan)),
        (np.full(2_000, 5.0), np.full(500, 4.0)),
        (np.full(2_000, 5.0), np.full(500, 6.0)),
        (MOSTLY_ONE, np.zeros(500)),
        (1 - MOSTLY_ONE, np.ones(500)),
        (SOME_ZERO, np.where(SOME_ZERO == 0, -1, SOME_ZERO)),
        (np.full(2_000, np.nan), normal(500, 1)),
    ],
    ids=["shift", "gone", "down", "up", "flag off", "flag on", "zeros to -1", "appears"],
)
def test_what_has_moved_is_seen(before: np.ndarray, after: np.ndarray) -> None:
    assert measure(before, after).verdict == "drifted"


@pytest.mark.parametrize(
    "data", [normal(2_000, 1), np.full(2_000, 5.0), MOSTLY_ONE, SOME_ZERO, np.full(2_000, np.nan)]
)
def test_what_has_not_moved_is_stable(data: np.ndarray) -> None:
    found = measure(data, np.random.default_rng(3).permutation(data)[:600])
    assert found.verdict == "stable"
    same = measure(data, data)
    assert same.psi == pytest.approx(0, abs=0.001)


def test_too_few_rows_on_either_side_say_nothing() -> None:
    for before, after in ((99, 1_000), (1_000, 99), (1_000, 0)):
        found = measure(normal(before, 1), normal(after, 2, 3.0))
        assert found.verdict == "too few rows"
        assert (found.rows, found.reference_rows) == (after, before)


def test_equal_samples_almost_never_alarm() -> None:
    alarms = 0
    random = np.random.default_rng(5)
    for _ in range(300):
        shape = random.gamma if random.random() < 0.5 else random.normal
        reference, day = shape(2, 1, 2_000), shape(2, 1, int(random.integers(100, 400)))
        alarms += measure(reference, day).verdict == "drifted"
    assert alarms <= 1


def test_a_large_sample_with_a_harmless_shift_does_not_alarm() -> None:
    found = measure(normal(50_000, 1), normal(50_000, 2, 0.05))
    assert found.ks_p_value < LIMITS.alpha and found.verdict == "stable"
