"""The contract's row rules: splits rows into good and bad, each bad one with its reason."""

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from catalog.kinds import Dataset
from core.errors import DataRefused
from core.reader.parsed import cut, rows_as_json
from core.reader.reading import BAD, RAW_CHARACTERS, ROW, VALUE_CHARACTERS

if TYPE_CHECKING:
    import pandera.pandas as pandera

Mask = npt.NDArray[np.bool_]
Fault = tuple[str | None, str, Mask]


class Checked(NamedTuple):
    """Rows judged by the contract.

    Attributes:
        good: the rows to load.
        bad: the others, as in `reading.Block.bad`; a row with several faults is named by the
            first, in the order of the columns.
        warned: by rule that only warns, which of all the rows failed it.
    """

    good: pa.Table
    bad: pa.Table
    warned: dict[str, pa.Array]


def check(dataset: Dataset, rows: pa.Table) -> Checked:
    """Splits typed rows by the contract.

    Args:
        dataset: whose contract.
        rows: as `reading.read` yields them.

    Raises:
        DataRefused: a rule judges the whole block and not its rows, and it fails.
    """
    frame = _to_pandas(dataset, rows)
    nulls = _null_faults(dataset, rows)
    order = list(dataset.columns)
    faults = sorted(
        [*nulls, *_rule_faults(dataset, frame, rows, nulls)],
        key=lambda fault: order.index(fault[0]) if fault[0] else len(order),
    )
    warns = [_only_warns(dataset, *each[:2]) for each in faults]
    warned = {
        rule_name(*each[:2]): pa.array(each[2])
        for each, warn in zip(faults, warns, strict=True)
        if warn
    }
    faults = [each for each, warn in zip(faults, warns, strict=True) if not warn]
    fault = np.full(len(frame), -1)
    for number, (_, _, failed) in reversed(list(enumerate(faults))):
        fault[failed] = number
    bad = fault >= 0
    if not bad.any():
        return Checked(rows, BAD.empty_table(), warned)
    mask = pa.array(bad)
    bad_rows = _bad_table(dataset, rows.filter(mask), fault[bad], faults)
    return Checked(rows.filter(pc.invert(mask)), bad_rows, warned)


def failed(
    dataset: Dataset, rows: pa.Table, rule: str, column: str | None, shown: Sequence[str] = ()
) -> pa.Table:
    """Rows that fail a rule, as in `reading.Block.bad`; shown: the columns with the value."""
    texts = [pc.fill_null(_texts(rows, name), "") for name in shown or filter(None, [column])]
    columns = pa.repeat(pa.scalar(column, pa.string()), rows.num_rows)
    value = pc.binary_join_element_wise(*texts, ", ")
    return _bad(dataset, rows, columns, pa.repeat(rule, rows.num_rows), value)


def rule_name(column: str | None, rule: str) -> str:
    """How `Dataset.rules` calls a rule of a column, or of whole rows."""
    return f"{column} {rule}" if column else rule


def _only_warns(dataset: Dataset, column: str | None, rule: str) -> bool:
    taken = dataset.rules.get(rule_name(column, rule))
    return taken is not None and not taken.blocking


def _to_pandas(dataset: Dataset, rows: pa.Table) -> pd.DataFrame:
    columns = {}
    for name in dataset.columns:
        dtype = dataset.checks.columns[name].dtype.type
        series = rows[name].to_pandas(types_mapper=_NULLABLE.get(str(dtype)))
        columns[name] = series
    return pd.DataFrame(columns, copy=False)


_NULLABLE = {
    "Int64": {pa.int64(): pd.Int64Dtype()}.get,
    "Float64": {pa.float64(): pd.Float64Dtype()}.get,
    "boolean": {pa.bool_(): pd.BooleanDtype()}.get,
}


def _null_faults(dataset: Dataset, rows: pa.Table) -> list[Fault]:
    # Before pandera: its check results leave null rows out, and a null turns int64 to float.
    faults: list[Fault] = []
    for name, column in dataset.checks.columns.items():
        if not column.nullable and rows[name].null_count:
            failed = rows[name].is_null().to_numpy()
            faults.append((name, "not_nullable", failed))
    return faults


