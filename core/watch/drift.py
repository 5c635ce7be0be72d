"""Drift: how far a day's features and scores have moved from the training reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from catalog.kinds import Drift
from core.watch.sample import Array
from core.watch.sketch import Sketch
from core.watch.statistics.chi_squared import chi_squared
from core.watch.statistics.domain_classifier import FOLDS, Rows, domain_classifier
from core.watch.statistics.holm import holm
from core.watch.statistics.jensen_shannon import jensen_shannon
from core.watch.statistics.kolmogorov_smirnov import kolmogorov_smirnov
from core.watch.statistics.psi import psi
from core.watch.statistics.wasserstein import wasserstein

JOINT = "all features"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One distribution compared with its reference; None is what does not apply.

    Attributes:
        feature: or `score`, `requests.<feature>`, or `all features` together.
        slice: of the model; empty for all entities.
        psi: population stability index over the reference's deciles and the nulls.
        ks: the largest gap between the two distribution functions, nulls first.
        ks_p_value: of the two-sample Kolmogorov-Smirnov test, asymptotic.
        chi2: Pearson's statistic over the same bins as the PSI's; where it decides, rare bins are
            taken together.
        jensen_shannon: distance of the histograms, 0 to 1.
        wasserstein: how far values have moved, in standard deviations of the reference.
        auc: of the classifier that tells the day's rows from the reference's.
        p_value: of the test that decides, for one of as many as the model has that day.
        rows: of the day, nulls and all; so with the reference's.
        verdict: "too few rows" says nothing either way.
    """

    feature: str
    slice: str = ""
    psi: float | None = None
    ks: float | None = None
    ks_p_value: float | None = None
    chi2: float | None = None
    chi2_p_value: float | None = None
    jensen_shannon: float | None = None
    wasserstein: float | None = None
    auc: float | None = None
    p_value: float | None = None
    rows: int
    reference_rows: int
    verdict: Literal["stable", "drifted", "too few rows"]

    @property
    def name(self) -> str:
        """The feature and, where it is of one, the slice."""
        return f"{self.feature} of {self.slice}" if self.slice else self.feature

    @property
    def evidence(self) -> str:
        """The statistics that it is judged by, in words."""
        shown = (("PSI", self.psi), ("KS", self.ks), ("classifier AUC", self.auc))
        return ", ".join(f"{name} {value:.2f}" for name, value in shown if value is not None)


def measure(
    feature: str, reference: Sketch, data: Array, limits: Drift, slice: str = ""
) -> Measured:
    """Compares a day's numbers with the reference, as if they were the only ones."""
    found = Measured(
        feature=feature,
        slice=slice,
        rows=len(data),
        reference_rows=reference.rows,
        verdict="too few rows",
    )
    if min(len(data), reference.rows) < limits.min_rows:
        return found
    sample = reference.sample(data)
    expected, shares = reference.binned(sample)
    ks, ks_p_value = kolmogorov_smirnov(reference, sample)
    counts = (expected * reference.rows, shares * sample.rows)
    chi2, chi2_p_value = chi_squared(*counts)
    of_categories = chi_squared(*counts, pooled=True)[1]
    moved = wasserstein(reference, sample)
    found = replace(
        found,
        psi=psi(expected, shares),
        ks=ks,
        ks_p_value=ks_p_value,
        chi2=chi2,
        chi2_p_value=chi2_p_value,
        jensen_shannon=jensen_shannon(*reference.histogram(sample)),
        wasserstein=moved / reference.std if moved is not None and reference.std else None,
        p_value=of_categories if reference.is_categorical else ks_p_value,
    )
    return judge([found], limits)[0]


def measure_all(
    references: Mapping[str, Sketch],
    data: Mapping[str, Array],
    limits: Drift,
    *,
    prefix: str = "",
    slice: str = "",
) -> list[Measured]:
    """Compares each feature that is there on both sides."""
    return [
        measure(prefix + name, reference, data[name], limits, slice)
        for name, reference in references.items()
        if name in data
    ]


def measure_jointly(reference: Rows, rows: Rows, limits: Drift, seed: int) -> Measured:
    """Whether a classifier can tell the day's rows from a sample of the reference's."""
    few = min(len(rows), len(reference)) < max(limits.min_rows, FOLDS)
    auc, p_value = (None, None) if few else domain_classifier(reference, rows, seed)
    found = Measured(
        feature=JOINT,
        auc=auc,
        p_value=p_value,
        rows=len(rows),
        reference_rows=len(reference),
        verdict="too few rows",
    )
    return judge([found], limits)[0]


def judge(family: Sequence[Measured], limits: Drift) -> list[Measured]:
    """The verdicts on all that was measured of a model on a day.

    A feature has drifted when the shift is above a limit and the test agrees: the one says that it
    is large, the other that it is not chance. Tests are chi-squared for categories and
    Kolmogorov-Smirnov for numbers, their p-values raised for being many.
    """
    tested = [place for place, each in enumerate(family) if each.p_value is not None]
    raised = holm(np.array([family[place].p_value for place in tested], dtype=np.float64))
    found = list(family)
    for place, p_value in zip(tested, raised.tolist(), strict=True):
        each = family[place]
        moved = is_large(each, limits) and p_value < limits.alpha
        found[place] = replace(each, p_value=p_value, verdict="drifted" if moved else "stable")
    return found


def is_large(found: Measured, limits: Drift) -> bool:
    """Whether a shift is above one of the limits."""
    names = ("psi", "jensen_shannon", "wasserstein", "auc")
    return any((getattr(found, name) or 0.0) > getattr(limits, name) for name in names)
