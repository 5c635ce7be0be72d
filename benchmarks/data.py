"""CDNOW, replicated: each replica has customers of its own, who buy on the sample's own days."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

SAMPLE = Path(__file__).parent.parent / "data" / "cdnow.csv.gz"
CUSTOMERS = 23_570
DAYS = 546
TYPES = {"customer_id": pa.string(), "date": pa.date32(), "cds": pa.int64(), "amount": pa.string()}
SPOILED = (("customer_id", "x"), ("cds", 0), ("cds", None), ("amount", "-1.00"), ("amount", "4999"))


def history(path: Path, rows: int, bad_share: float = 0.01, seed: int = 0) -> Path:
    """Writes so many rows in the sample's order, a share of them bad; keeps a file it finds."""
    if path.exists():
        return path
    sample, random = _sample(), np.random.default_rng(seed)
    aside = path.with_suffix(".part")
    with csv.CSVWriter(aside, sample.schema, write_options=_STYLE) as writer:
        for replica in range(-(-rows // sample.num_rows)):
            some = sample.slice(0, rows - replica * sample.num_rows)
            writer.write(_spoil(_of_replica(some, replica), bad_share, random))
    aside.rename(path)
    return path


def one_day(path: Path, day: date, rows: int) -> Path:
    """Writes a day's file of so many rows."""
    sample = _sample()
    sample = sample.set_column(1, "date", pa.repeat(pa.scalar(day), sample.num_rows))
    whole = [_of_replica(sample, replica) for replica in range(-(-rows // sample.num_rows))]
    csv.write_csv(pa.concat_tables(whole).slice(0, rows), path, _STYLE)
    return path


_STYLE = csv.WriteOptions(quoting_style="none")


def _sample() -> pa.Table:
    return csv.read_csv(SAMPLE, convert_options=csv.ConvertOptions(column_types=TYPES))


def _of_replica(rows: pa.Table, replica: int) -> pa.Table:
    customers = pc.add(rows["customer_id"].cast(pa.int64()), replica * CUSTOMERS)
    return rows.set_column(0, "customer_id", pc.utf8_lpad(customers.cast(pa.string()), 8, "0"))


def _spoil(rows: pa.Table, share: float, random: np.random.Generator) -> pa.Table:
    """Breaks each of the five rules in a fifth of the share of rows."""
    which = random.integers(0, len(SPOILED), rows.num_rows)
    which[random.random(rows.num_rows) >= share] = -1
    for number, (column, value) in enumerate(SPOILED):
        spoiled = pa.scalar(value, rows.schema.field(column).type)
        fixed = pc.if_else(pa.array(which == number), spoiled, rows[column])
        rows = rows.set_column(rows.schema.get_field_index(column), column, fixed)
    return rows
