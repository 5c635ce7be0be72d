"""The Wasserstein distance: how far values have moved on average, in the feature's own unit.

L. V. Kantorovich, "Mathematical methods of organizing and planning production", 1939 (Manag. Sci.
6, 1960); on a line it is the area between the distribution functions: S. S. Vallender,
"Calculation of the Wasserstein distance between probability distributions on the line", Theory
Probab. Appl. 18, 1974. A tenth of the reference's standard deviation is a usual limit.
"""

import numpy as np

from core.watch.sketch import Array, Sample, Sketch


def wasserstein(reference: Sketch, sample: Sample) -> float | None:
    """The area between the two distribution functions; None where one side is all null.

    Of a thinned sketch each step is taken in its middle: within about a thousandth of the
    reference's range.
    """
    knots, count = reference.values, len(sample.ordered)
    if not len(knots) or not count:
        return None
    reached = np.r_[0.0, np.cumsum(np.maximum(sample.ordered - knots[0], 0))]
    beyond = reached[count] - reached[int(sample.at_or_below(knots[-1:])[0])]
    beyond -= (count - sample.at_or_below(knots[-1:])[0]) * (knots[-1] - knots[0])
    short = np.maximum(knots[0] - sample.ordered[: int(sample.below(knots[:1])[0])], 0).sum()

    def area(points: Array) -> Array:
        """Below the sample's distribution function, from the first knot to each point."""
        under = sample.at_or_below(points)
        found: Array = (under * (points - knots[0]) - reached[under.astype(np.int64)]) / count
        return found

    begin, end, level = knots[:-1], knots[1:], reference.below[:-1]
    if not reference.exact:
        level = (level + reference.below[1:]) / 2
    crossing = np.clip(np.ceil(level * count).astype(np.int64) - 1, 0, count - 1)
    turn = np.clip(sample.ordered[crossing], begin, end)  # from there on it is above the level
    before = level * (turn - begin) - (area(turn) - area(begin))
    after = (area(end) - area(turn)) - level * (end - turn)
    return float((before + after).sum() + (beyond + short) / count)
