"""The Wasserstein distance: how far values have moved on average, in the feature's own unit.

L. V. Kantorovich, "Mathematical methods of organizing and planning production", 1939 (Manag. Sci.
6, 1960); on a line it is the area between the distribution functions: S. S. Vallender,
"Calculation of the Wasserstein distance between probability distributions on the line", Theory
Probab. Appl. 18, 1974. A tenth of the reference's standard deviation is a usual limit.
"""

import numpy as np

from core.watch.sample import Array, Sample
from core.watch.sketch import Sketch


def wasserstein(reference: Sketch, sample: Sample) -> float | None:
    """The area between the two distribution functions; None where one side is all null.

    Of a thinned sketch each step is taken in its middle: within about a thousandth of the
    reference's range.
    """
    knots, count = reference.values, sample.count
    if not len(knots) or not count:
        return None

    def area(points: Array) -> Array:
        """Below the sample's distribution function, from the first knot to each point."""
        under = sample.at_or_below(points) * (points - knots[0])
        found: Array = (under - sample.excess(points, knots[0])) / count
        return found

    begin, end, level = knots[:-1], knots[1:], reference.levels
    turn = np.clip(sample.quantiles(level), begin, end)  # from there on it is above the level
    until, at_turn = np.split(area(np.r_[knots, turn]), [len(knots)])
    before = level * (turn - begin) - (at_turn - until[:-1])
    after = (until[1:] - at_turn) - level * (end - turn)
    return float((before + after).sum()) + sample.outside(knots[0], knots[-1]) / count
