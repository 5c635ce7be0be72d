"""Performance: what a day's predictions are expected to be worth, and what they were.

Table `performance`: one row a model, day, slice and kind, "estimated" on the day itself and
"realised" once the horizon is over, beside what was promised when the version was trained.
"""

from dataclasses import asdict, dataclass
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
from core.models.features import Datasets
from core.models.metrics import Estimate, less_is_better
from core.models.registry import Version
from core.models.slices import Masks, masks
from core.watch import estimation, reference
from core.watch.estimation import Calibrator
from core.watch.sketch import Array

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
) -> tuple[list[Estimated], bool]:
    """Estimates a day's metric, overall and by slice, and records it.

    Returns:
        The estimates, and whether the table has changed. None for a version that was trained
        before calibrators were kept.
    """
    if "calibrator" not in manifest:
        return [], False
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
    return found, _record(model.name, day, found, ESTIMATED, day)


def measured_on(model: str, day: date) -> list[Realised]:
    """What was realised on a day, of whichever earlier days."""
    where = lake.equal(model=model, kind=REALISED, measured_on=day)
    rows = lake.read(TABLE, where)
    return [] if rows is None else [_realised(row) for row in rows.to_pylist()]


def mature(model: Model, datasets: Datasets, day: date) -> list[Realised]:
    """Realises the metrics of all days that have matured and were not realised yet."""
    until = (lake.Condition("day", "<", scoring.matured(model, day) + DAY),)
    scored = lake.read(scoring.predictions(model.name), until, columns=["day"])
    where = lake.equal(model=model.name, kind=REALISED)
    measured = lake.read(TABLE, where + until, columns=["day"])
    known = set() if measured is None else set(measured["day"].to_pylist())
    days = set() if scored is None else set(pc.unique(scored["day"]).to_pylist())
    return [
        found for each in sorted(days - known) for found in _realise(model, datasets, each, day)
    ]


def masks_of(model: Model, frame: pd.DataFrame, entities: pd.Index) -> Masks:
    """Which of these predicted entities belong to each of the model's slices."""
    names, found = frame.index.astype("str"), masks(model, frame)
    if not found or names.equals(entities):
        return found
    place = names.get_indexer(entities)
    return {name: within[place] & (place >= 0) for name, within in found.items()}


def _realise(model: Model, datasets: Datasets, day: date, measured_on: date) -> list[Realised]:
    horizon = Interval(day, day + (day - scoring.matured(model, day)))
    trusts = {name: ledger.trust(name, horizon) for name in model.inputs}
    if not all(found.trusted for found in trusts.values()):
        return []  # its labels are not trusted yet: looked at again the next day
    rows = lake.read(scoring.predictions(model.name), lake.days("day", Interval.of_day(day)))
    assert rows is not None
    frame = rows.to_pandas().sort_values("entity")
    versions = {name: found.table_version or 0 for name, found in trusts.items()}
    truth = features.labels_of(model, datasets, versions, frame["entity"], day).to_numpy()
    number, scores = int(frame["model_version"].iloc[0]), frame["score"].to_numpy()
    promises = _promises(version_of(model.name, number)[1])
    slices: Masks = {}
    if model.slices and len(promises) > 1:
        known = features.snapshot(model, datasets, versions, day).features
        slices = masks_of(model, known, pd.Index(frame["entity"]))
    slices[""] = np.ones(len(frame), bool)
    before, found = _estimated(model.name, day, number), []
    for name in sorted(slices.keys() & promises.keys()):
        within, promised = slices[name], promises[name]
        value = reference.metric_of(model, truth[within], scores[within])
        if value is None:
            continue
        verdict = "decayed" if _is_worse(model, value, promised) else "as promised"
        count = int(within.sum())
        found.append(
            Realised(
                day, number, model.metric, value, promised, count, verdict, name, before.get(name)
            )
        )
    _record(model.name, day, found, REALISED, measured_on)
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
    found = [] if rows is None else rows.to_pylist()
    return {row["slice"]: Estimate(row["value"], row["low"], row["high"]) for row in found}


def _realised(row: dict[str, Any]) -> Realised:
    values = (row.get(name) for name in ("estimated", "estimated_low", "estimated_high"))
    before = None if row.get("estimated") is None else Estimate(*values)  # type: ignore[arg-type]
    return Realised(
        row["day"],
        row["version"],
        row["metric"],
        Estimate(row["value"], row["low"], row["high"]),
        Estimate(row["promised"], row["promised_low"], row["promised_high"]),
        row["rows"],
        row["verdict"],
        row.get("slice") or "",
        before,
    )


def _record(
    model: str, day: date, found: "list[Estimated] | list[Realised]", kind: str, on: date
) -> bool:
    rows = [
        {
            "model": model,
            "day": day,
            "version": each.version,
            "metric": each.metric,
            **asdict(each.estimate),
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


def _columns(name: str, known: Estimate | None) -> dict[str, float]:
    if known is None:
        return {}
    return {name: known.value, f"{name}_low": known.low, f"{name}_high": known.high}
