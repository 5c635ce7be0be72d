"""The spool: checked rows on local disk until every day's verdict is known."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from catalog.kinds import Dataset
from core import checks, content
from core.intervals import DAY
from core.landing import Landed
from core.reading import ROW

EPOCH = date(1970, 1, 1)
MONTH, FILE = "_month", "_file"
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


def table_schema(columns: Mapping[str, str]) -> pa.schema:
    """The Delta table's columns: a dataset's own and the month it is partitioned by."""
    typed = [(name, TYPES[kind]) for name, kind in columns.items()]
    return pa.schema([*typed, (MONTH, pa.string())])


class Spool:
    """Checked rows on local disk, and what was counted on the way.

    Attributes:
        columns: the table's, those that are added because the files have them included.
        read: rows of each day; `good` and `bad` are its two parts.
        content: a hash of each day's good rows.
        keys: of each block of good rows, a hash of each row's key, where there is one.
        failed: rows by day and blocking rule, `samples` with the first value of each.
        warned: rows by day and rule that only warns.
        broken: why a day is refused, whatever its rows are.
    """

    def __init__(
        self, folder: Path, dataset: Dataset, files: Sequence[Landed], added: Sequence[str] = ()
    ) -> None:
        self.dataset, self.files = dataset, files
        self.columns = {**dataset.columns, **dict.fromkeys(added, "string")}
        self.schema = table_schema(self.columns)
        self._folder, self._names = folder, iter(range(1 << 30))
        self.read: Counter[date] = Counter()
        self.good: Counter[date] = Counter()
        self.content: Counter[date] = Counter()
        self.keys: list[content.Hashes] = []
        self.bad: Counter[date] = Counter()
        self.failed: Counter[tuple[date, str]] = Counter()
        self.samples: dict[tuple[date, str], str] = {}
        self.warned: Counter[tuple[date, str]] = Counter()
        self.broken: dict[date, str] = {}

    def __enter__(self) -> "Spool":
        self._open = ExitStack()
        self._begin()
        self.bad_file, self._bad = self._writer(QUARANTINE_SCHEMA)
        return self

    def __exit__(self, *problem: object) -> None:
        self._open.close()

    def _begin(self) -> None:
        numbered = self.schema.append(pa.field(ROW, pa.int64())).append(pa.field(FILE, pa.int32()))
        self.good_file, self._good = self._writer(numbered)
        self.good, self.content, self.keys = Counter(), Counter(), []

    def _writer(self, schema: pa.Schema) -> tuple[str, pa.RecordBatchFileWriter]:
        file = str(self._folder / f"{next(self._names)}.arrow")
        return file, self._open.enter_context(pa.ipc.new_file(file, schema))

    def keep(self, rows: pa.Table, file: int) -> None:
        """Spools good rows of a landed file, given by its place."""
        days = day_of(rows[self.dataset.day])
        count(self.good, days)
        known = rows.select(list(self.columns))
        for number, value in content.sum_by_day(content.row_hashes(known), days).items():
            self.content[EPOCH + number * DAY] += value
        if self.dataset.key:
            self.keys.append(content.row_hashes(rows.select(list(self.dataset.key))))
        known = known.append_column(MONTH, month_of(days)).append_column(ROW, rows[ROW])
        places = pa.repeat(pa.scalar(file, pa.int32()), rows.num_rows)
        self._good.write_table(known.append_column(FILE, places))

    def again(self) -> Iterator[tuple[pa.Table, int]]:
        """The good rows so far, block by block with their file, to be kept or put aside anew."""
        before = self.good_file
        self._good.close()
        self._begin()
        with pa.memory_map(before) as source:
            blocks = pa.ipc.open_file(source)
            for number in range(blocks.num_record_batches):
                rows = pa.Table.from_batches([blocks.get_batch(number)])
                if rows.num_rows:
                    yield rows, rows[FILE][0].as_py()
        Path(before).unlink()

    def put_aside(self, bad: pa.Table, days: pa.ChunkedArray, file: int) -> None:
        """Spools bad rows with the day each is counted to."""
        if not bad.num_rows:
            return
        count(self.bad, days)
        columns = {
            "day": days,
            "file": pa.repeat(self.files[file].path, bad.num_rows),
            "row": bad[ROW],
            **{name: bad[name] for name in ("column", "rule", "value", "raw")},
            MONTH: month_of(days),
        }
        rows = pa.table(columns, schema=QUARANTINE_SCHEMA)
        self._bad.write_table(rows)
        by_rule = rows.group_by(["day", "column", "rule"], use_threads=False)
        for each in by_rule.aggregate([("row", "count"), ("value", "first")]).to_pylist():
            key = each["day"], checks.rule_name(each["column"], each["rule"])
            self.failed[key] += each["row_count"]
            self.samples.setdefault(key, each["value_first"] or "")

    def warn(self, rule: str, days: pa.ChunkedArray) -> None:
        """Counts rows that fail a rule that only warns."""
        found: Counter[date] = Counter()
        count(found, days)
        self.warned.update({(day, rule): number for day, number in found.items()})

    def rows(self) -> tuple[ds.Dataset, ds.Dataset]:
        """What was spooled, good and bad, to be read as streams."""
        good = ds.dataset(self.good_file, format="arrow", schema=self.schema)
        return good, ds.dataset(self.bad_file, format="arrow")


def day_of(moments: pa.ChunkedArray) -> pa.ChunkedArray:
    """The UTC day of each moment."""
    return moments.cast(pa.timestamp("us")).cast(pa.date32(), safe=False)  # safe: only midnights


def month_of(days: pa.ChunkedArray) -> pa.Array:
    """The month of each day, as tables are partitioned by."""
    encoded = days.combine_chunks().dictionary_encode()  # strftime is slow, and days are few
    return pc.strftime(encoded.dictionary, "%Y-%m").take(encoded.indices)


def count(counter: Counter[date], days: pa.ChunkedArray) -> None:
    """Adds the rows of each day to a counter."""
    for pair in pc.value_counts(days).to_pylist():
        counter[pair["values"]] += pair["counts"]
