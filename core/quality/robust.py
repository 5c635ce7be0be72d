"""Robust statistics over sliding windows: days by series, the window is the last axis.

NaN is left out everywhere; of nothing, everything is NaN.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
MAD = 1.4826  # a normal standard deviation in median absolute deviations
CLIP, LEFT = 2.0, 0.9205  # clipped at so many deviations, so much of a normal variance is left
ROUNDS = 4  # of clipping; more change nothing


def past(values: Array, days: int) -> Array:
    """The `days` values before each day, NaN where there are none; a view."""
    padded = np.concatenate([np.full((days, values.shape[1]), np.nan), values])
    windows = np.lib.stride_tricks.sliding_window_view(padded, days, axis=0)
    return np.asarray(windows[: len(values)])


def known(windows: Array) -> Counts:
    """How many values there are."""
    return np.asarray((~np.isnan(windows)).sum(-1))


def mean(windows: Array) -> Array:
    """The mean."""
    return np.asarray(np.nansum(windows, axis=-1) / known(windows))


def median(windows: Array) -> Array:
    """The median."""
    ordered = np.sort(windows, axis=-1)
    last = np.maximum(known(ordered) - 1, 0)[..., None]
    middle = np.concatenate([last // 2, (last + 1) // 2], axis=-1)
    return np.asarray(np.take_along_axis(ordered, middle, -1).mean(-1))


def centre(windows: Array, least: Callable[[Array], Array] = np.zeros_like) -> Array:
    """Huber's mean (1964): what is far from it is clipped, not left out.

    Args:
        windows: the values.
        least: of a centre, the deviation that is never far.
    """
    found = median(windows)
    deviation = MAD * median(np.abs(windows - found[..., None]))
    for _ in range(ROUNDS):
        width = CLIP * np.maximum(deviation, least(found))
        found = mean(np.clip(windows, (found - width)[..., None], (found + width)[..., None]))
    return found


def scale(windows: Array, *, clipped: npt.NDArray[np.bool_]) -> Array:
    """The standard deviation around zero of absolute values, those that are far off clipped."""
    most = np.where(clipped, CLIP * MAD * median(windows), np.inf)
    variance = mean(np.minimum(windows, most[..., None]) ** 2)
    return np.sqrt(variance / np.where(clipped, LEFT, 1))
