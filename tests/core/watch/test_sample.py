"""Of many numbers only some are sorted; what is said of them is as if all were."""

import numpy as np
import pytest

from core.watch.sample import FEWEST, Sample
from core.watch.sketch import Sketch
from core.watch.statistics.wasserstein import wasserstein

ROWS = 2 * FEWEST
RANDOM = np.random.default_rng(0)
NORMAL = RANDOM.normal(size=ROWS)
SHAPES = {
    "a shift": (NORMAL, RANDOM.normal(0.2, 1, ROWS)),
    "nothing moved": (NORMAL, RANDOM.normal(size=ROWS)),
    "a long tail": (RANDOM.lognormal(size=ROWS), RANDOM.lognormal(0.1, 2, ROWS)),
    "many zeros": (np.where(NORMAL < 0, 0, NORMAL), np.where(RANDOM.random(ROWS) < 0.3, 0, NORMAL)),
    "nulls": (NORMAL, np.where(RANDOM.random(ROWS) < 0.1, np.nan, NORMAL + 0.1)),
    "far off": (NORMAL, NORMAL * 1_000 + 1e6),
    "one value": (NORMAL, np.full(ROWS, 0.3)),
    "hardly any digits": (1e9 + NORMAL, 1e9 + RANDOM.normal(0.2, 1, ROWS)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_only_counted_gives_what_sorting_all_gives(name: str) -> None:
    before, after = SHAPES[name]
    sketch = Sketch.of(before)
    quick, whole = sketch.sample(after), Sample.of(after)
    assert (quick.rows, quick.count, quick.null_share) == (ROWS, whole.count, whole.null_share)
    points = np.r_[sketch.values, sketch.edges]
    assert np.array_equal(quick.below(points), whole.below(points))
    assert np.array_equal(quick.at_or_below(points), whole.at_or_below(points))
    assert np.array_equal(quick.quantiles(sketch.levels), whole.quantiles(sketch.levels))
    assert wasserstein(sketch, quick) == pytest.approx(wasserstein(sketch, whole), rel=1e-9)
    for bins in (sketch.binned, sketch.histogram):
        assert np.array_equal(bins(quick)[1], bins(whole)[1])


def test_of_many_numbers_few_are_sorted() -> None:
    quick = Sketch.of(NORMAL).sample(RANDOM.normal(0.2, 1, ROWS))
    assert quick.upto[-1] < 0.2 * ROWS


@pytest.mark.parametrize("step", [1.0, -1.0, 0.5, 1e6])
def test_flags_and_counts_are_told_apart_as_if_they_were_sorted(step: float) -> None:
    data = step * RANDOM.poisson(3, ROWS)
    found, (values, counts) = Sample.of(data), np.unique(data, return_counts=True)
    assert np.array_equal(found.values, values)
    assert np.array_equal(np.diff(found.upto), counts)
    assert (found.upto[0], found.upto[-1]) == (0, ROWS)


def test_the_p_value_of_many_rows_is_that_of_scipy() -> None:
    from scipy.stats import kstwo

    from core.watch.statistics.kolmogorov_smirnov import MANY, _p_value

    for scaled in (0.0, 0.3, 0.88, 1.5, 2.5):
        gap = scaled / np.sqrt(MANY)
        assert _p_value(gap, MANY) == pytest.approx(kstwo.sf(gap, MANY), abs=5e-6)
