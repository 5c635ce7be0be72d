"""Loading: landed bytes in, good rows to the table, bad ones to quarantine, one verdict a day.

The input streams through in blocks and is spooled, checked, to local files; only when every
day's verdict is known is anything committed, and the ledger is written last. Killed
anywhere, the next run makes it whole.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from catalog.kinds import Dataset
from core import checks, code, home, lake, ledger, profiles, reading
from core.errors import SourceRefused
from core.intervals import Interval, runs_of, utc_now
from core.landing import Landed
from core.reading import BAD, ROW
from core.spool import MONTH, QUARANTINE_SCHEMA, Spool, count, day_of, table_schema


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a load did.

    Attributes:
        changed: False where the ledger already said that these bytes are loaded by this contract.
        refused: each refused day with its reason.
        rows_accepted: the good rows of days that were not refused.
        table_version: of the dataset's table afterwards; None where there is none yet.
    """

    dataset: str
    interval: Interval
    changed: bool
    days_loaded: int
    days_empty: int
    refused: tuple[tuple[date, str], ...]
    rows_read: int
    rows_good: int
    rows_bad: int
    rows_accepted: int
    table_version: int | None


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
) -> Loaded:
    """Replaces the interval's days in the table by what the landed files hold for them.

    A day over its tolerance of bad rows is refused: the table keeps what it had for it.
    Days of daily files that upstream has not sent are left as they are. A dry run reads and
    checks, says what would be, and writes nothing.
    """
    if before := _already_done(dataset, interval, landed):
        return before
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder:
        spool = Spool(Path(folder), dataset)
        with spool:
            for file in landed:
                _read_file(dataset, interval, file, spool)
        days = [file.day for file in landed if file.day] or list(interval.days())
        reasons = {day: reason for day in days if (reason := _verdict(dataset, day, spool))}
        version = lake.version(dataset.name)
        if not dry_run:
            version = _commit(dataset, days, set(reasons), spool)
    entries = _entries(dataset, days, reasons, landed, spool, version, run_id, now or utc_now())
    for run in () if dry_run else runs_of(days):
        ledger.record(dataset.name, run, [entry for entry in entries if entry.day in run])
    return _summary(dataset, interval, entries, version, changed=True)


def skip(
    dataset: Dataset, days: Sequence[date], *, run_id: str = "", now: datetime | None = None
) -> None:
    """Enters days into the ledger that the dataset goes without."""
    for run in runs_of(days):
        entries = [
            ledger.Entry(
                dataset=dataset.name,
                day=day,
                status="skipped",
                rows_read=0,
                rows_good=0,
                rows_bad=0,
                reason="missed, and only the latest day counts",
                source_sha256="",
                contract=checks.contract_hash(dataset),
                content="",
                table_version=None,
                code_version=code.version(),
                run_id=run_id,
                loaded_at=now or utc_now(),
            )
            for day in run.days()
        ]
        ledger.record(dataset.name, run, entries)


def _already_done(dataset: Dataset, interval: Interval, landed: Sequence[Landed]) -> Loaded | None:
    known = {entry.day: entry for entry in ledger.entries(dataset.name, interval)}
    contract, whole = checks.contract_hash(dataset), _sha256s(landed, None)
    for day in [file.day for file in landed if file.day] or interval.days():
        entry = known.get(day)
        sha256s = _sha256s(landed, day) or whole
        if entry is None or entry.status in ("refused", "skipped") or entry.contract != contract:
            return None
        if entry.source_sha256 != sha256s:
            return None
    version = lake.version(dataset.name)
    return _summary(dataset, interval, list(known.values()), version, changed=False)


def _sha256s(landed: Sequence[Landed], day: date | None) -> str:
    return ",".join(file.sha256 for file in landed if file.day == day)


def _read_file(dataset: Dataset, interval: Interval, file: Landed, spool: Spool) -> None:
    blocks = reading.read(
        dataset.source,
        dataset.columns,
        dataset.day,
        lambda: home.open_read(file.path),
        file.origin,
    )
    within = Interval.of_day(file.day) if file.day else interval
    last_day: date | None = None
    try:
        for block in blocks:
            rows, bad, days = _dated(dataset, block, within, last_day, bool(file.day))
            if block.rows.num_rows:
                last_day = day_of(block.rows[dataset.day])[-1].as_py()
            count(spool.read, day_of(rows[dataset.day]))
            count(spool.read, days)
            good, failed = checks.check(dataset, rows)
            spool.keep(good)
            spool.put_aside(failed, day_of(failed["at"]), file)
            spool.put_aside(bad, days, file)
    except SourceRefused as error:
        for day in within.days():
            spool.broken[day] = str(error)


def _dated(
    dataset: Dataset, block: reading.Block, within: Interval, last_day: date | None, daily: bool
) -> tuple[pa.Table, pa.Table, pa.ChunkedArray]:
    """The block's rows and bad rows that belong to the interval, and the bad rows' days.

    In a file for one day, a row of another day is bad. In a file of many days other days are
    not this load's business, and a bad row without a readable day counts to the day of the
    row before it: whichever interval is loaded, exactly one day sees it.
    """
    rows, bad = block.rows, block.bad
    inside = _inside(day_of(rows[dataset.day]), within)
    if daily:
        outside = rows.filter(pc.invert(inside))
        bad = pa.concat_tables([bad, _foreign(dataset, outside)]) if outside.num_rows else bad
        days = pa.chunked_array([pa.repeat(pa.scalar(within.start, pa.date32()), bad.num_rows)])
        return rows.filter(inside), bad, days
    days = day_of(bad["at"])
    if days.null_count:
        days = _days_before(block, dataset.day, last_day or within.start)
    kept = _inside(days, within)
    return rows.filter(inside), bad.filter(kept), days.filter(kept)


