"""Relations: rules between rows: keys within a load and across the table, references, totals."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from catalog.kinds import Dataset, Reference, Total
from catalog.rules import ROWS
from core import content, lake, ledger
from core.errors import DataRefused, LakeBusy
from core.intervals import DAY, Interval, at_midnight, runs_of
from core.load import checks, contracts
from core.load.spool import EPOCH, Spool, day_of

Mask = npt.NDArray[np.bool_]
NONE_OFF = 1e-9  # sums of floats in another order differ in the last digits


def require_upstream(dataset: Dataset, days: Sequence[date]) -> None:
    """What a dataset is checked against must be there before it.

    Raises:
        DataRefused: a day of an upstream dataset is missing or was refused.
    """
    for name in dataset.upstream:
        for run in runs_of(days):
            known = {entry.day: entry for entry in ledger.entries(name, run)}
            for day in run.days():
                entry = known.get(day)
                if entry is None or entry.status == "refused":
                    why = f"was refused: {entry.reason}" if entry else "has not been loaded"
                    raise DataRefused(
                        f"{dataset.name} {day} is checked against {name}, and {name} {day} {why}; "
                        f"look there first, then python -m flows etl {name} --day {day}"
                    )


def sift(dataset: Dataset, days: Sequence[date], spool: Spool) -> None:
    """Puts rows aside that refer to what is not there, or repeat the key of one that stays."""
    if dataset.references:
        known = [
            (f"in {each.dataset}", each.column, _is_unknown(each)) for each in dataset.references
        ]
        _sift(dataset, spool, known)
    if dataset.key:
        repeats = _repeats(dataset, days, spool)
        _sift(dataset, spool, [("key", None, lambda rows, at: repeats[at : at + len(rows)])])


def _sift(
    dataset: Dataset,
    spool: Spool,
    rules: Sequence[tuple[str, str | None, Callable[[pa.Table, int], Mask]]],
) -> None:
    at = 0
    for rows, file in spool.again():
        left = np.ones(len(rows), np.bool_)
        for rule, column, fails in rules:
            failing = fails(rows, at)
            name = checks.rule_name(column, rule)
            if name in dataset.rules and not dataset.rules[name].blocking:
                spool.warn(name, day_of(rows[dataset.day].filter(pa.array(failing))))
                continue
            found = rows.filter(pa.array(failing & left))
            bad = checks.failed(dataset, found, rule, column, () if column else dataset.key)
            spool.put_aside(bad, day_of(bad["at"]), file)
            left &= ~failing
        spool.keep(rows.filter(pa.array(left)), file)
        at += len(rows)


def _repeats(dataset: Dataset, days: Sequence[date], spool: Spool) -> Mask:
    """Which rows repeat the key of one before them, or of a day that is not loaded now.

    Before is by day, then by place: days loaded one by one come to the same.
    """
    if not spool.keys:
        return np.zeros(0, np.bool_)
    ours, of_days = (np.concatenate(parts) for parts in zip(*spool.keys, strict=True))
    order = np.argsort(of_days, kind="stable")
    order = order[np.argsort(ours[order], kind="stable")]
    repeats = np.zeros(len(ours), np.bool_)
    repeats[order[1:]] = ours[order][1:] == ours[order][:-1]
    table, known = lake.open_table(dataset.name), np.unique(ours)
    if table is None:
        return repeats
    spool.compared_with = table.version()
    return repeats | np.isin(ours, known[_met(dataset, days, known, table)])


def require_alone(
    dataset: Dataset, days: Sequence[date], run: Interval, spool: Spool, version: int
) -> None:
    """After the commit of a run of days: no load at the same time brought one of its keys.

    Raises:
        LakeBusy: one did, and was first. Run again, this one finds its rows there.
    """
    first, end = ((day - EPOCH).days for day in (run.start, run.end))
    ours = [keys[(first <= of_days) & (of_days < end)] for keys, of_days in spool.keys]
    known = np.unique(np.concatenate([np.zeros(0, np.uint64), *ours]))
    table = lake.open_table(dataset.name, version)
    if table and _met(dataset, days, known, table).any():
        raise LakeBusy(f"{dataset.name} {run}: a load at the same time brought the same key")


def _met(dataset: Dataset, days: Sequence[date], known: content.Hashes, table: DeltaTable) -> Mask:
    """Which of the keys the table has on days that are not loaded now."""
    met = np.zeros(len(known), np.bool_)
    scanner = lake.scan(dataset.name, table).scanner(
        columns=list(dataset.key), filter=_on_other_days(dataset.day, days)
    )
    for batch in scanner.to_batches():
        theirs = content.row_hashes(pa.Table.from_batches([batch]))
        met |= np.isin(known, theirs)
    return met


def _on_other_days(column: str, days: Sequence[date]) -> pc.Expression:
    field, other = pc.field(column), pc.scalar(True)
    for run in runs_of(days):
        start, end = (at_midnight(day) for day in (run.start, run.end))
        other = other & ((field < pa.scalar(start)) | (field >= pa.scalar(end)))
    return other


def _is_unknown(reference: Reference) -> Callable[[pa.Table, int], Mask]:
    column = reference.to or reference.column
    rows = lake.read(reference.dataset, columns=[column])
    known = pa.array([]) if rows is None else pc.unique(rows[column].combine_chunks())

    def fails(rows: pa.Table, at: int) -> Mask:
        values = rows[reference.column]
        missing = pc.invert(pc.is_in(values, value_set=known.cast(values.type)))
        return np.asarray(pc.and_(missing, pc.is_valid(values)).to_numpy())

    return fails


def off_totals(dataset: Dataset, days: Sequence[date], spool: Spool) -> dict[tuple[date, str], str]:
    """The days that do not reconcile with a control total, by rule, in words.

    A total that only warns is told in the same words.
    """
    found = {}
    for total in dataset.totals:
        ours, theirs = _ours(dataset, total, days, spool), _theirs(total, days)
        taken = dataset.rules.get(total.name)
        allowed = (taken.share if taken else 0.0) + NONE_OFF
        for day in days:
            have, want = ours[day], theirs.get(day)
            source = f"{total.dataset}.{total.column}"
            if want is None:
                found[day, total.name] = f"{total.name}: {source} has no control total"
            elif abs(have - want) > allowed * abs(want):
                said = f"{total.of} is {have:,.10g}, {want:,.10g} in {source}"
                found[day, total.name] = f"{total.name}: {said}"
    return found


def _ours(dataset: Dataset, total: Total, days: Sequence[date], spool: Spool) -> Counter[date]:
    if total.of == ROWS:
        return spool.read
    found: Counter[date] = Counter()
    for rows in spool.good_rows(Interval(min(days), max(days) + DAY)):
        _add(found, day_of(rows[dataset.day]), rows[total.of])
    return found


def _theirs(total: Total, days: Sequence[date]) -> Counter[date]:
    column, within = contracts.day_column(total.dataset), Interval(min(days), max(days) + DAY)
    rows = lake.read(total.dataset, lake.moments(column, within), columns=[column, total.column])
    found: Counter[date] = Counter()
    if rows is not None and rows.num_rows:
        _add(found, day_of(rows[column]), rows[total.column])
    return found


def _add(found: Counter[date], days: pa.ChunkedArray, values: pa.ChunkedArray) -> None:
    table = pa.table({"day": days.cast(pa.int32()), "value": values})
    for row in table.group_by("day").aggregate([("value", "sum")]).to_pylist():
        found[EPOCH + row["day"] * DAY] += row["value_sum"] or 0
