"""Experiments: every candidate that was ever fitted, and what differs between some of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from core import lake
from core.errors import UsageError
from core.models import artifacts, registry
from core.models.metrics import Estimate

TABLE = "runs"
SCHEMA = pa.schema(
    {
        "model": pa.string(),
        "fingerprint": pa.string(),
        "candidate": pa.string(),
        "as_of": pa.date32(),
        "metric": pa.string(),
        "value": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "parameters": pa.string(),
        "rows": pa.int64(),
        "seconds": pa.float64(),
        "peak_mb": pa.float64(),
        "data_version": pa.string(),
        "code_version": pa.string(),
        "seed": pa.int64(),
        "at": pa.timestamp("us", tz="UTC"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One candidate fitted.

    Attributes:
        version: its number in the registry, where it became a challenger; else 0.
        rows: it was fitted on.
        peak_mb: the most memory that the process had held by then; None where it is not known.
        fingerprint: of everything that decides what fitting comes to.
        at: when it was recorded, UTC.
    """

    candidate: str
    version: int
    as_of: date
    metric: str
    estimate: Estimate
    rows: int
    seconds: float
    peak_mb: float | None
    seed: int
    data_version: str
    code_version: str
    fingerprint: str
    parameters: Mapping[str, str]
    at: datetime


def record(manifest: dict[str, Any], now: datetime) -> None:
    """Adds the run to `runs`, once; a killed run's artifact gets its row by the next one."""
    metric = manifest["metric"]
    row = {
        "model": manifest["model"],
        "fingerprint": manifest["fingerprint"],
        "candidate": manifest["candidate"],
        "as_of": date.fromisoformat(manifest["plan"]["as_of"]),
        "metric": metric["name"],
        "value": metric["value"],
        "low": metric["low"],
        "high": metric["high"],
        "parameters": json.dumps(manifest["parameters"], sort_keys=True),
        "rows": manifest["rows"]["train"],
        "seconds": manifest["seconds"],
        "peak_mb": manifest["peak_mb"],
        "data_version": manifest["plan"]["data_version"],
        "code_version": manifest["code_version"],
        "seed": manifest["seed"],
        "at": now,
    }

    def add(rows: pa.Table) -> pa.Table:
        new = pa.Table.from_pylist([row], schema=SCHEMA)
        return new if not rows.num_rows else rows

    where = lake.equal(model=row["model"], fingerprint=row["fingerprint"])
    lake.change(TABLE, where, add, schema=SCHEMA, partition_by=["model"])


def trained_as_of(model: str) -> list[date]:
    """The days as of which the model was trained and judged, in order.

    A run that was killed after a fit judged nothing, so that its training is still due.
    """
    rows = lake.read(TABLE, lake.equal(model=model), columns=["fingerprint", "as_of"])
    if rows is None:
        return []
    judged = {event.path for event in registry.history(model)}
    found = zip(rows["fingerprint"].to_pylist(), rows["as_of"].to_pylist(), strict=True)
    return sorted({day for key, day in found if artifacts.place(model, key) in judged})


def runs(model: str) -> list[Run]:
    """The model's runs, the newest first."""
    rows = lake.read(TABLE, lake.equal(model=model))
    numbers = {each.artifact.path: each.number for each in registry.versions(model)}
    found = []
    for row in [] if rows is None else rows.to_pylist():
        known = {field.name: row.get(field.name) for field in fields(Run)}
        known["estimate"] = Estimate(row["value"], row["low"], row["high"])
        known["parameters"] = json.loads(row["parameters"])
        known["version"] = numbers.get(artifacts.place(model, row["fingerprint"]), 0)
        found.append(Run(**known))
    return sorted(found, key=lambda run: (run.as_of, run.at, run.candidate), reverse=True)


def choose(known: Sequence[Run], names: Sequence[str]) -> list[Run]:
    """The runs of these names: a version's number, or how a fingerprint begins.

    Raises:
        UsageError: there is no such run, or there are several.
    """
    chosen = []
    for name in names:
        found = [run for run in known if name.isdigit() and run.version == int(name)]
        found = found or [run for run in known if run.fingerprint.startswith(name)]
        if len(found) != 1:
            raise UsageError(f"{len(found) or 'no'} runs are called '{name}'; give more of its id")
        chosen += found
    return chosen


def differences(chosen: Sequence[Run]) -> dict[str, tuple[str, ...]]:
    """What is not the same in all of these runs, by its name: one value a run.

    Parameters that not all of them have tell of another kind of estimator only.
    """
    flat = [_flat(run) for run in chosen]
    names = [name for name in flat[0] if all(name in run for run in flat)]
    values = {name: tuple(run[name] for run in flat) for name in names}
    return {name: each for name, each in values.items() if len(set(each)) > 1}


def _flat(run: Run) -> dict[str, str]:
    own = {
        field.name: str(getattr(run, field.name))
        for field in fields(run)
        if field.name not in ("parameters", "fingerprint", "at", "seconds", "peak_mb")
    }
    return {**own, "seconds": f"{run.seconds:.1f}", **run.parameters}