def _rule_faults(
    dataset: Dataset, frame: pd.DataFrame, rows: pa.Table, nulls: list[Fault]
) -> list[Fault]:
    import pandera.pandas as pandera  # half a second that verbs which only read should not pay

    whole = frame
    if nulls:
        missing = np.any([failed for _, _, failed in nulls], axis=0)
        whole = _to_pandas(dataset, rows.filter(pa.array(~missing)))
        whole.index = frame.index[~missing]
    faults: list[Fault] = []
    rules = [(None, check) for check in dataset.checks.checks]
    rules += [(name, c) for name, column in dataset.checks.columns.items() for c in column.checks]
    try:
        whole = _without_rules(dataset.checks).validate(whole, lazy=True, inplace=True)
    except pandera.errors.SchemaErrors as error:
        # Not str(error): it lists every failing value.
        for each in error.schema_errors:
            column = each.schema.name if isinstance(each.schema, pandera.Column) else None
            rule = getattr(each.check, "name", None) or str(each.check)
            faults += _fault(dataset, column, rule, each.check_output, frame)
    for column, check in rules:
        if not check.raise_warning:
            passed = _passed(check, whole, column)
            faults += _fault(dataset, column, check.name or str(check), passed, frame)
    return faults


def _without_rules(schema: "pandera.DataFrameSchema") -> "pandera.DataFrameSchema":
    """All else that a schema asks.

    `validate` describes each failure, which costs more than to find it; so rules are called.
    """
    rest = copy(schema)
    rest.columns = {name: copy(column) for name, column in schema.columns.items()}
    for part in (rest, *rest.columns.values()):
        part.checks = [check for check in part.checks if check.raise_warning]
    return rest


def _passed(check: "pandera.Check", frame: pd.DataFrame, column: str | None) -> object:
    try:
        return check(frame, column).check_output
    except Exception as error:
        return error


def _fault(
    dataset: Dataset, column: str | None, rule: str, passed: object, frame: pd.DataFrame
) -> list[Fault]:
    """Where a rule fails, if anywhere; its answer may leave out rows with a null."""
    if isinstance(passed, pd.DataFrame):
        passed = passed.all(axis=1)
    if passed is True:
        return []
    if not isinstance(passed, pd.Series):
        where = f"column {column}" if column else "the rows"
        raise DataRefused(
            f"{dataset.name}: rule {rule} fails for {where} as a whole; look at the landed file, "
            f"or at the rule in catalog/datasets/{dataset.name}.py"
        ) from (passed if isinstance(passed, Exception) else None)
    good = passed.astype(bool)
    if good.all():
        return []
    failed = np.zeros(len(frame), np.bool_)
    failed[frame.index.get_indexer(good.index[~good])] = True
    return [(column, rule, failed)]


def _bad_table(
    dataset: Dataset, rows: pa.Table, fault: npt.NDArray[np.int64], faults: list[Fault]
) -> pa.Table:
    names, which = [column for column, _, _ in faults], pa.array(fault)
    value = pa.nulls(rows.num_rows, pa.string())
    for column in {name for name in names if name}:
        here = pa.array([name == column for name in names]).take(which)
        value = pc.if_else(here, _texts(rows, column), value)
    rule = pa.array([rule for _, rule, _ in faults]).take(which)
    return _bad(dataset, rows, pa.array(names, pa.string()).take(which), rule, value)


def _bad(
    dataset: Dataset, rows: pa.Table, column: pa.Array, rule: pa.Array, value: pa.Array
) -> pa.Table:
    shown = [name for name in rows.schema.names if not name.startswith("_")]
    columns = {
        ROW: rows[ROW],
        "at": rows[dataset.day],
        "column": column,
        "rule": rule,
        "value": cut(value, VALUE_CHARACTERS),
        "raw": cut(rows_as_json({n: rows[n].combine_chunks() for n in shown}), RAW_CHARACTERS),
    }
    return pa.table(columns, schema=BAD)


def _texts(rows: pa.Table, column: str) -> pa.Array:
    return rows[column].combine_chunks().cast(pa.string())
