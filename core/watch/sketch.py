"""What a model remembers of a distribution it was trained on: a sketch, not the rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

POINTS = 512
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sketch:
    """The empirical distribution function at about 512 of its own values.

    Attributes:
        values: ascending; all distinct values where there are no more than 512. Of more,
            512 quantiles; and before each value that many rows share, the one below it.
        below: the share of the present rows at or below each value.
        rows: how many rows were sketched, nulls and all.
        null_share: the share of rows without a value.
        exact: whether every distinct value is there.
    """

    values: Array
    below: Array
    rows: int
    null_share: float
    exact: bool

    @classmethod
    def of(cls, data: Array) -> "Sketch":
        """The sketch of these numbers; NaN is null."""
        present = np.sort(data[~np.isnan(data)])
        distinct, counts = np.unique(present, return_counts=True)
        below = np.cumsum(counts) / max(len(present), 1)
        exact = len(distinct) <= POINTS
        if not exact:
            picked = np.searchsorted(below, np.linspace(0, 1, POINTS)).clip(0, len(distinct) - 1)
            common = np.flatnonzero(counts > len(present) / POINTS)
            picked = np.unique(np.r_[picked, common, np.maximum(common - 1, 0)])
            distinct, below = distinct[picked], below[picked]
        nulls = len(data) - len(present)
        return cls(distinct, below, len(data), nulls / max(len(data), 1), exact)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Sketch":
        """Back from `to_json`."""
        arrays = {name: np.array(found[name], dtype=np.float64) for name in ("values", "below")}
        return cls(**{**found, **arrays})

    def to_json(self) -> dict[str, Any]:
        """As plain lists, for a manifest."""
        return {
            "values": self.values.tolist(),
            "below": self.below.tolist(),
            "rows": self.rows,
            "null_share": self.null_share,
            "exact": self.exact,
        }

    def share_at_or_below(self, points: Array) -> Array:
        """The distribution function; exact at the sketch's own values."""
        position = np.searchsorted(self.values, points, side="right")
        shares: Array = np.r_[0.0, self.below][position]
        return shares
