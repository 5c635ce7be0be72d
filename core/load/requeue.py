"""Requeue: the landed bytes once more through today's rules, without asking upstream again."""

from dataclasses import dataclass
from datetime import date
from functools import partial

from catalog.kinds import Dataset
from core import ledger, progress
from core.errors import UsageError
from core.intervals import Interval, runs_of
from core.load import loading
from core.load.recording import Loaded
from core.sources import landing


@dataclass(frozen=True, kw_only=True)
class Requeued:
    """What a requeue did, or would do.

    Attributes:
        released: rows that were in quarantine or refused and are in the table now.
        held: rows that were in the table and are not any more.
        loads: one for each stretch of days that came from the same landed files.
    """

    dataset: str
    interval: Interval
    dry_run: bool
    released: int
    held: int
    loads: tuple[Loaded, ...]


def requeue(
    dataset: Dataset,
    interval: Interval,
    *,
    dry_run: bool = False,
    allow_breaking: bool = False,
    run_id: str = "",
) -> Requeued:
    """Replays an interval's landed bytes; one commit for each stretch of the same files.

    Raises:
        UsageError: nothing of the interval was ever landed.
        LakeDamaged: a landed file is gone.
        ContractBroken: the declaration does not fit the rows there are.
    """
    before = ledger.entries(dataset.name, interval)
    if not before:
        raise UsageError(
            f"{dataset.name} {interval}: nothing was landed, so nothing can be requeued; "
            f"python -m flows backfill {dataset.name}"
        )
    loads = []
    stretches = _stretches(dataset, before)
    for days, sha256s in progress.each(stretches, f"{dataset.name}: stretches of days"):
        files = [
            file
            for day in (days.days() if dataset.source.daily else [days.start])
            for file in landing.landed_before(dataset, sha256s[day], day)
        ]
        anew = bool(dataset.key or dataset.upstream)
        load = partial(loading.load, dataset, days, files, run_id=run_id, anew=anew)
        loads.append(load(dry_run=dry_run, allow_breaking=allow_breaking))
    had = sum(entry.rows_good for entry in before if entry.status == "loaded")
    have = sum(load.rows_accepted for load in loads)
    return Requeued(
        dataset=dataset.name,
        interval=interval,
        dry_run=dry_run,
        released=max(have - had, 0),
        held=max(had - have, 0),
        loads=tuple(loads),
    )


def _stretches(
    dataset: Dataset, entries: list[ledger.Entry]
) -> list[tuple[Interval, dict[date, str]]]:
    """Runs of days that one load can replay."""
    sources = {entry.day: entry.source_sha256 for entry in entries if entry.source_sha256}
    if dataset.source.daily:
        return [(run, sources) for run in runs_of(sources)]
    return [
        (run, sources)
        for each in dict.fromkeys(sources.values())
        for run in runs_of(day for day, source in sources.items() if source == each)
    ]
