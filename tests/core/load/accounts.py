"""What is to become of generated files: every row once, and a verdict for every day."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any

from core import lake, ledger
from core.intervals import Interval
from tests.core.load.accounted import COLUMNS, UNKNOWN, Fault, Row, content

BY_CHECKS = ("not_nullable", "greater_than_or_equal_to", UNKNOWN)  # not by the reader
STRANGER, REPEATED = ("at", "outside the file's day"), (None, "key")

Filed = tuple[date, str, int, str | None, str]  # day, sha256 of the file, row, column, rule


@dataclass(frozen=True)
class Sent:
    """A file of upstream; `day` is the one it was sent for, None where it holds many."""

    rows: tuple[Row, ...]
    kind: str
    day: date | None = None

    @property
    def data(self) -> bytes:
        return content(self.rows, self.kind)

    @property
    def is_refused(self) -> bool:
        """Of which more than half cannot be read."""
        count = sum(not row.is_blank for row in self.rows)
        return sum(row.is_misformed for row in self.rows) > max(1, count // 2)


@dataclass
class State:
    """A dataset: its table's rows, its quarantine, and of each day what the ledger says."""

    table: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    quarantine: Counter[Filed] = field(default_factory=Counter)
    days: dict[date, tuple[str, int, int, int]] = field(default_factory=dict)


def found(dataset: str) -> State:
    """What there is."""
    rows, bad = lake.read(dataset), lake.read(f"{dataset}_quarantine")
    state = State()
    for row in [] if rows is None else rows.to_pylist():
        state.table[tuple(row[name] for name in COLUMNS)] += 1
    for row in [] if bad is None else bad.to_pylist():
        file = row["file"].rpartition("/")[2].partition(".")[0]
        state.quarantine[row["day"], file, row["row"], row["column"], row["rule"]] += 1
    for entry in ledger.entries(dataset):
        counts = entry.rows_read, entry.rows_good, entry.rows_bad
        state.days[entry.day] = entry.status, *counts
    return state


def expected(files: Sequence[Sent], within: Interval, *, related: bool, share: float) -> State:
    """What a load of these files for these days must leave.

    Args:
        files: in the order in which they are landed.
        within: the days that are loaded.
        related: whether ids are a key, and `who` must be known.
        share: of bad rows, above which a day is refused.
    """
    days = list(dict.fromkeys(file.day for file in files if file.day)) or [*within.days()]
    good: dict[date, list[tuple[Any, ...]]] = {day: [] for day in days}
    bad: dict[date, list[Filed]] = {day: [] for day in days}
    keys: set[str] = set()
    for day, file, number, row, fault in sorted(_dated(files, within), key=lambda each: each[:3]):
        if not fault and related and row.values[0] in keys:
            fault = REPEATED
        if not fault or (fault[1] == UNKNOWN and not related):
            keys.add(row.values[0])
            good[day].append(row.values)
        else:
            bad[day].append((day, sha256(files[file].data).hexdigest(), number, *fault))
    broken = {
        day for file in files if file.is_refused for day in ([file.day] if file.day else days)
    }
    state = State()
    for day in days:
        read = len(good[day]) + len(bad[day])
        refused = day in broken or (read and len(bad[day]) / read > share)
        status = "refused" if refused else "loaded" if good[day] else "empty"
        state.table.update([] if refused else good[day])
        state.quarantine.update(bad[day])
        state.days[day] = status, read, len(good[day]), len(bad[day])
    return state


def _dated(
    files: Sequence[Sent], within: Interval
) -> Iterator[tuple[date, int, int, Row, Fault | None]]:
    """Each row that is this load's business: day, file, number in it, the row, its fault."""
    for place, file in enumerate(files):
        rows = [row for row in file.rows if not row.is_blank]
        days = [row.day for row in rows if row.day]
        before = days[0] if days else within.start
        for number, row in enumerate(rows, 1):
            before = row.day or before
            if file.day:
                by_reader = row.fault and row.fault[1] not in BY_CHECKS
                strange = row.day and row.day != file.day and not by_reader
                yield file.day, place, number, row, STRANGER if strange else row.fault
            elif before in within:
                yield before, place, number, row, row.fault
