"""Performance: what a day's predictions are expected to be worth, and what they were.

Table `performance`: one row a model, day, slice and kind, "estimated" on the day itself and
"realised" once the horizon is over, beside what was promised when the version was trained.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from catalog.kinds import Model
from core import lake, ledger
from core.errors import ModelRefused
from core.intervals import DAY, Interval
from core.models import artifacts, features, registry, scoring
from core.models.features import Datasets, Versions
from core.models.metrics import Estimate, less_is_better
from core.models.registry import Version
from core.models.slices import Masks, masks
from core.watch import estimation, reference
from core.watch.estimation import Calibrator
from core.watch.sample import Array

TABLE = "performance"
ESTIMATED, REALISED = "estimated", "realised"
SCHEMA = pa.schema(
    {
        "model": pa.string(),
        "day": pa.date32(),
        "version": pa.int64(),
        "metric": pa.string(),
        "value": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "promised": pa.float64(),
        "promised_low": pa.float64(),
        "promised_high": pa.float64(),
        "rows": pa.int64(),
        "kind": pa.string(),
        "verdict": pa.string(),
        "measured_on": pa.date32(),
        "slice": pa.string(),
        "estimated": pa.float64(),
        "estimated_low": pa.float64(),
        "estimated_high": pa.float64(),
    }
)


@dataclass(frozen=True)
class Performance:
    """The metric of a day's predictions beside what was promised when the version was trained.

    Attributes:
        verdict: "decayed", or of an estimate "drop expected", where the whole interval lies on
            the wrong side of what was promised, else "as promised".
        slice: of the model; empty for all entities.
        estimated: of what is realised, what had been estimated before.
    """

    day: date
    version: int
    metric: str
    estimate: Estimate
    promised: Estimate
    rows: int
    verdict: str
    slice: str = ""
    estimated: Estimate | None = None

    @property
    def name(self) -> str:
        """The metric and, where it is of one, the slice."""
        return f"{self.metric} of {self.slice}" if self.slice else self.metric

    @property
    def against(self) -> str:
        """The metric beside its promise, in words."""
        return f"{self.estimate}, promised {self.promised}"


class Realised(Performance):
    """Now that the labels are known."""


class Estimated(Performance):
    """From calibrated probabilities, before labels are known."""


def version_of(model: str, number: int) -> tuple[Version, dict[str, Any]]:
    """The version that predictions name, and its manifest.

    Raises:
        ModelRefused: there is none.
    """
    for version in registry.versions(model):
        if version.number == number:
            return version, artifacts.manifest(version.artifact)
    raise ModelRefused(
        f"{model}: predictions name version {number}, and the registry knows none; restore it"
    )


def estimate(
    model: Model,
    day: date,
    number: int,
    manifest: dict[str, Any],
    scores: Array,
    slices: Masks,
) -> list[Estimated]:
    """Estimates a day's metric, overall and by slice.

    None for a version that was trained before calibrators were kept.
    """
    if "calibrator" not in manifest:
        return []
    calibrator, found = Calibrator.from_json(manifest["calibrator"]), []
    for name, promised in _promises(manifest).items():
        some = scores[slices[name]] if name in slices else scores
        if name and name not in slices or not len(some):
            continue
        value = estimation.estimate(
            manifest["metric"]["name"],
            some,
            calibrator,
            confidence=model.gate.confidence,
            seed=model.seed,
        )
        verdict = "drop expected" if _is_worse(model, value, promised) else "as promised"
        found.append(
            Estimated(day, number, model.metric, value, promised, len(some), verdict, name)
        )
    return found


def measured_on(model: str, day: date) -> list[Realised]:
    """What was realised on a day, of whichever earlier days."""
    where = lake.equal(model=model, kind=REALISED, measured_on=day)
    rows = lake.read(TABLE, where)
    found = map(of_row, rows.to_pylist() if rows else ())
    return [each for each in found if isinstance(each, Realised)]


def mature(model: Model, datasets: Datasets, day: date) -> list[Realised]:
    """Realises the metrics of all days that have matured and were not realised yet."""
    until = (lake.Condition("day", "<", scoring.matured(model, day) + DAY),)
    scored = lake.read(scoring.predictions(model.name), until, columns=["day"])
    where = lake.equal(model=model.name, kind=REALISED)
    measured = lake.read(TABLE, where + until, columns=["day"])
    known = set() if measured is None else set(measured["day"].to_pylist())
    days = set() if scored is None else set(pc.unique(scored["day"]).to_pylist())
    realised = []
    for each in sorted(days - known):
        found = realised_of(model, datasets, each)
        if found:
            record(model.name, each, found, REALISED, day)
        realised += found
    return realised


def masks_of(model: Model, frame: pd.DataFrame, entities: pd.Index) -> Masks:
    """Which of these predicted entities belong to each of the model's slices."""
    names, found = frame.index.astype("str"), masks(model, frame)
    if not found or names.equals(entities):
        return found
    place = names.get_indexer(entities)
    return {name: within[place] & (place >= 0) for name, within in found.items()}


