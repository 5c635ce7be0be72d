"""The spool: checked rows on local disk until every day's verdict is known."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from catalog.kinds import Dataset
from core import content, faults
from core.intervals import DAY, Interval
from core.load import checks
from core.reader.reading import ROW
from core.sources.landing import Landed

EPOCH = date(1970, 1, 1)
MONTH = "_month"
PORTION_ROWS = 2_000_000
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
        keys: of each block of good rows, a hash of each row's key, where there is one, and
            each row's day (since 1970); `compared_with` is the table's version that they
            were compared with, 0 where there was none.
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
        self.keys: list[tuple[content.Hashes, npt.NDArray[np.int32]]] = []
        self.compared_with = 0
        self.bad: Counter[date] = Counter()
        self.failed: defaultdict[date, Counter[str]] = defaultdict(Counter)
        self.samples: dict[tuple[date, str], str] = {}
        self.warned: Counter[tuple[date, str]] = Counter()
        self.broken: dict[date, str] = {}

    def __enter__(self) -> "Spool":
        self._open = ExitStack()
        self._begin()
        self.bad_file, self._bad = self._writer(
            QUARANTINE_SCHEMA.remove(len(QUARANTINE_SCHEMA) - 1)
        )
        return self

    def __exit__(self, *problem: object) -> None:
        self._open.close()

    def _begin(self) -> None:
        numbered = self.schema.remove(len(self.columns)).append(pa.field(ROW, pa.int64()))
        self.good_file, self._good = self._writer(numbered)
        self.good, self.content, self.keys = Counter(), Counter(), []
        self._places: list[int] = []  # of the file of each block

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
            keys = content.row_hashes(rows.select(list(self.dataset.key)))
            self.keys.append((keys, days.cast(pa.int32()).to_numpy()))
        for batch in known.append_column(ROW, rows[ROW]).to_batches():
            self._good.write_batch(batch)
            self._places.append(file)
            faults.reached(f"spooled {self.dataset.name}")

    def again(self) -> Iterator[tuple[pa.Table, int]]:
        """The good rows so far, block by block with their file, to be kept or put aside anew."""
        before, places = self.good_file, self._places
        self._good.close()
        self._begin()
        for batch, file in zip(_batches(before, len(self.columns) + 1), places, strict=True):
            yield pa.Table.from_batches([batch]), file
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
        }
        rows = pa.table(columns, schema=QUARANTINE_SCHEMA.remove(len(columns)))
        self._bad.write_table(rows)
        faults.reached(f"spooled bad of {self.dataset.name}")
        by_rule = rows.group_by(["day", "column", "rule"], use_threads=False)
        for each in by_rule.aggregate([("row", "count"), ("value", "first")]).to_pylist():
            rule = checks.rule_name(each["column"], each["rule"])
            self.failed[each["day"]][rule] += each["row_count"]
            self.samples.setdefault((each["day"], rule), each["value_first"] or "")

    def warn(self, rule: str, days: pa.ChunkedArray) -> None:
        """Counts rows that fail a rule that only warns."""
        found: Counter[date] = Counter()
        count(found, days)
        self.warned.update({(day, rule): number for day, number in found.items()})

    def good_rows(self, within: Interval) -> Iterator[pa.RecordBatch]:
        """The good rows of these days."""
        return _of_days(within, self.dataset.day, self.good_file, len(self.columns))

    def for_table(self, within: Interval) -> pa.RecordBatchReader:
        """The good rows of these days, as the table has them."""
        return _with_months(self.schema, self.dataset.day, self.good_rows(within))

    def for_quarantine(self, within: Interval) -> pa.RecordBatchReader:
        """The bad rows of these days."""
        rows = _of_days(within, "day", self.bad_file, len(QUARANTINE_SCHEMA) - 1)
        return _with_months(QUARANTINE_SCHEMA, "day", rows)

    def portions(self, within: Interval) -> Iterator[Interval]:
        """The days in stretches of about so many good rows as memory holds with ease."""
        start, rows = within.start, 0
        for day in within.days():
            if rows and rows + self.good[day] > PORTION_ROWS:
                yield Interval(start, day)
                start, rows = day, 0
            rows += self.good[day]
        yield Interval(start, within.end)


def _batches(file: str, fields: int) -> Iterator[pa.RecordBatch]:
    """Blocks of a spooled file, its first fields. A memory map's pages would count as memory."""
    options = pa.ipc.IpcReadOptions(included_fields=[*range(fields)])
    with pa.OSFile(file) as source:
        blocks = pa.ipc.open_file(source, options=options)
        for number in range(blocks.num_record_batches):
            yield blocks.get_batch(number)


def _of_days(within: Interval, day: str, file: str, fields: int) -> Iterator[pa.RecordBatch]:
    for rows in _batches(file, fields):
        chosen = inside(day_of(rows[day]), within)
        yield rows if pc.all(chosen).as_py() else rows.filter(chosen)


def _with_months(
    schema: pa.Schema, day: str, batches: Iterable[pa.RecordBatch]
) -> pa.RecordBatchReader:
    rows = (batch.append_column(MONTH, _month_of(day_of(batch[day]))) for batch in batches)
    return pa.RecordBatchReader.from_batches(schema, rows)


def day_of(moments: pa.ChunkedArray) -> pa.ChunkedArray:
    """The UTC day of each moment, or date."""
    return moments.cast(pa.timestamp("us")).cast(pa.date32(), safe=False)  # safe: only midnights


def inside(days: pa.Array, within: Interval) -> pa.Array:
    """Which of the days lie in the interval."""
    start, end = (pa.scalar(day, pa.date32()) for day in (within.start, within.end))
    return pc.and_(pc.greater_equal(days, start), pc.less(days, end))


def _month_of(days: pa.Array) -> pa.Array:
    encoded = days.dictionary_encode()  # strftime is slow, and days are few
    return pc.strftime(encoded.dictionary, "%Y-%m").take(encoded.indices)


def count(counter: Counter[date], days: pa.ChunkedArray) -> None:
    """Adds the rows of each day to a counter."""
    found = pc.value_counts(days)
    for day, rows in zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True):
        counter[day] += rows
