"""The registry's events: only ever added, by compare-and-set on all events of a model."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import pyarrow as pa

from catalog.declaring import NAME
from core import lake
from core.errors import UsageError
from core.intervals import utc_now
from core.models.artifacts import Artifact

TABLE = "registry"
SCHEMA = pa.schema(
    {
        "model": pa.string(),
        "number": pa.int64(),
        "version": pa.int64(),
        "event": pa.string(),
        "by": pa.string(),
        "reason": pa.string(),
        "path": pa.string(),
        "sha256": pa.string(),
        "at": pa.timestamp("us", tz="UTC"),
    }
)
Event = Literal["registered", "approved", "promoted", "rolled_back", "rejected", "retired"]
Decisions = list[tuple[int, Event, Artifact]]


@dataclass(frozen=True)
class Record:
    """One event. `number` counts a model's events; `sha256` is the manifest's."""

    model: str
    number: int
    version: int
    event: Event
    by: str
    reason: str
    path: str
    sha256: str
    at: datetime

    @property
    def artifact(self) -> Artifact:
        """What the event speaks of."""
        return Artifact(self.path, self.sha256)


def history(model: str) -> list[Record]:
    """All events of a model, oldest first."""
    rows = lake.read(TABLE, lake.equal(model=model))
    return _records(rows) if rows is not None else []


def append(
    model: str,
    decide: Callable[[list[Record]], Decisions],
    by: str,
    reason: str,
    now: datetime | None,
) -> tuple[list[Record], bool]:
    """Adds the events that `decide` returns; returns all events and whether any is new.

    Raises:
        UsageError: the model's name is none.
    """
    if not re.fullmatch(NAME, model):
        raise UsageError(f"{model!r} is no name of a model; see catalog/models")
    result: list[Record] = []
    added = False

    def change(rows: pa.Table) -> pa.Table:
        nonlocal added
        result[:] = _records(rows)
        decided = decide(list(result))
        added = bool(decided)
        if not added:
            return rows
        for version, event, of in decided:
            number, at = len(result) + 1, now or utc_now()
            new = Record(model, number, version, event, by, reason, of.path, of.sha256, at)
            result.append(new)
        return pa.Table.from_pylist([asdict(each) for each in result], schema=SCHEMA)

    where = lake.equal(model=model)
    lake.change(TABLE, where, change, schema=SCHEMA, partition_by=["model"], note=f"{model}")
    return result, added


def _records(rows: pa.Table) -> list[Record]:
    found = [Record(**row) for row in rows.select(SCHEMA.names).to_pylist()]
    return sorted(found, key=lambda record: record.number)
