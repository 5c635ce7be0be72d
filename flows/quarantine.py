"""Quarantine: what was not let in, by rule, with samples. Reads only; not a flow."""

from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc

import catalog
from core import lake
from core.intervals import Interval
from core.load.loading import quarantine as table_of

SAMPLES = 3


@dataclass(frozen=True)
class Rule:
    """The rows that broke one rule in one column, and some of them."""

    rule: str
    column: str
    rows: int
    first_day: date
    last_day: date
    samples: tuple[dict[str, object], ...]


@dataclass(frozen=True)
class Quarantine:
    """A dataset's bad rows, the most frequent rule first."""

    dataset: str
    rows: int
    rules: tuple[Rule, ...]


def quarantine(dataset: str, *, day: date | None = None, rule: str | None = None) -> Quarantine:
    """Shows a dataset's bad rows by rule.

    Args:
        dataset: a dataset of the catalog.
        day: of one day only.
        rule: of one rule only.
    """
    catalog.dataset(dataset)
    where: lake.Where = lake.days("day", Interval.of_day(day)) if day else ()
    where += lake.equal(rule=rule) if rule else ()
    rows = lake.read(table_of(dataset), where)
    if rows is None or not rows.num_rows:
        return Quarantine(dataset, 0, ())
    found = rows.group_by(["rule", "column"]).aggregate(
        [("row", "count"), ("day", "min"), ("day", "max")]
    )
    rules = []
    for each in found.sort_by([("row_count", "descending")]).to_pylist():
        same = pc.equal(rows["rule"], each["rule"])
        if each["column"] is not None:
            same = pc.and_(same, pc.equal(rows["column"], each["column"]))
        some = rows.filter(same).select(["day", "file", "row", "value", "raw"]).slice(0, SAMPLES)
        rules.append(
            Rule(
                each["rule"],
                each["column"] or "",
                each["row_count"],
                each["day_min"],
                each["day_max"],
                tuple(some.to_pylist()),
            )
        )
    return Quarantine(dataset, rows.num_rows, tuple(rules))
