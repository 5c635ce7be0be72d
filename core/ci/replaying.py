"""Replaying: a dataset's last days from their landed bytes, beside what the lake has for them."""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa

from catalog.kinds import Dataset
from core import history, lake, ledger
from core.ci import scratch
from core.errors import DayloopError
from core.intervals import DAY, Interval
from core.load import checks, contracts, requeue
from core.load.loading import quarantine
from core.load.spool import MONTH, table_schema
from core.quality import profiles
from core.sources import landing

FIGURES = 5
SAME = 1e-9  # a figure that moves by a smaller share of itself stays


@dataclass(frozen=True)
class RuleChange:
    """Rows in quarantine by a rule, now and replayed, and a value of one of the latter."""

    rule: str
    before: int
    after: int
    example: str


@dataclass(frozen=True)
class FigureChange:
    """A figure of a day's profile, now and replayed."""

    column: str
    metric: str
    day: date
    before: float | None
    after: float | None


@dataclass(frozen=True, kw_only=True)
class DatasetPreview:
    """A dataset's last days, in the lake and replayed.

    Attributes:
        contract: `unchanged`, or the class of the declaration's change; `what` in words.
        added: rows that have no equal in the lake, judged by the columns that both have;
            `removed` the other way round. A day that is refused keeps the lake's rows.
        changed: of both, rows whose key stands in the other; 0 without a key.
        refused: days that the lake has and that would be refused; `released`: the reverse.
        figures: of the profiles, those that move most, each on the day it moves most.
        problem: why it could not be replayed.
        note: why there is nothing to replay.
    """

    dataset: str
    interval: Interval | None = None
    days: int = 0
    contract: str = "unchanged"
    what: tuple[str, ...] = ()
    rows_before: int = 0
    rows_after: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    refused: tuple[tuple[date, str], ...] = ()
    released: int = 0
    rules: tuple[RuleChange, ...] = ()
    figures: tuple[FigureChange, ...] = ()
    problem: str = ""
    note: str = ""


def replay(dataset: Dataset, days: int, to: str, *, referenced: bool = False) -> DatasetPreview:
    """Replays a dataset's newest days in a scratch home.

    Args:
        dataset: as this checkout declares it.
        days: how many of those that have landed.
        to: the scratch home's address; what the dataset is checked against is there already.
        referenced: another dataset will be checked against it there.
    """
    known = [entry for entry in ledger.entries(dataset.name) if entry.source_sha256][-days:]
    if not known:
        return DatasetPreview(dataset=dataset.name, note="not in the lake yet")
    interval = Interval(known[0].day, known[-1].day + DAY)
    contract, what = _contract(dataset)
    found = DatasetPreview(
        dataset=dataset.name, interval=interval, days=len(known), contract=contract, what=what
    )
    day = contracts.day_column(dataset.name)
    # A key or a reference is looked up in all days, and a breaking change converts all rows.
    whole = referenced or bool(dataset.key) or contract == "breaking"
    rows, rules, figures = _seen(dataset, day, interval)
    try:
        _seed(dataset, known, () if whole else lake.moments(day, interval), to)
        with scratch.at(to):
            done = requeue.requeue(dataset, interval, allow_breaking=True)
            rows_after, rules_after, figures_after = _seen(dataset, dataset.day, interval)
    except DayloopError as error:
        return replace(found, problem=str(error))
    added, removed, changed = _row_changes(dataset, rows, rows_after)
    refused = sorted(each for load in done.loads for each in load.refused)
    were = {entry.day for entry in known if entry.status == "refused"}
    return replace(
        found,
        rows_before=rows.num_rows,
        rows_after=rows_after.num_rows,
        added=added,
        removed=removed,
        changed=changed,
        refused=tuple(each for each in refused if each[0] not in were),
        released=len(were - {day for day, _ in refused}),
        rules=_rule_changes(rules, rules_after),
        figures=_figure_changes(figures, figures_after),
    )


