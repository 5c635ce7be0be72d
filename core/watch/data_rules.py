"""What a diagnosis asks of a dataset: can it be trusted, and if not, since when and why?"""

from collections.abc import Iterator
from datetime import date
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
    if not known:
        yield Finding(
            rule="data",
            about=name,
            evidence=f"{name} has never been loaded",
            command=f"python -m flows etl {name}",
        )
        return
    whole = Interval(known[0].day, known[-1].day + DAY)
    refused = [entry for entry in known if entry.status == "refused"]
    for entry in refused[-1:]:
        day, before = entry.day, f"{len(refused):,} days are refused, the last: "
        column = _column_of(name, day)
        command = "quarantine" if column else "etl"
        yield Finding(
            rule="data",
            about=name,
            day=day,
            column=column,
            evidence=f"{before if refused[1:] else ''}{name} {day} was refused: {entry.reason}",
            command=f"python -m flows {command} {name} --day {day}",
        )
    missing = runs_of(set(whole.days()) - {entry.day for entry in known})
    for run in list(missing)[:1]:
        yield Finding(
            rule="data",
            about=name,
            day=run.start,
            evidence=f"{name} {run} has not been loaded",
            command=f"python -m flows backfill {name} --start {run.start} --end {run.end}",
        )
    table = lake.open_table(name)
    if table and (days := ledger.in_flux(table, known)):
        run = Interval(min(days), max(days) + DAY)
        yield Finding(
            rule="data",
            about=name,
            day=run.start,
            evidence=f"a load of {name} {run} was cut off, or is under way",
            command=f"python -m flows backfill {name} --start {run.start} --end {run.end}",
        )


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
