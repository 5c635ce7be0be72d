"""Tracing: which columns of a dataset have become unusual, and which features they make."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from catalog.kinds import Dataset, Model
from core import lake, ledger
from core.intervals import DAY, Interval, at_midnight
from core.load.loading import quarantine
from core.quality import unusual

LATELY = 14  # days; by then the limits take a new level for the usual one
FEWEST = 3  # unusual days of a column: one or two in so many come by chance
FEWEST_BAD = 0.01  # of a dataset's rows; fewer that another dataset lacks are its own affair
SAMPLE_ROWS = 5_000


@dataclass(frozen=True)
class Column:
    """A column that is not as it was: since when, and how in words."""

    name: str
    first: date
    words: str


def unusual_columns(dataset: Dataset, columns: Collection[str], end: date) -> list[Column]:
    """Those of the columns that were outside their control limits on several of the last days."""
    judged = unusual.judged(dataset, Interval(end - LATELY * DAY, end))
    if not len(judged):
        return []
    found = []
    odd = judged[(judged["verdict"] == "unusual") & judged["column"].isin(list(columns))]
    for name, rows in odd.groupby("column"):
        if rows["day"].nunique() < FEWEST:
            continue
        worst = rows.iloc[int(rows["sigmas"].abs().argmax())]
        first, count = rows["day"].min(), rows["day"].nunique()
        usual = f"usual are {worst['low']:,.4g} to {worst['high']:,.4g}"
        words = (
            f"{count} unusual days since {first}, {worst['metric']} {worst['value']:,.4g} on "
            f"{worst['day']}, {usual}"
        )
        found.append(Column(str(name), first, words))
    return found


def made_of(model: Model, dataset: str, column: str, as_of: date) -> set[str]:
    """The features that change when a column is shuffled among some rows: those it makes."""
    frames = {}
    for name, columns in model.inputs.items():
        table = lake.open_table(name)
        assert table is not None
        with lake.in_words(name):
            some = lake.scan(name, table).head(SAMPLE_ROWS, columns=list(columns))
        known = some.filter(pc.is_valid(some[model.entity]))
        frames[name] = known.to_pandas()
    moment = pd.Timestamp(at_midnight(as_of))
    before = model.features(moment, **frames)
    rows = frames[dataset]
    places = np.random.default_rng(model.seed).permutation(len(rows))
    shuffled = rows[column].iloc[places].set_axis(rows.index)
    after = model.features(moment, **{**frames, dataset: rows.assign(**{column: shuffled})})
    after = after.reindex(before.index)
    return {str(name) for name in before if not before[name].equals(after[name])}


def blamed(dataset: Dataset) -> Iterator[tuple[str, int, date]]:
    """Columns of other datasets that its newest bad rows are not in: how many rows, since when."""
    known = ledger.entries(dataset.name)
    if not known or not dataset.references:
        return
    lately = Interval(known[-1].day - LATELY * DAY, known[-1].day + DAY)
    read = sum(entry.rows_read for entry in known if entry.day in lately)
    for each in dataset.references:
        ours = lake.equal(rule=f"in {each.dataset}", column=each.column)
        rows = lake.read(quarantine(dataset.name), ours + lake.days("day", lately))
        days = rows["day"].to_pylist() if rows else []
        if days and len(days) >= FEWEST_BAD * read:
            yield f"{each.dataset}.{each.to or each.column}", len(days), min(days)
