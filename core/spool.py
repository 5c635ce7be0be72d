"""The spool: checked rows on local disk until every day's verdict is known."""

from collections import Counter
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from catalog.kinds import Dataset
from core import content
from core.intervals import DAY
from core.landing import Landed
from core.reading import ROW

EPOCH = date(1970, 1, 1)
MONTH = "_month"
TYPES = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "datetime": pa.timestamp("us", tz="UTC"),
}
QUARANTINE_SCHEMA = pa.schema(
    {
        "day": pa.date32(),
        "file": pa.string(),
        "row": pa.int64(),
        "column": pa.string(),
        "rule": pa.string(),
        "value": pa.string(),
        "raw": pa.string(),
        MONTH: pa.string(),
    }
)


def table_schema(dataset: Dataset) -> pa.schema:
    """The Delta table's columns: the declared ones and the month it is partitioned by."""
    columns = [(name, TYPES[kind]) for name, kind in dataset.columns.items()]
    return pa.schema([*columns, (MONTH, pa.string())])


class Spool:
    """Checked rows on local disk, and what was counted on the way."""

    def __init__(self, folder: Path, dataset: Dataset) -> None:
        self.dataset = dataset
        self.good_file, self.bad_file = folder / "good.arrow", folder / "bad.arrow"
        self.read: Counter[date] = Counter()
        self.good: Counter[date] = Counter()
        self.bad: Counter[date] = Counter()
        self.content: Counter[date] = Counter()
        self.broken: dict[date, str] = {}

    def __enter__(self) -> "Spool":
        self._open = ExitStack()
        self._good = self._writer(self.good_file, table_schema(self.dataset))
        self._bad = self._writer(self.bad_file, QUARANTINE_SCHEMA)
        return self

    def __exit__(self, *problem: object) -> None:
        self._open.close()

    def _writer(self, file: Path, schema: pa.Schema) -> pa.RecordBatchFileWriter:
        sink = self._open.enter_context(pa.OSFile(str(file), "wb"))
        return self._open.enter_context(pa.ipc.new_file(sink, schema))

    def keep(self, rows: pa.Table) -> None:
        """Spools good rows."""
        days = day_of(rows[self.dataset.day])
        count(self.good, days)
        rows = rows.select(list(self.dataset.columns))
        for number, value in content.sum_by_day(content.row_hashes(rows), days).items():
            self.content[EPOCH + number * DAY] += value
        self._good.write_table(rows.append_column(MONTH, month_of(days)))

    def put_aside(self, bad: pa.Table, days: pa.ChunkedArray, file: Landed) -> None:
        """Spools bad rows with the day each is counted to."""
        count(self.bad, days)
        columns = {
            "day": days,
            "file": pa.repeat(file.path, bad.num_rows),
            "row": bad[ROW],
            **{name: bad[name] for name in ("column", "rule", "value", "raw")},
            MONTH: month_of(days),
        }
        self._bad.write_table(pa.table(columns, schema=QUARANTINE_SCHEMA))

    def rows(self) -> tuple[ds.Dataset, ds.Dataset]:
        """What was spooled, good and bad, to be read as streams."""
        good, bad = str(self.good_file), str(self.bad_file)
        return ds.dataset(good, format="arrow"), ds.dataset(bad, format="arrow")


def day_of(moments: pa.ChunkedArray) -> pa.ChunkedArray:
    """The UTC day of each moment."""
    return pc.cast(pc.floor_temporal(moments, unit="day"), pa.date32())


def month_of(days: pa.ChunkedArray) -> pa.ChunkedArray:
    """The month of each day, as tables are partitioned by."""
    return pc.strftime(days, "%Y-%m")


def count(counter: Counter[date], days: pa.ChunkedArray) -> None:
    """Adds the rows of each day to a counter."""
    for pair in pc.value_counts(days).to_pylist():
        counter[pair["values"]] += pair["counts"]
