"""What a diagnosis asks of a dataset: can it be trusted, and if not, since when and why?"""

from collections.abc import Iterator
from datetime import date
from functools import partial
from statistics import mode

from catalog.kinds import Dataset
from core import lake, ledger
from core.intervals import DAY, Interval, runs_of
from core.load.loading import quarantine
from core.watch import tracing
from core.watch.finding import Finding


def untrusted(dataset: Dataset) -> Iterator[Finding]:
    """Days that are refused, missing, or of which a load was cut off."""
    name, known = dataset.name, ledger.entries(dataset.name)
    wrong = partial(Finding, rule="data", about=name)
    if not known:
        command = f"python -m flows etl {name}"
        yield wrong(evidence=f"{name} has never been loaded", command=command)
        return
    refused = [entry for entry in known if entry.status == "refused"]
    for entry in refused[-1:]:
        day, before = entry.day, f"{len(refused):,} days are refused, the last: "
        column = _column_of(name, day)
        command = f"python -m flows {'quarantine' if column else 'etl'} {name} --day {day}"
        said = f"{before if refused[1:] else ''}{name} {day} was refused: {entry.reason}"
        yield wrong(day=day, column=column, evidence=said, command=command)
    whole, table = Interval(known[0].day, known[-1].day + DAY), lake.open_table(name)
    missing = list(runs_of(set(whole.days()) - {entry.day for entry in known}))
    torn = ledger.in_flux(table, known) if table else ()
    gaps = [(f"{name} {run} has not been loaded", run) for run in missing[:1]]
    if torn:
        run = Interval(min(torn), max(torn) + DAY)
        gaps.append((f"a load of {name} {run} was cut off, or is under way", run))
    for said, run in gaps:
        command = f"python -m flows backfill {name} --start {run.start} --end {run.end}"
        yield wrong(day=run.start, evidence=said, command=command)


def _column_of(dataset: str, day: date) -> str:
    """The column that most of a day's bad rows are bad in; empty where there are none."""
    where = lake.days("day", Interval.of_day(day))
    rows = lake.read(quarantine(dataset), where, columns=["column"])
    named = [name for name in rows["column"].to_pylist() if name] if rows else []
    return f"{dataset}.{mode(named)}" if named else ""


def fed_wrongly(dataset: Dataset) -> Iterator[Finding]:
    """Bad rows of its last days that a rule about another dataset has found."""
    for column, rows, first in tracing.blamed(dataset):
        yield Finding(
            rule="upstream",
            about=dataset.name,
            day=first,
            column=column,
            evidence=f"{rows:,} bad rows of {dataset.name} since {first} are not in {column}",
            command=f"python -m flows history {column.partition('.')[0]}",
        )
