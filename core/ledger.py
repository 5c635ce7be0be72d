"""The ledger: one row a dataset-day, the last thing a load writes.

A day without a row is not done. The row says what became of the day, from which bytes, by
which contract and code, and what the accepted rows hash to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import pyarrow as pa
from deltalake import DeltaTable

from core import code, lake
from core.intervals import DAY, Interval

TABLE = "ledger"
LOAD = "load "  # how the note of a load's commit begins
LOOKED_BACK = 100  # commits, for a load that was cut off; what is older `verify` finds
SCHEMA = pa.schema(
    {
        "dataset": pa.string(),
        "day": pa.date32(),
        "status": pa.string(),
        "rows_read": pa.int64(),
        "rows_good": pa.int64(),
        "rows_bad": pa.int64(),
        "reason": pa.string(),
        "source_sha256": pa.string(),
        "contract": pa.string(),
        "content": pa.string(),
        "table_version": pa.int64(),
        "code_version": pa.string(),
        "run_id": pa.string(),
        "loaded_at": pa.timestamp("us", tz="UTC"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What became of one dataset-day.

    Attributes:
        status: `loaded`, `empty` (no rows, and none demanded), `refused`, or `skipped` (missed
            by the daily loop, and the dataset goes without missed days).
        reason: of a refusal.
        source_sha256: of the landed files the day came from, comma-separated.
        contract: hash of the rules it was judged by.
        content: hash of the accepted rows, whatever their order.
        table_version: the table's version after the commit; None where nothing was written.
    """

    dataset: str
    day: date
    status: Literal["loaded", "empty", "refused", "skipped"]
    rows_read: int
    rows_good: int
    rows_bad: int
    reason: str
    source_sha256: str
    contract: str
    content: str
    table_version: int | None
    code_version: str
    run_id: str
    loaded_at: datetime


def record(dataset: str, interval: Interval, entries: Sequence[Entry]) -> None:
    """Replaces the interval's rows of a dataset.

    Of two loads of a day at once the one that committed last has its rows in the table: its
    entry stays, whichever of them comes here last.
    """
    ours = {entry.day: entry for entry in entries}

    def decide(known: pa.Table) -> pa.Table:
        newest = lake.version(dataset) or 0
        kept = dict(ours)
        for row in known.to_pylist():
            our = ours.get(row["day"])
            if our and (our.table_version or 0) < (row["table_version"] or 0) <= newest:
                kept[row["day"]] = Entry(**row)
        return pa.Table.from_pylist([vars(entry) for entry in kept.values()], schema=SCHEMA)

    where = lake.equal(dataset=dataset) + lake.days("day", interval)
    note = f"{dataset} {interval}"
    lake.change(TABLE, where, decide, schema=SCHEMA, partition_by=["dataset"], note=note)


def entries(dataset: str, interval: Interval | None = None) -> list[Entry]:
    """The dataset's rows in order of day, all or those of an interval."""
    where = lake.equal(dataset=dataset) + (lake.days("day", interval) if interval else ())
    rows = lake.read(TABLE, where)
    found = [] if rows is None else [Entry(**row) for row in rows.to_pylist()]
    return sorted(found, key=lambda entry: entry.day)


@dataclass(frozen=True)
class Trust:
    """Whether a dataset may be used over an interval, and what its rows there hash to."""

    trusted: bool
    reason: str
    data_version: str
    table_version: int | None


def trust(dataset: str, interval: Interval) -> Trust:
    """Trusted means: every day of the interval is loaded, or rightly empty or skipped.

    Days before the dataset's first one are not missing: it had not begun.
    """
    known = entries(dataset)
    if not known:
        return Trust(False, f"{dataset} has never been loaded", "", None)
    table = lake.open_table(dataset)
    if table and (days := in_flux(table, known)):
        about = f"{dataset} {Interval(min(days), max(days) + DAY)}"
        reason = f"a load of {about} is under way or was cut off; let it end, or run it again"
        return Trust(False, reason, "", None)
    begun = max(interval.start, known[0].day)
    if begun >= interval.end:
        return Trust(False, f"{dataset} has no day before {interval.end}", "", None)
    by_day = {entry.day: entry for entry in known}
    hashes = []
    for day in Interval(begun, interval.end).days():
        entry = by_day.get(day)
        if entry is None:
            return Trust(False, f"{dataset} {day} has not been loaded", "", None)
        if entry.status == "refused":
            return Trust(False, f"{dataset} {day} was refused: {entry.reason}", "", None)
        hashes.append(f"{day} {entry.content}")
    return Trust(True, "", code.digest(*hashes), table.version() if table else None)


def in_flux(table: DeltaTable, known: Sequence[Entry]) -> set[date]:
    """The days whose rows were committed by a load that no ledger row speaks of yet."""
    found: set[date] = set()
    written = {entry.day: entry.table_version or 0 for entry in known}
    newer = table.version() - max(written.values(), default=0)
    for commit in table.history(max(newer, 0) + LOOKED_BACK):
        note = commit.get("note", "")
        if note.startswith(LOAD):
            days = Interval.parse(note.removeprefix(LOAD)).days()
            found |= {day for day in days if written.get(day, -1) < commit["version"]}
    return found
