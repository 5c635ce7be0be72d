"""The statistics beside scipy, published values, and what NannyML and Evidently say."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from catalog.kinds import Drift
from core.watch import drift
from core.watch.sample import Sample
from core.watch.sketch import Sketch
from core.watch.statistics.chi_squared import chi_squared
from core.watch.statistics.domain_classifier import domain_classifier
from core.watch.statistics.holm import holm
from core.watch.statistics.jensen_shannon import jensen_shannon
from core.watch.statistics.kolmogorov_smirnov import kolmogorov_smirnov
from core.watch.statistics.psi import psi
from core.watch.statistics.wasserstein import wasserstein
from tests.core.watch.made import made


def whole(data: np.ndarray) -> Sketch:
    """A sketch that forgets nothing."""
    return Sketch.of(data, len(data))


def test_chi_squared_is_what_agresti_published() -> None:
    # A. Agresti, An Introduction to Categorical Data Analysis, 2nd ed., 2007, section 2.4.
    statistic, p_value = chi_squared(np.array([762.0, 327, 468]), np.array([484.0, 239, 477]))
    assert statistic == pytest.approx(30.07, abs=0.005)
    assert p_value == pytest.approx(2.954e-07, rel=1e-3)


@pytest.mark.parametrize("bins", [2, 3, 8])
def test_chi_squared_agrees_with_scipy_also_for_two_bins(bins: int) -> None:
    table = np.random.default_rng(bins).integers(1, 60, (2, bins)).astype(float)
    theirs = stats.chi2_contingency(table)
    assert chi_squared(*table) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)


def test_chi_squared_of_bins_that_are_empty_on_both_sides_is_that_of_the_others() -> None:
    assert chi_squared(np.array([5.0, 0, 9]), np.array([8.0, 0, 2])) == chi_squared(
        np.array([5.0, 9]), np.array([8.0, 2])
    )
    assert chi_squared(np.array([7.0]), np.array([9.0])) == (0.0, 1.0)


def test_bins_that_hardly_anything_is_expected_in_are_taken_together() -> None:
    reference, counts = np.array([500.0, 480, 12, 6, 2]), np.array([50.0, 46, 0, 0, 4])
    together = chi_squared(np.array([500.0, 480, 20]), np.array([50.0, 46, 4]))
    assert chi_squared(reference, counts, pooled=True) == together
    assert chi_squared(reference, counts)[1] < together[1]


def test_jensen_shannon_agrees_with_scipy_and_is_one_where_nothing_is_shared() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        one, other = random.dirichlet(np.ones(6)), random.dirichlet(np.r_[np.ones(5), 0.01])
        theirs = distance.jensenshannon(one, other, base=2)
        assert jensen_shannon(one, other) == pytest.approx(theirs, abs=1e-12)
    assert jensen_shannon(np.array([1.0, 0]), np.array([0.0, 1])) == 1


def test_psi_is_the_sum_of_both_relative_entropies() -> None:
    random = np.random.default_rng(0)
    one, other = random.dirichlet(np.full(9, 20.0), 2)
    both = stats.entropy(one, other) + stats.entropy(other, one)
    assert psi(one, other) == pytest.approx(both, abs=1e-12)


def test_kolmogorov_smirnov_has_the_published_critical_values() -> None:
    # N. V. Smirnov, Ann. Math. Statist. 19, 1948: 1.36 at 5 % and 1.63 at 1 %.
    for critical, level in ((1.358, 0.05), (1.628, 0.01)):
        before = np.linspace(0, 1, 20_000)
        gap = critical * np.sqrt(2 / 20_000)
        found, p_value = kolmogorov_smirnov(whole(before), Sample.of(before + gap))
        assert found == pytest.approx(gap, abs=1e-4)
        assert p_value == pytest.approx(level, rel=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_wasserstein_agrees_with_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    if seed % 2:
        before = random.integers(0, 40, 900) + random.choice([0.0, 0.5], 900)
        after = random.normal(20, random.uniform(1, 20), 700)
    else:
        before = random.normal(size=900)
        after = random.normal(random.uniform(-5, 5), 2, int(random.integers(1, 900)))
    theirs = stats.wasserstein_distance(before, after)
    assert wasserstein(whole(before), Sample.of(after)) == pytest.approx(theirs, abs=1e-9)


def test_wasserstein_of_a_thinned_sketch_is_near_and_of_nothing_is_none() -> None:
    random = np.random.default_rng(0)
    before, after = random.lognormal(size=50_000), random.lognormal(0.1, 1, 20_000)
    theirs = stats.wasserstein_distance(before, after)
    ours = wasserstein(Sketch.of(before), Sample.of(after))
    assert abs(ours - theirs) < before.std() / 1_000
    assert wasserstein(Sketch.of(before), Sample.of(np.full(9, np.nan))) is None
    assert wasserstein(Sketch.of(np.array([])), Sample.of(after)) is None


def test_holm_is_what_it_comes_to_by_hand() -> None:
    # By hand: 4 x .005, 3 x .01, 2 x .03, and no less for .04 than for .03.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).max() == 1
    assert not len(holm(np.array([])))


def test_the_classifier_comes_near_the_best_auc_that_there_is() -> None:
    random = np.random.default_rng(0)
    one, other = (random.normal(size=(1_000, 5)).astype("f4") for _ in range(2))
    other[:, 2] += 1
    auc, p_value = domain_classifier(one, other, 0)
    assert auc == pytest.approx(stats.norm.cdf(np.sqrt(0.5)), abs=0.03)
    assert p_value < 1e-9
    assert domain_classifier(one, other, 0) == (auc, p_value)


def test_the_classifier_sees_what_no_feature_shows_alone_and_nulls_and_else_nothing() -> None:
    random = np.random.default_rng(1)
    one = random.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], 1_000).astype("f4")
    other = random.normal(size=(1_000, 2)).astype("f4")
    for feature in range(2):
        found = drift.measure("x", whole(one[:, feature]), other[:, feature], Drift())
        assert found.verdict == "stable"
    assert drift.measure_jointly(one, other, Drift(), 0).verdict == "drifted"
    gone = np.where(random.random((1_000, 2)) < 0.5, np.nan, one[::-1]).astype("f4")
    assert drift.measure_jointly(one, gone, Drift(), 0).verdict == "drifted"
    assert drift.measure_jointly(one[:500], one[500:], Drift(), 0).verdict == "stable"
    assert drift.measure_jointly(one, other[:99], Drift(), 0).verdict == "too few rows"


def test_of_many_features_a_family_raises_the_bar() -> None:
    random = np.random.default_rng(0)
    limits = Drift(psi=1e-9, alpha=0.05)  # the test alone decides
    alone, together = 0, 0
    for _ in range(60):
        family = [
            drift.measure(str(each), Sketch.of(random.normal(size=500)), rows, limits)
            for each, rows in enumerate(random.normal(size=(20, 300)))
        ]
        alone += any(each.verdict == "drifted" for each in family)
        together += any(each.verdict == "drifted" for each in drift.judge(family, limits))
    assert alone > 20 and together < 10


def test_a_limit_that_is_declared_decides_too() -> None:
    random = np.random.default_rng(0)
    before, after = whole(random.normal(size=2_000)), random.normal(0.25, 1, 2_000)
    assert drift.measure("x", before, after, Drift()).verdict == "stable"
    for limits in (Drift(wasserstein=0.1), Drift(jensen_shannon=0.05)):
        assert drift.measure("x", before, after, limits).verdict == "drifted"


def test_the_numbers_are_those_of_nannyml_0_13_1() -> None:
    data = made()
    amount = whole(data["amount"][:2_000]), Sample.of(data["amount"][2_000:])
    kind = whole(data["kind"][:2_000]), Sample.of(data["kind"][2_000:])
    found = {
        "amount jensen_shannon": jensen_shannon(*amount[0].histogram(amount[1])),
        "amount kolmogorov_smirnov": kolmogorov_smirnov(*amount)[0],
        "amount wasserstein": wasserstein(*amount),
        "kind jensen_shannon": jensen_shannon(*kind[0].histogram(kind[1])),
        "kind chi2": chi_squared(*(2_000 * each for each in kind[0].binned(kind[1])))[0],
    }
    assert found == pytest.approx(
        {
            "amount jensen_shannon": 0.11570167903371094,
            "amount kolmogorov_smirnov": 0.1135,
            "amount wasserstein": 4.016210224944548,
            "kind jensen_shannon": 0.23705735667494426,
            "kind chi2": 297.0858595015916,
        },
        abs=1e-9,
    )


def test_the_numbers_are_those_of_evidently_0_7_23() -> None:
    data = made()
    amount = whole(data["amount"][:2_000]), Sample.of(data["amount"][2_000:])
    kind = whole(data["kind"][:2_000]), Sample.of(data["kind"][2_000:])
    nats = np.sqrt(np.log(2))  # where ours are bits
    assert psi(*kind[0].binned(kind[1])) == pytest.approx(0.3286077184730565, abs=1e-9)
    assert jensen_shannon(*kind[0].histogram(kind[1])) * nats == pytest.approx(
        0.19736319540857988, abs=1e-9
    )
    assert wasserstein(*amount) / amount[0].std == pytest.approx(0.2837385157461502, abs=1e-9)
    assert kolmogorov_smirnov(*amount)[1] == pytest.approx(1.2311646674047303e-11, rel=0.2)
