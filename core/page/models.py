"""What the page shows of a model: its metric and drift through time, versions, and lineage."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import isfinite
from typing import Any

import pyarrow.compute as pc

from catalog.kinds import Drift, Model
from core import lake
from core.models import registry, scoring
from core.models.metrics import Estimate
from core.page.versions import VersionPart, version_part
from core.watch import performance_table
from core.watch.monitoring import DRIFT_TABLE

SHOWN = timedelta(days=365)
MOST_FEATURES = 20


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The metric of a day's predictions; `kind` is estimated or realised."""

    day: date
    kind: str
    version: int
    slice: str
    estimate: Estimate
    promised: Estimate
    verdict: str


@dataclass(frozen=True)
class Shift:
    """How far a feature has moved on a day, its limit being 1."""

    day: date
    size: float
    verdict: str


@dataclass(frozen=True)
class Feature:
    """A feature, or the score, through time."""

    name: str
    shifts: tuple[Shift, ...]

    @property
    def drifted(self) -> int:
        """On how many of the days."""
        return sum(each.verdict == "drifted" for each in self.shifts)


@dataclass(frozen=True, kw_only=True)
class ModelPart:
    """A model through the last year of what it predicted.

    Attributes:
        performance: by day, all entities and by slice.
        serving: from which day on which version predicted.
        features: the most moved first; `still` more did not drift or are left out.
    """

    name: str
    owner: str
    description: str
    metric: str
    horizon_days: int
    performance: tuple[Seen, ...]
    serving: tuple[tuple[date, int], ...]
    features: tuple[Feature, ...]
    still: int
    versions: tuple[VersionPart, ...]

    @property
    def champion(self) -> VersionPart | None:
        """The version that serves."""
        return next((each for each in self.versions if each.state == "champion"), None)

    def latest(self, kind: str) -> Seen | None:
        """The newest of all entities."""
        found = (each for each in self.performance if each.kind == kind and not each.slice)
        return max(found, key=lambda each: each.day, default=None)

    @property
    def drifted(self) -> tuple[str, ...]:
        """What had moved on the last day that was watched."""
        last = max((f.shifts[-1].day for f in self.features), default=None)
        newest = ((feature.name, feature.shifts[-1]) for feature in self.features)
        return tuple(n for n, each in newest if each.day == last and each.verdict == "drifted")


def model_part(model: Model) -> ModelPart:
    """Looks at the registry, the predictions, and what was watched of them."""
    scored = _scored(model.name)
    features = _features(model)
    versions = [version_part(model, each, scored) for each in registry.versions(model.name)]
    last = max(scored, default=None)
    shown = {day: number for day, number in scored.items() if last and day > last - SHOWN}
    return ModelPart(
        name=model.name,
        owner=model.owner,
        description=model.description,
        metric=model.metric,
        horizon_days=model.horizon_days,
        performance=_performance(model.name),
        serving=_changes(shown),
        features=tuple(features[:MOST_FEATURES]),
        still=len(features[MOST_FEATURES:]),
        versions=tuple(reversed(versions)),
    )


def _scored(model: str) -> dict[date, int]:
    """The version that predicted each day."""
    rows = lake.read(scoring.predictions(model), columns=["day", "model_version"])
    if rows is None:
        return {}
    found = rows.group_by("day").aggregate([("model_version", "max")])
    pairs = zip(found["day"].to_pylist(), found["model_version_max"].to_pylist(), strict=True)
    return dict(sorted(pairs))


def _changes(scored: Mapping[date, int]) -> tuple[tuple[date, int], ...]:
    found: list[tuple[date, int]] = []
    for day, number in scored.items():
        if not found or found[-1][1] != number:
            found.append((day, number))
    return tuple(found)


def _lately(table: str, model: str) -> list[dict[str, Any]]:
    rows = lake.read(table, lake.equal(model=model))
    if rows is None or not rows.num_rows:
        return []
    since = pc.max(rows["day"]).as_py() - SHOWN
    found: list[dict[str, Any]] = (
        rows.filter(pc.greater(rows["day"], since)).sort_by("day").to_pylist()
    )
    return found


def _performance(model: str) -> tuple[Seen, ...]:
    return tuple(
        Seen(
            day=row["day"],
            kind=row["kind"],
            version=row["version"],
            slice=row.get("slice") or "",
            estimate=Estimate(row["value"], row["low"], row["high"]),
            promised=Estimate(row["promised"], row["promised_low"], row["promised_high"]),
            verdict=row["verdict"],
        )
        for row in _lately(performance_table.TABLE, model)
    )


def _features(model: Model) -> list[Feature]:
    """Those that drifted, the latest first, then the rest; of slices, what drifted there alone."""
    shifts: dict[tuple[str, str], list[Shift]] = {}
    for row in _lately(DRIFT_TABLE, model.name):
        found = Shift(row["day"], _size(row, model.drift), row["verdict"])
        shifts.setdefault((row["feature"], row.get("slice") or ""), []).append(found)
    moved = {
        key for key, found in shifts.items() if any(each.verdict == "drifted" for each in found)
    }
    features = [
        Feature(f"{name} of {part}" if part else name, tuple(found))
        for (name, part), found in shifts.items()
        if not part or ((name, part) in moved and (name, "") not in moved)
    ]

    def interest(feature: Feature) -> tuple[date, bool, int, float]:
        last = max((s.day for s in feature.shifts if s.verdict == "drifted"), default=date.min)
        return last, " of " not in feature.name, feature.drifted, feature.shifts[-1].size

    return sorted(features, key=interest, reverse=True)


def _size(row: Mapping[str, Any], limits: Drift) -> float:
    """The largest of what drift is judged by, in units of its limit; chance is an AUC of 0.5."""
    pairs = [(row.get(n), getattr(limits, n)) for n in ("psi", "jensen_shannon", "wasserstein")]
    sizes = [value / limit for value, limit in pairs if value is not None]
    if row.get("auc") is not None and limits.auc > 0.5:
        sizes.append((row["auc"] - 0.5) / (limits.auc - 0.5))
    return max([size for size in sizes if isfinite(size)], default=0.0)
