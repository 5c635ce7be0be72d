"""The job without the loop around it: the fastest script we could write that checks the same.

It trusts the file and the disk, keeps no account of days and cannot be run twice:

    python -m benchmarks.bare <csv> <folder> [accounts]

With accounts it makes what the loop keeps of each day too, a hash of its rows and its profile,
from rows that it holds in memory: what these alone cost.
"""

import sys
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import write_deltalake
from pyarrow import csv

from core import content
from core.intervals import Interval
from core.load.spool import day_of, inside
from core.quality import profiles

BLOCK_BYTES = 4 << 20
EPOCHS = [date(1997, month, 1) for month in (1, 3, 5, 9)] + [date(1998, 1, 1), date(1998, 7, 1)]
TYPES = {
    "customer_id": pa.string(),
    "date": pa.timestamp("us"),
    "cds": pa.int64(),
    "amount": pa.float64(),
}


def failed(rows: pa.RecordBatch) -> pa.Array:
    """The first of the five rules that each row fails; null where it is good."""
    customer, cds, amount = rows["customer_id"], rows["cds"], rows["amount"]
    rules = {
        "customer_id": pc.and_(pc.equal(pc.binary_length(customer), 8), pc.utf8_is_digit(customer)),
        "cds is null": pc.is_valid(cds),
        "cds": pc.and_(pc.greater_equal(cds, 1), pc.less_equal(cds, 200)),
        "amount": pc.and_(pc.greater_equal(amount, 0), pc.less_equal(amount, 5_000)),
        "price_of_a_disc": pc.less_equal(amount, pc.multiply(cds, 500)),
    }
    first = pa.nulls(len(rows), pa.string())
    for rule, passed in reversed(rules.items()):
        if not pc.all(passed).as_py():
            first = pc.if_else(pc.fill_null(passed, True), first, rule)
    return first


def month(moments: pa.Array) -> pa.Array:
    """The month of each moment, formatted once a day: strftime is slow."""
    days = moments.cast(pa.int64()).dictionary_encode()
    return pc.strftime(days.dictionary.cast(moments.type), "%Y-%m").take(days.indices)


KINDS = {"customer_id": "string", "date": "datetime", "cds": "int", "amount": "float"}


def account(batches: list[pa.RecordBatch]) -> None:
    """Each day's hash, and its profile; half a year of rows is sorted at a time."""
    rows = pa.Table.from_batches(batches)
    days = day_of(rows["date"])
    for batch in batches:
        content.sum_by_day(content.row_hashes(pa.table(batch)), day_of(batch["date"]))
    for start, end in pairwise(EPOCHS):
        some = rows.filter(inside(days, Interval(start, end)))
        profiles.profile("sales", KINDS, "date", some)


def job(path: Path, folder: Path, accounts: str = "") -> None:
    """Reads, checks, puts bad rows aside and good ones into a Delta table by month."""
    kept: list[pa.RecordBatch] = []
    options = csv.ConvertOptions(column_types=TYPES)
    reader = csv.open_csv(path, csv.ReadOptions(block_size=BLOCK_BYTES), convert_options=options)
    aside = reader.schema.append(pa.field("rule", pa.string()))

    def good() -> Iterator[pa.RecordBatch]:
        with pq.ParquetWriter(folder / "bad.parquet", aside) as bad:
            for rows in reader:
                rule = failed(rows)
                if rule.null_count < len(rule):
                    bad.write_batch(rows.append_column("rule", rule).filter(pc.is_valid(rule)))
                    rows = rows.filter(pc.is_null(rule))
                if accounts:
                    kept.append(rows)
                yield rows.append_column("month", month(rows["date"]))

    schema = reader.schema.append(pa.field("month", pa.string()))
    rows = pa.RecordBatchReader.from_batches(schema, good())
    write_deltalake(folder / "sales", rows, partition_by=["month"])
    if accounts:
        account(kept)


if __name__ == "__main__":
    job(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
