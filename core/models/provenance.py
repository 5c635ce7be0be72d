"""Provenance: one entity's rows as they were, the files they came in, the checks they passed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from catalog.kinds import Dataset
from core import home, lake, ledger
from core.errors import LakeDamaged
from core.intervals import Interval
from core.ledger import Entry
from core.load import contracts
from core.models import scoring

FIRST_DAY = date(1, 1, 2)  # the first one with a day before it


@dataclass(frozen=True, kw_only=True)
class Source:
    """A landed file whose days have rows of the entity.

    Attributes:
        path: below home; empty where the file is gone.
        days: how many of its days have such rows.
        rows: of the entity on these days.
        rows_good: of everybody on these days, in the table.
        rows_bad: of everybody on these days, in quarantine.
        contract: the version of the declaration whose checks the rows passed.
        checks: they, in words.
        loaded_at: when the last of these days was loaded, UTC.
    """

    dataset: str
    path: str
    sha256: str
    first_day: date
    last_day: date
    days: int
    rows: int
    rows_good: int
    rows_bad: int
    contract: int
    checks: tuple[str, ...]
    loaded_at: datetime


@dataclass(frozen=True)
class Past:
    """A dataset as it was: the table's version, and the ledger's entries of the days before."""

    version: int
    entries: tuple[Entry, ...]


def as_it_was(dataset: str, day: date, content: str) -> Past:
    """The dataset when its days before `day` had this content, as predictions name it.

    Raises:
        LakeDamaged: they have been loaded again since, and what they were is not known any more.
    """
    newest = lake.version(dataset) or 0
    for at, entries in _ledgers(dataset, day):
        if scoring.content_of(entries) == content:
            loaded = max((entry.table_version or 0 for entry in entries), default=0)
            return Past(newest if at is None else loaded, tuple(entries))
    raise LakeDamaged(
        f"{dataset}: days before {day} have been loaded again since, and what they were is not "
        "known any more"
    )


def _ledgers(dataset: str, day: date) -> Iterator[tuple[int | None, list[Entry]]]:
    """What the ledger says of the days before, and what it said, the newest first."""
    yield None, [entry for entry in ledger.entries(dataset) if entry.day < day]
    where = (*lake.equal(dataset=dataset), lake.Condition("day", "<", day))
    for at in range((lake.version(ledger.TABLE) or 0) - 1, -1, -1):
        try:
            rows = lake.read(ledger.TABLE, where, at=at)
        except LakeDamaged:  # care of the lake has removed it, and all before it
            return
        found = [] if rows is None else [Entry(**row) for row in rows.to_pylist()]
        yield at, sorted(found, key=lambda entry: entry.day)


def rows_of(
    dataset: Dataset, version: int, columns: Sequence[str], entity: str, key: Any, day: date
) -> pa.Table:
    """The entity's rows before a day in a version of the table; its day column comes last.

    Raises:
        LakeDamaged: the version is not kept any more.
    """
    where = lake.equal(**{entity: key}) + lake.moments(dataset.day, Interval(FIRST_DAY, day))
    wanted = [*columns, *({dataset.day} - set(columns))]
    try:
        rows = lake.read(dataset.name, where, columns=wanted, at=version)
    except LakeDamaged as damage:
        if version == lake.version(dataset.name):
            raise
        raise LakeDamaged(
            f"{dataset.name}: days before {day} have been loaded again since; version {version} of "
            "the table, as they were, is kept for a week only, or while a model needs it"
        ) from damage
    assert rows is not None
    return rows


def sources(dataset: Dataset, past: Past, rows: pa.Table) -> list[Source]:
    """The landed files of the days that these rows are of, the earliest first."""
    days = [moment.date() for moment in rows[dataset.day].to_pylist()]
    files: dict[tuple[str, str], list[Entry]] = {}
    for entry in past.entries:
        if entry.day in days:
            for sha256 in entry.source_sha256.split(","):
                files.setdefault((sha256, entry.contract), []).append(entry)
    names = home.listing(f"landing/{dataset.name}")
    known = {each["contract"]: each for each in contracts.versions(dataset.name)}
    found = []
    for (sha256, contract), entries in files.items():
        own = [entry.day for entry in entries]
        name = next((each for each in names if each.startswith(sha256)), "")
        declared = known.get(contract)
        found.append(
            Source(
                dataset=dataset.name,
                path=f"landing/{dataset.name}/{name}" if name else "",
                sha256=sha256,
                first_day=min(own),
                last_day=max(own),
                days=len(own),
                rows=sum(day in own for day in days),
                rows_good=sum(entry.rows_good for entry in entries),
                rows_bad=sum(entry.rows_bad for entry in entries),
                contract=declared["version"] if declared else 0,
                checks=_checks(json.loads(declared["declared"])) if declared else (),
                loaded_at=max(entry.loaded_at for entry in entries),
            )
        )
    return found


def _checks(declared: dict[str, Any]) -> tuple[str, ...]:
    """What every row of the table has passed, in words; rules that only warn are left out."""
    lenient = {name for name, taken in declared["rules"].items() if not taken["blocking"]}
    words = []
    for name, column in declared["columns"].items():
        words.append(f"{name} {column['type']}{'' if column['nullable'] else ', never null'}")
        words += [f"{name} {check}" for check in column["checks"]]
    words += declared["rows"]
    words += [f"key {', '.join(declared['key'])}"] if declared["key"] else []
    words += [f"{each['column']} in {each['dataset']}" for each in declared["references"]]
    words += [each["name"] for each in declared["totals"]]
    return tuple(each for each in words if each.partition("(")[0] not in lenient)
