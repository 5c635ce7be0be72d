"""What the ledger is told of each day of a load, and what a load says of itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from catalog.kinds import Dataset
from core import code, lake, ledger
from core.intervals import Interval, runs_of, utc_now
from core.load import contracts
from core.load.spool import Spool
from core.sources.landing import Landed


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a load did.

    Attributes:
        changed: False where the ledger already said that these bytes are loaded by this contract.
        refused: each refused day with its reason.
        warnings: day, rule and words of each rule that only warns and failed too often.
        rows_accepted: the good rows of days that were not refused.
        table_version: of the dataset's table afterwards; None where there is none yet.
    """

    dataset: str
    interval: Interval
    changed: bool
    days_loaded: int
    days_empty: int
    refused: tuple[tuple[date, str], ...]
    warnings: tuple[tuple[date, str, str], ...]
    rows_read: int
    rows_good: int
    rows_bad: int
    rows_accepted: int
    table_version: int | None


def entries(
    dataset: Dataset,
    days: list[date],
    reasons: dict[date, str],
    landed: Sequence[Landed],
    spool: Spool,
    version: int | None,
    run_id: str,
    now: datetime,
) -> list[ledger.Entry]:
    """What the ledger is to say of each day of a load."""
    whole, contract = _sha256s(landed, None), contracts.contract_hash(dataset)
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


def summary(
    dataset: Dataset,
    interval: Interval,
    entries: Sequence[ledger.Entry],
    version: int | None,
    warnings: Sequence[tuple[date, str, str]],
    *,
    changed: bool,
) -> Loaded:
    """A load in the words of its entries."""
    return Loaded(
        dataset=dataset.name,
        interval=interval,
        changed=changed,
        days_loaded=sum(entry.status == "loaded" for entry in entries),
        days_empty=sum(entry.status == "empty" for entry in entries),
        refused=tuple((entry.day, entry.reason) for entry in entries if entry.status == "refused"),
        warnings=tuple(warnings),
        rows_read=sum(entry.rows_read for entry in entries),
        rows_good=sum(entry.rows_good for entry in entries),
        rows_bad=sum(entry.rows_bad for entry in entries),
        rows_accepted=sum(entry.rows_good for entry in entries if entry.status == "loaded"),
        table_version=version,
    )


def already_done(dataset: Dataset, interval: Interval, landed: Sequence[Landed]) -> Loaded | None:
    """What the ledger says, where these bytes are loaded already by this contract."""
    known = {entry.day: entry for entry in ledger.entries(dataset.name, interval)}
    contract, whole = contracts.contract_hash(dataset), _sha256s(landed, None)
    for day in [file.day for file in landed if file.day] or interval.days():
        entry = known.get(day)
        sha256s = _sha256s(landed, day) or whole
        if entry is None or entry.status in ("refused", "skipped") or entry.contract != contract:
            return None
        if entry.source_sha256 != sha256s:
            return None
    table = lake.open_table(dataset.name)
    if table and ledger.in_flux(table, ledger.entries(dataset.name)) & known.keys():
        return None
    version = table.version() if table else None
    return summary(dataset, interval, list(known.values()), version, (), changed=False)


def recorded(dataset: Dataset, interval: Interval) -> Loaded:
    """What the ledger says of an interval, as a load that has nothing to do would tell it."""
    found = ledger.entries(dataset.name, interval)
    return summary(dataset, interval, found, lake.version(dataset.name), (), changed=False)


def skip(
    dataset: Dataset, days: Sequence[date], *, run_id: str = "", now: datetime | None = None
) -> None:
    """Enters days into the ledger that the dataset goes without."""
    for run in runs_of(days):
        skipped = [
            ledger.Entry(
                dataset=dataset.name,
                day=day,
                status="skipped",
                rows_read=0,
                rows_good=0,
                rows_bad=0,
                reason="missed, and only the latest day counts",
                source_sha256="",
                contract=contracts.contract_hash(dataset),
                content="",
                table_version=None,
                code_version=code.version(),
                run_id=run_id,
                loaded_at=now or utc_now(),
            )
            for day in run.days()
        ]
        ledger.record(dataset.name, run, skipped)


def _sha256s(landed: Sequence[Landed], day: date | None) -> str:
    return ",".join(file.sha256 for file in landed if file.day == day)