def _contract(dataset: Dataset) -> tuple[str, tuple[str, ...]]:
    change = contracts.change(dataset)
    if change.kind == "unchanged":
        return change.kind, ()
    return change.kind, change.what or ("the source, or the code of a rule, changed",)


def _seed(dataset: Dataset, replayed: list[ledger.Entry], where: lake.Where, to: str) -> None:
    """Copies what a replay reads, with a ledger that calls for each of the days again."""
    scratch.copy_rows(dataset.name, where, to)
    ours = lake.equal(dataset=dataset.name)
    scratch.copy_rows(contracts.TABLE, ours, to, replacing=ours)
    for entry in replayed:
        for file in landing.landed_before(dataset, entry.source_sha256, entry.day):
            scratch.copy_file(file.path, to)
    days = {entry.day for entry in replayed}
    entries = [
        replace(entry, contract="") if entry.day in days else entry
        for entry in ledger.entries(dataset.name)
    ]
    with scratch.at(to):
        ledger.record(dataset.name, Interval(entries[0].day, entries[-1].day + DAY), entries)


def _seen(
    dataset: Dataset, day: str, interval: Interval
) -> tuple[pa.Table, dict[str, tuple[int, str]], pd.DataFrame]:
    """What home has of the interval: rows, bad rows by rule with an example, figures."""
    rows = lake.read(dataset.name, lake.moments(day, interval))
    days = lake.days("day", interval)
    bad = lake.read(
        quarantine(dataset.name), days, columns=["day", "row", "column", "rule", "value"]
    )
    rules = {}
    if bad is not None:
        in_order = bad.sort_by([("day", "ascending"), ("row", "ascending")])
        groups = in_order.group_by(["column", "rule"], use_threads=False)
        for each in groups.aggregate([("row", "count"), ("value", "first")]).to_pylist():
            name = checks.rule_name(each["column"], each["rule"])
            rules[name] = (each["row_count"], each["value_first"] or "")
    figures = lake.read(profiles.TABLE, lake.equal(dataset=dataset.name) + days)
    return (
        table_schema(dataset.columns).empty_table() if rows is None else rows,
        rules,
        (profiles.SCHEMA.empty_table() if figures is None else figures).to_pandas(),
    )


def _row_changes(dataset: Dataset, before: pa.Table, after: pa.Table) -> tuple[int, int, int]:
    types = dict(zip(before.schema.names, before.schema.types, strict=True))
    both = [
        field.name
        for field in after.schema
        if types.get(field.name) == field.type and field.name != MONTH
    ]
    key = dataset.key if set(dataset.key) <= set(both) else ()
    added, removed, changed = history.row_changes(before.select(both), after.select(both), key)
    return len(added) - changed, len(removed) - changed, changed


def _rule_changes(
    before: dict[str, tuple[int, str]], after: dict[str, tuple[int, str]]
) -> tuple[RuleChange, ...]:
    none = (0, "")
    return tuple(
        RuleChange(rule, was, now, example)
        for rule in sorted({*before, *after})
        for (was, _), (now, example) in [(before.get(rule, none), after.get(rule, none))]
        if was != now
    )


def _figure_changes(before: pd.DataFrame, after: pd.DataFrame) -> tuple[FigureChange, ...]:
    which = ["column", "metric", "day"]
    both = before.merge(after, on=which, suffixes=("_was", "_is"))
    was, now = both["value_was"], both["value_is"]
    same = (was == now) | (was.isna() & now.isna())
    both["share"] = ((now - was).abs() / np.maximum(was.abs(), now.abs())).fillna(1).mask(same, 0)
    most = both[both["share"] > SAME].sort_values(["share", *which], ascending=[False] + [True] * 3)
    most = most.drop_duplicates(["column", "metric"]).head(FIGURES)
    values = most[["value_was", "value_is"]].astype(object).where(lambda each: each.notna(), None)
    return tuple(
        FigureChange(*named, *pair)
        for named, pair in zip(
            most[which].itertuples(index=False), values.itertuples(index=False), strict=True
        )
    )
