"""What a model remembers of a distribution it was trained on: a sketch, not the rows."""

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from core.watch.sample import NONE, Array, Sample

POINTS, SLICE_POINTS, TAIL = 512, 64, 12
BINS = 10
CATEGORIES = 30  # distinct values, up to which each is a bin of its own


@dataclass(frozen=True)
class Sketch:
    """The empirical distribution function at about 512 of its own values, and a histogram.

    Attributes:
        values: ascending; all distinct values where there are no more than 512. Of more,
            512 quantiles and some of the tails; and before each value that many rows share,
            the one below it.
        below: the share of the present rows at or below each value.
        rows: how many rows were sketched, nulls and all.
        null_share: the share of rows without a value.
        exact: whether every distinct value is there.
        edges: of a histogram of equally wide bins (Doane, "Aesthetic frequency
            classifications", 1976); none for categories and in manifests before version 3.
        shares: of the present rows in each of its bins.
        std: the standard deviation; None in manifests before version 3.
    """

    values: Array
    below: Array
    rows: int
    null_share: float
    exact: bool
    edges: Array = field(default_factory=lambda: NONE)
    shares: Array = field(default_factory=lambda: NONE)
    std: float | None = None

    @classmethod
    def of(cls, data: Array, points: int = POINTS) -> "Sketch":
        """The sketch of these numbers, of about so many points; NaN is null."""
        present = np.sort(data[~np.isnan(data)])
        last = np.flatnonzero(np.r_[present[1:] != present[:-1], True][: len(present)])
        distinct, counts = present[last], np.diff(last, prepend=-1)
        below = np.cumsum(counts) / max(len(present), 1)
        exact, edges, shares = len(distinct) <= points, np.empty(0), np.empty(0)
        if len(distinct) > CATEGORIES:
            edges = np.histogram_bin_edges(present, bins="doane")
            above = np.r_[np.searchsorted(present, edges[:-1]), len(present)]
            shares = np.diff(above) / len(present)
        if not exact:
            tail = 0.5 ** np.arange(1, TAIL + 1) / points  # long ones lie almost all beyond
            levels = np.r_[np.linspace(0, 1, points), tail, 1 - tail]
            picked = np.searchsorted(below, levels).clip(0, len(distinct) - 1)
            common = np.flatnonzero(counts > len(present) / points)
            picked = np.unique(np.r_[picked, common, np.maximum(common - 1, 0)])
            distinct, below = distinct[picked], below[picked]
        nulls = len(data) - len(present)
        std = float(present.std()) if len(present) else 0.0
        of_nulls = nulls / max(len(data), 1)
        return cls(distinct, below, len(data), of_nulls, exact, edges, shares, std)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Sketch":
        """Back from `to_json`."""
        known = found.items()
        lists = {name: np.array(value, float) for name, value in known if isinstance(value, list)}
        return cls(**{**found, **lists})

    def to_json(self) -> dict[str, Any]:
        """As plain lists, for a manifest."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in found.items()
        }

    def sample(self, data: Array) -> Sample:
        """A day's numbers, made ready to be compared with these."""
        if self.exact:  # few values, which are quickly sorted
            return Sample.of(data)
        asked = np.r_[self.values, self._upper, self.edges]
        asked = np.unique(np.r_[asked, np.nextafter(asked, -np.inf)])
        return Sample.of(data, asked, self.levels)

    @cached_property
    def levels(self) -> Array:
        """The height of the distribution function between two values; its middle where thinned."""
        begin, end = self.below[:-1], self.below[1:]
        return begin if self.exact else (begin + end) / 2

    def share_at_or_below(self, points: Array) -> Array:
        """The distribution function; exact at the sketch's own values."""
        position = np.searchsorted(self.values, points, side="right")
        shares: Array = np.r_[0.0, self.below][position]
        return shares

    @property
    def is_categorical(self) -> bool:
        """Whether so few values are there that each is a category."""
        return self.exact and len(self.values) <= CATEGORIES

    def binned(self, sample: Sample) -> tuple[Array, Array]:
        """The shares of the reference and of a sample in the same bins; the last one is nulls.

        Bins are the categories and "any other", or the reference's deciles. A value that fills
        a decile gets a bin of its own, else a flag that was nearly always 1 and is now 0 would
        stay in its bin.
        """
        if self.is_categorical:
            known, counts = np.diff(np.r_[0.0, self.below]), self._of_categories(sample)
            return self._whole(np.r_[known, 0.0], sample, counts)
        bounds = np.r_[0.0, sample.at_or_below(self._upper), sample.count]
        known = np.diff(np.r_[0.0, self.share_at_or_below(self._upper), 1.0])
        return self._whole(known, sample, np.diff(bounds))

    def histogram(self, sample: Sample) -> tuple[Array, Array]:
        """As `binned`, but in equally wide bins, and one for all beyond them."""
        if not len(self.edges):
            return self.binned(sample)
        bounds = np.r_[sample.below(self.edges[:-1]), sample.at_or_below(self.edges[-1:])]
        counts = np.diff(bounds)
        beyond = sample.count - counts.sum()
        return self._whole(np.r_[self.shares, 0.0], sample, np.r_[counts, beyond])

    def _of_categories(self, sample: Sample) -> Array:
        counts = sample.at_or_below(self.values) - sample.below(self.values)
        found: Array = np.r_[counts, sample.count - counts.sum()]
        return found

    def _whole(self, known: Array, sample: Sample, counts: Array) -> tuple[Array, Array]:
        expected = np.r_[known * (1 - self.null_share), self.null_share]
        return expected, np.r_[counts / max(sample.rows, 1), sample.null_share]

    @cached_property
    def _upper(self) -> Array:
        """The upper ends of the deciles; the last has none."""
        positions = np.unique(np.searchsorted(self.below, np.arange(1, BINS) / BINS))
        filling = np.diff(np.r_[0.0, self.below])[positions] >= 1 / BINS
        just_below = np.nextafter(self.values[positions[filling]], -np.inf)
        return np.unique(np.r_[self.values[positions], just_below])
