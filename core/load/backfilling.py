"""Backfilling: a long interval in chunks, and which of them an interrupted run has finished."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow as pa

from catalog.kinds import Dataset, File
from core import lake
from core.intervals import Interval, utc_now
from core.load import contracts
from core.load.recording import Loaded

TABLE = "backfills"
SCHEMA = pa.schema(
    {
        "dataset": pa.string(),
        "start": pa.date32(),
        "end": pa.date32(),
        "contract": pa.string(),
        "chunk_start": pa.date32(),
        "chunk_end": pa.date32(),
        "finished_at": pa.timestamp("us", tz="UTC"),
    }
)
RESUMED_FOR = timedelta(days=1)  # later the source is asked again: it may have changed


def chunks(dataset: Dataset, interval: Interval) -> list[Interval]:
    """The interval by month, as tables are partitioned; whole where one file holds it all."""
    if isinstance(dataset.source, File) and not dataset.source.daily:
        return [interval]
    found, start = [], interval.start
    while start < interval.end:
        next_month = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
        found.append(Interval(start, min(next_month, interval.end)))
        start = next_month
    return found


def finished(
    dataset: Dataset, interval: Interval, *, now: datetime | None = None
) -> tuple[Interval, ...]:
    """The chunks that a run of the same backfill has finished lately, and was then cut off."""
    rows = lake.read(TABLE, _of(dataset, interval))
    since = (now or utc_now()) - RESUMED_FOR
    return tuple(
        Interval(row["chunk_start"], row["chunk_end"])
        for row in ([] if rows is None else rows.to_pylist())
        if row["finished_at"] >= since
    )


def finish(
    dataset: Dataset, interval: Interval, chunk: Interval, *, now: datetime | None = None
) -> None:
    """Records that a chunk is done."""
    row = {
        "dataset": dataset.name,
        "start": interval.start,
        "end": interval.end,
        "contract": contracts.contract_hash(dataset),
        "chunk_start": chunk.start,
        "chunk_end": chunk.end,
        "finished_at": now or utc_now(),
    }
    lake.append(TABLE, pa.Table.from_pylist([row], schema=SCHEMA))


def forget(dataset: Dataset, interval: Interval) -> None:
    """Ends a backfill: the next one begins anew."""
    where = _of(dataset, interval)
    known = lake.read(TABLE, where)
    if known is not None and known.num_rows:
        lake.replace(TABLE, SCHEMA.empty_table().to_reader, where, schema=SCHEMA)


def _of(dataset: Dataset, interval: Interval) -> lake.Where:
    contract = contracts.contract_hash(dataset)
    return lake.equal(
        dataset=dataset.name, start=interval.start, end=interval.end, contract=contract
    )


def merged(interval: Interval, loads: Sequence[Loaded]) -> Loaded:
    """What several loads did, as one."""
    versions = [load.table_version for load in loads if load.table_version is not None]
    return replace(
        loads[0],
        interval=interval,
        changed=any(load.changed for load in loads),
        days_loaded=sum(load.days_loaded for load in loads),
        days_empty=sum(load.days_empty for load in loads),
        refused=tuple(day for load in loads for day in load.refused),
        warnings=tuple(warning for load in loads for warning in load.warnings),
        rows_read=sum(load.rows_read for load in loads),
        rows_good=sum(load.rows_good for load in loads),
        rows_bad=sum(load.rows_bad for load in loads),
        rows_accepted=sum(load.rows_accepted for load in loads),
        table_version=max(versions, default=None),
    )
