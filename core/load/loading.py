"""Loading: landed bytes in, good rows to the table, bad ones to quarantine, one verdict a day.

The input streams through in blocks and is spooled, checked, to local files; only when every
day's verdict is known is anything committed, and the ledger is written last. Killed
anywhere, the next run makes it whole.
"""

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import date, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa

from catalog.kinds import Dataset
from core import home, lake, ledger
from core.errors import SourceRefused
from core.intervals import Interval, runs_of, utc_now
from core.load import checks, contracts, evolution, recording, relations, verdicts
from core.load.dating import Dated, dated
from core.load.spool import MONTH, QUARANTINE_SCHEMA, Spool, count, day_of
from core.quality import profiles
from core.reader import reading
from core.reader.refusing import listed, refuse
from core.sources.landing import Landed

AHEAD = 2  # blocks that are read before their turn


def quarantine(dataset: str) -> str:
    """The name of a dataset's table of bad rows."""
    return f"{dataset}_quarantine"


def load(
    dataset: Dataset,
    interval: Interval,
    landed: Sequence[Landed],
    *,
    run_id: str = "",
    now: datetime | None = None,
    dry_run: bool = False,
    allow_breaking: bool = False,
    anew: bool = False,
) -> recording.Loaded:
    """Replaces the interval's days in the table by what the landed files hold for them.

    A day over its tolerance of bad rows is refused: the table keeps what it had for it.
    Days of daily files that upstream has not sent are left as they are. A dry run reads and
    checks, says what would be, and writes nothing. Bytes that are loaded already are left
    alone, unless they are to be judged anew: what they are checked against may have changed.

    Raises:
        ContractBroken: the declaration does not fit the rows there are; `allow_breaking` has
            them converted.
        DataRefused: what it is checked against is not there.
    """
    change = evolution.check(dataset, allow_breaking=allow_breaking)
    if not anew and (before := recording.already_done(dataset, interval, landed)):
        return before
    days = [file.day for file in landed if file.day] or list(interval.days())
    days = list(dict.fromkeys(days))
    relations.require_upstream(dataset, days)
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder:
        spool = Spool(Path(folder), dataset, landed, _added(dataset, landed))
        with spool:
            for place, file in enumerate(landed):
                _read_file(dataset, interval, place, file, spool)
            relations.sift(dataset, days, spool)
        off = relations.off_totals(dataset, days, spool)
        reasons = verdicts.refusals(dataset, days, spool, off)
        version = lake.version(dataset.name)
        if not dry_run:
            if change.kind == "breaking":
                evolution.migrate(dataset)
            contracts.record(dataset, change, now=now)
            version = _commit(dataset, days, set(reasons), spool)
    entries = recording.entries(
        dataset, days, reasons, landed, spool, version, run_id, now or utc_now()
    )
    for run in () if dry_run else runs_of(days):
        ledger.record(dataset.name, run, [entry for entry in entries if entry.day in run])
    warned = verdicts.warnings(dataset, days, spool, off)
    return recording.summary(dataset, interval, entries, version, warned, changed=True)


def _added(dataset: Dataset, landed: Sequence[Landed]) -> list[str]:
    """The columns that the files have and the schema has not, where these are to be added."""
    if dataset.extra_columns != "add":
        return []
    found: dict[str, None] = {}
    for file in landed:
        with suppress(SourceRefused):  # said, for its days, when it is read
            found |= dict.fromkeys(_undeclared(dataset, file))
    return [*found]


def _undeclared(dataset: Dataset, file: Landed) -> list[str]:
    names = reading.header(dataset.source, lambda: home.open_read(file.path), file.origin)
    return [name for name in names if name not in dataset.columns]


def _read_file(
    dataset: Dataset, interval: Interval, place: int, file: Landed, spool: Spool
) -> None:
    optional = [name for name in spool.columns if name not in dataset.columns]
    optional += [name for name, column in dataset.checks.columns.items() if not column.required]
    blocks = reading.read(
        dataset.source,
        spool.columns,
        dataset.day,
        lambda: home.open_read(file.path),
        file.origin,
        nullable=optional,
    )
    within = Interval.of_day(file.day) if file.day else interval
    try:
        if dataset.extra_columns == "refuse" and (extra := _undeclared(dataset, file)):
            raise refuse(
                file.origin,
                f"column {listed(extra)}: expected none of that name",
                "declare it, or have it left out",
            )
        parts = dated(dataset, blocks, within, daily=bool(file.day))
        for (rows, bad, days), checked in _checked(dataset, parts):
            row_days = day_of(rows[dataset.day])
            count(spool.read, row_days)
            count(spool.read, days)
            for rule, failed in checked.warned.items():
                spool.warn(rule, row_days.filter(failed))
            spool.keep(checked.good, place)
            spool.put_aside(checked.bad, day_of(checked.bad["at"]), place)
            spool.put_aside(bad, days, place)
    except SourceRefused as error:
        for day in within.days():
            spool.broken[day] = str(error)


def _checked(dataset: Dataset, parts: Iterable[Dated]) -> Iterator[tuple[Dated, checks.Checked]]:
    """Checks in a thread of its own while more is read; what is read is in its order."""
    waiting: deque[tuple[Dated, Future[checks.Checked]]] = deque()
    broken = None
    with ThreadPoolExecutor(1) as aside:
        try:
            for part in parts:
                waiting.append((part, aside.submit(checks.check, dataset, part.rows)))
                if len(waiting) > AHEAD:
                    part, checked = waiting.popleft()
                    yield part, checked.result()
        except SourceRefused as error:
            broken = error
        for part, checked in waiting:
            yield part, checked.result()
    if broken:
        raise broken


def _commit(dataset: Dataset, days: list[date], refused: set[date], spool: Spool) -> int | None:
    for run in runs_of(days):
        _replace_quarantine(dataset, run, spool)
    version = lake.version(dataset.name)
    for number, run in enumerate(runs_of(day for day in days if day not in refused), 1):
        with ThreadPoolExecutor(1) as aside:
            profiled = aside.submit(_profile, dataset, run, spool)
            version = lake.replace(
                dataset.name,
                partial(spool.for_table, run),
                lake.moments(dataset.day, run),
                schema=spool.schema,
                partition_by=[MONTH],
                note=f"{ledger.LOAD}{run}",
            )
        if dataset.key and version > spool.compared_with + number:
            relations.require_alone(dataset, days, run, spool, version)
        profiles.record(dataset.name, run, profiled.result())
    return version


def _profile(dataset: Dataset, run: Interval, spool: Spool) -> pa.Table:
    found = []
    for days in spool.portions(run):
        rows = pa.Table.from_batches(spool.good_rows(days), spool.schema.remove(len(spool.columns)))
        found.append(profiles.profile(dataset.name, spool.columns, dataset.day, rows))
    return pa.concat_tables(found)


def _replace_quarantine(dataset: Dataset, run: Interval, spool: Spool) -> None:
    where, table = lake.days("day", run), quarantine(dataset.name)
    if not any(spool.bad[day] for day in run.days()) and not lake.holds(table, where):
        return
    lake.replace(
        table,
        partial(spool.for_quarantine, run),
        where,
        schema=QUARANTINE_SCHEMA,
        partition_by=[MONTH],
        note=f"{ledger.LOAD}{run}",
    )
