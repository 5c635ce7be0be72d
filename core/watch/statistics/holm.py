"""Many tests at once: p-values of a family, so that one false alarm in it is as rare as in one.

S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979. It
holds whatever the features have to do with each other.
"""

import numpy as np

from core.watch.sample import Array


def holm(p_values: Array) -> Array:
    """Adjusted p-values, in the order they came."""
    order = np.argsort(p_values, kind="stable")
    raised = np.arange(len(p_values), 0, -1) * p_values[order]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return adjusted