def realised_of(model: Model, datasets: Datasets, day: date) -> list[Realised]:
    """The metrics of a day's predictions as they stand in the lake; records nothing.

    None where the labels are not trusted yet: it is looked at again the next day.
    """
    versions = trusted(model, day)
    rows = lake.read(scoring.predictions(model.name), lake.days("day", Interval.of_day(day)))
    if not versions or rows is None:
        return []
    number = rows["model_version"][0].as_py()
    manifest = version_of(model.name, number)[1]
    known = None
    if model.slices and len(_promises(manifest)) > 1:
        known = features.snapshot(model, datasets, versions, day).features
    scores = rows.select(["entity", "score"]).to_pandas().set_index("entity")["score"]
    return realise(model, datasets, versions, day, number, manifest, scores, known)


def trusted(model: Model, day: date) -> dict[str, int]:
    """Table versions to read a day's labels from; none where one of its inputs is not trusted."""
    horizon = Interval(day, day + (day - scoring.matured(model, day)))
    trusts = {name: ledger.trust(name, horizon) for name in model.inputs}
    if not all(found.trusted for found in trusts.values()):
        return {}
    return {name: found.table_version or 0 for name, found in trusts.items()}


def realise(
    model: Model,
    datasets: Datasets,
    versions: Versions,
    day: date,
    number: int,
    manifest: dict[str, Any],
    scores: "pd.Series[float]",
    known: pd.DataFrame | None,
) -> list[Realised]:
    """The metrics of a day's predictions, overall and by slice.

    Args:
        model: that predicted.
        datasets: its inputs.
        versions: of their tables, trusted over the horizon.
        day: of the predictions.
        number: of the version that predicted.
        manifest: of that version.
        scores: by the entity's name.
        known: features of that day, for the slices.
    """
    promises, scores = _promises(manifest), scores.sort_index()
    names, values = pd.Series(scores.index), np.asarray(scores, np.float64)
    truth = features.labels_of(model, datasets, versions, names, day).to_numpy()
    slices = {} if known is None else masks_of(model, known, scores.index)
    slices[""] = np.ones(len(scores), bool)
    before, found = _estimated(model.name, day, number), []
    for name in sorted(slices.keys() & promises.keys()):
        within, promised = slices[name], promises[name]
        value = reference.metric_of(model, truth[within], values[within])
        if value is None:
            continue
        verdict = "decayed" if _is_worse(model, value, promised) else "as promised"
        count = int(within.sum())
        found.append(
            Realised(
                day, number, model.metric, value, promised, count, verdict, name, before.get(name)
            )
        )
    return found


def _promises(manifest: dict[str, Any]) -> dict[str, Estimate]:
    """By slice; the whole's is ''."""
    known = {"": manifest["metric"], **manifest.get("promised_slices", {})}
    return {
        name: Estimate(each["value"], each["low"], each["high"]) for name, each in known.items()
    }


def _is_worse(model: Model, value: Estimate, promised: Estimate) -> bool:
    less = less_is_better(model.metric)
    return value.low > promised.high if less else value.high < promised.low


def _estimated(model: str, day: date, version: int) -> dict[str, Estimate]:
    where = lake.equal(model=model, kind=ESTIMATED, version=version, day=day)
    rows = lake.read(TABLE, where)
    return {row["slice"]: _metric(row, "") for row in (rows.to_pylist() if rows else [])}


def of_row(row: Mapping[str, Any]) -> Realised | Estimated:
    """What a row of the table says."""
    kind = Realised if row["kind"] == REALISED else Estimated
    return kind(
        row["day"],
        row["version"],
        row["metric"],
        _metric(row, ""),
        _metric(row, "promised"),
        row["rows"],
        row["verdict"],
        row.get("slice") or "",
        None if row.get("estimated") is None else _metric(row, "estimated"),
    )


def _metric(row: Mapping[str, Any], prefix: str) -> Estimate:
    return Estimate(*(row[each] for each in _names(prefix)))


def _names(prefix: str) -> tuple[str, ...]:
    if not prefix:
        return ("value", "low", "high")
    return (prefix, f"{prefix}_low", f"{prefix}_high")


def record(
    model: str, day: date, found: "list[Estimated] | list[Realised]", kind: str, on: date
) -> bool:
    """Puts them in the place of the day's of that kind; returns whether they are others."""
    rows = [
        {
            "model": model,
            "day": day,
            "version": each.version,
            "metric": each.metric,
            **_columns("", each.estimate),
            **_columns("promised", each.promised),
            "rows": each.rows,
            "kind": kind,
            "verdict": each.verdict,
            "measured_on": on,
            "slice": each.slice,
            **_columns("estimated", each.estimated),
        }
        for each in found
    ]
    where = lake.equal(model=model, kind=kind) + lake.days("day", Interval.of_day(day))
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return lake.replace_small(TABLE, table, where, partition_by=["model"])


def _columns(prefix: str, known: Estimate | None) -> dict[str, float]:
    return dict(zip(_names(prefix), astuple(known), strict=True)) if known else {}
