"""The Western Electric rules (Statistical Quality Control Handbook, 1956), for any odds.

The handbook's are a point beyond 3 sigma, 2 of 3 beyond 2, 4 of 5 beyond 1, and 8 in a row on one
side of the centre. Each comes true by chance once in 130 to 500 days: rarely for one chart, every
second day for forty. So the widths are computed here from the odds that are wanted.
"""

from collections.abc import Sequence
from functools import cache
from math import ceil, log2
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.quality.robust import Array, past

LIMIT_ODDS = 0.5  # of the odds are the first rule's: it alone sees a bad day on the day
RULES = (
    "",
    "beyond {:.1f} sigma",
    "2 of 3 beyond {:.1f} sigma",
    "4 of 5 beyond {:.1f} sigma",
    "{:.0f} in a row on one side",
)


class Widths(NamedTuple):
    """The limits of the four rules: three in sigma, and how long a run is too long."""

    one: float
    two_of_three: float
    four_of_five: float
    in_a_row: float


@cache
def widths(odds: float) -> Widths:
    """Widths with which the four rules together come true by chance on this share of days.

    With p the chance of a point beyond, on one side: a day completes "2 of 3" with 2 * 2p * p,
    "4 of 5" with 2 * 4p ** 3 * p, and n in a row with 2 * 0.5 ** n, as good as exactly.
    """
    quantile = NormalDist().inv_cdf
    each = odds * (1 - LIMIT_ODDS) / 3
    return Widths(
        one=-quantile(odds * LIMIT_ODDS / 2),
        two_of_three=-quantile((each / 4) ** (1 / 2)),
        four_of_five=-quantile((each / 8) ** (1 / 4)),
        in_a_row=ceil(log2(2 / each)),
    )


def broken(sigmas: Array, limits: Sequence[Widths]) -> npt.NDArray[np.int64]:
    """The first rule that each point completes, by its number in `RULES`; 0 for none.

    Args:
        sigmas: days by series, in sigma from the centre; NaN where there is no verdict. A zero
            is on neither side.
        limits: one a day.
    """
    one, two, four, run = np.array(limits).T[..., None]
    found = np.zeros(sigmas.shape, np.int64)
    for side in (sigmas, -sigmas):
        checks = (
            side > one,
            (side > two) & (_lately(side, two, 3) >= 2),
            (side > four) & (_lately(side, four, 5) >= 4),
            _in_a_row(side > 0) >= run,
        )
        for number, check in reversed(list(enumerate(checks, start=1))):
            found[check] = number
    return found


def rule(number: int, limits: Widths) -> str:
    """The rule in words."""
    return RULES[number].format(*limits[number - 1 : number])


def _lately(side: Array, width: Array, days: int) -> npt.NDArray[np.int64]:
    """How many of the last days, this one included, are beyond today's width."""
    ended = np.concatenate([side, np.full((1, side.shape[1]), np.nan)])
    return np.asarray((past(ended, days)[1:] > width[..., None]).sum(-1))


def _in_a_row(true: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """How many days in a row it has been true, this one included."""
    day = np.arange(len(true))[:, None]
    return np.asarray(day - np.maximum.accumulate(np.where(true, -1, day), axis=0))