def _days_before(block: reading.Block, day_column: str, first: date) -> pa.ChunkedArray:
    import pandas as pd

    known = pd.Series(day_of(block.rows[day_column]).to_pandas().array, index=block.rows[ROW])
    asked = pd.Series(day_of(block.bad["at"]).to_pandas().array, index=block.bad[ROW])
    merged = pd.concat([known, asked]).sort_index().ffill().fillna(first)
    return pa.chunked_array([pa.array(merged[asked.index], pa.date32())])


def _foreign(dataset: Dataset, rows: pa.Table) -> pa.Table:
    count = rows.num_rows
    raw = rows.drop([ROW]).to_pandas().to_json(orient="records", lines=True, date_format="iso")
    columns = {
        ROW: rows[ROW],
        "at": rows[dataset.day],
        "column": pa.repeat(dataset.day, count),
        "rule": pa.repeat("outside the file's day", count),
        "value": rows[dataset.day].cast(pa.string()),
        "raw": pa.array(raw.splitlines(), pa.string()),
    }
    return pa.table(columns, schema=BAD)


def _inside(days: pa.ChunkedArray, interval: Interval) -> pa.ChunkedArray:
    start, end = (pa.scalar(day, pa.date32()) for day in (interval.start, interval.end))
    return pc.and_(pc.greater_equal(days, start), pc.less(days, end))


def _verdict(dataset: Dataset, day: date, spool: Spool) -> str:
    """Why the day is refused; empty where it is not."""
    read, good, bad = spool.read[day], spool.good[day], spool.bad[day]
    if good + bad != read:
        raise AssertionError(f"{dataset.name} {day}: {good} good + {bad} bad is not {read} read")
    if day in spool.broken:
        return spool.broken[day]
    if read < dataset.min_rows:
        return f"{read} rows, at least {dataset.min_rows} are expected"
    if read and bad / read > dataset.max_bad_share:
        share, limit = bad / read, dataset.max_bad_share
        return f"{bad} of {read} rows are bad ({share:.1%}, {limit:.1%} are tolerated)"
    return ""


def _commit(dataset: Dataset, days: list[date], refused: set[date], spool: Spool) -> int | None:
    good, bad = spool.rows()
    for run in runs_of(days):
        _replace_quarantine(dataset, run, bad)
    accepted = [day for day in days if day not in refused]
    version = lake.version(dataset.name)
    for run in runs_of(accepted):
        within = lake.moments(dataset.day, run)
        wanted = _expression(within)
        rows = good.filter(wanted)
        version = lake.replace(
            dataset.name,
            lambda rows=rows: rows.scanner().to_reader(),  # type: ignore[misc]
            within,
            schema=table_schema(dataset),
            partition_by=[MONTH],
            note=f"{ledger.LOAD}{run}",
        )
        profiled = profiles.profile(dataset.name, dataset.columns, dataset.day, good, wanted)
        profiles.record(dataset.name, run, profiled)
    return version


def _replace_quarantine(dataset: Dataset, run: Interval, bad: ds.Dataset) -> None:
    where = lake.days("day", run)
    rows = bad.filter(_expression(where))
    table = quarantine(dataset.name)
    if rows.count_rows() == 0 and not (lake.read(table, where, columns=["row"]) or ()):
        return
    lake.replace(
        table,
        lambda: rows.scanner().to_reader(),
        where,
        schema=QUARANTINE_SCHEMA,
        partition_by=[MONTH],
        note=f"{ledger.LOAD}{run}",
    )


def _expression(where: lake.Where) -> ds.Expression:
    first, second = (condition.expression() for condition in where)
    return first & second


def _entries(
    dataset: Dataset,
    days: list[date],
    reasons: dict[date, str],
    landed: Sequence[Landed],
    spool: Spool,
    version: int | None,
    run_id: str,
    now: datetime,
) -> list[ledger.Entry]:
    whole, contract = _sha256s(landed, None), checks.contract_hash(dataset)
    return [
        ledger.Entry(
            dataset=dataset.name,
            day=day,
            status="refused" if day in reasons else "loaded" if spool.good[day] else "empty",
            rows_read=spool.read[day],
            rows_good=spool.good[day],
            rows_bad=spool.bad[day],
            reason=reasons.get(day, ""),
            source_sha256=_sha256s(landed, day) or whole,
            contract=contract,
            content=f"{spool.content[day] % 2**64:016x}",
            table_version=version,
            code_version=code.version(),
            run_id=run_id,
            loaded_at=now,
        )
        for day in days
    ]


def _summary(
    dataset: Dataset,
    interval: Interval,
    entries: Sequence[ledger.Entry],
    version: int | None,
    *,
    changed: bool,
) -> Loaded:
    return Loaded(
        dataset=dataset.name,
        interval=interval,
        changed=changed,
        days_loaded=sum(entry.status == "loaded" for entry in entries),
        days_empty=sum(entry.status == "empty" for entry in entries),
        refused=tuple((entry.day, entry.reason) for entry in entries if entry.status == "refused"),
        rows_read=sum(entry.rows_read for entry in entries),
        rows_good=sum(entry.rows_good for entry in entries),
        rows_bad=sum(entry.rows_bad for entry in entries),
        rows_accepted=sum(entry.rows_good for entry in entries if entry.status == "loaded"),
        table_version=version,
    )
