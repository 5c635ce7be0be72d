"""The contract's row rules: splits rows into good and bad, each bad one with its reason."""

import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc

from catalog.kinds import Dataset
from core import code
from core.errors import DataRefused
from core.reading import BAD, ROW

VALUE_CHARS = 200


def contract_hash(dataset: Dataset) -> str:
    """Changes with anything that decides which rows are good: types, rules, tolerances."""
    parts: list[object] = [dataset.source, dataset.day, dataset.max_bad_share, dataset.min_rows]
    for name, column in dataset.checks.columns.items():
        parts += [name, column.dtype, column.nullable, *map(_describe, column.checks)]
    return code.digest(*parts, *map(_describe, dataset.checks.checks))


def _describe(check: pandera.Check) -> str:
    statistics = check.statistics
    return f"{check.name} {statistics or code.of_function(check._check_fn)}"


def check(dataset: Dataset, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Splits typed rows by the contract.

    Args:
        dataset: whose contract.
        rows: as `reading.read` yields them.

    Returns:
        The good rows, and a table of the bad ones as in `reading.Block.bad`; a row with
        several faults is named by the first, in the order of the columns.

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
    fault = pd.Series(-1, index=frame.index, dtype="int64")
    for number, (_, _, failed) in reversed(list(enumerate(faults))):
        fault[failed] = number
    bad = fault.to_numpy() >= 0
    if not bad.any():
        return rows, BAD.empty_table()
    mask = pa.array(bad)
    return (
        rows.filter(pc.invert(mask)),
        _bad_table(dataset, frame[bad], rows.filter(mask), fault[bad], faults),
    )


Fault = tuple[str | None, str, pd.Series]


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
            failed = rows[name].is_null().to_pandas()
            faults.append((name, "not_nullable", failed))
    return faults


def _rule_faults(
    dataset: Dataset, frame: pd.DataFrame, rows: pa.Table, nulls: list[Fault]
) -> list[Fault]:
    whole = frame
    if nulls:
        missing = pd.concat([failed for _, _, failed in nulls], axis=1).any(axis=1)
        whole = _to_pandas(dataset, rows.filter(pa.array(~missing)))
        whole.index = frame.index[~missing]
    try:
        dataset.checks.validate(whole, lazy=True, inplace=True)
    except pandera.errors.SchemaErrors as error:
        # Not str(error): it lists every failing value.
        return [_rule_fault(dataset, each, frame) for each in error.schema_errors]
    return []


def _rule_fault(dataset: Dataset, error: pandera.errors.SchemaError, frame: pd.DataFrame) -> Fault:
    column = error.schema.name if isinstance(error.schema, pandera.Column) else None
    rule = getattr(error.check, "name", None) or str(error.check)
    passed = error.check_output
    if isinstance(passed, pd.DataFrame):
        passed = passed.all(axis=1)
    if not isinstance(passed, pd.Series):
        where = f"column {column}" if column else "the rows"
        raise DataRefused(
            f"{dataset.name}: rule {rule} fails for {where} as a whole; look at the landed file, "
            f"or at the rule in catalog/datasets/{dataset.name}.py"
        )
    return column, rule, ~passed.astype(bool).reindex(frame.index, fill_value=True)


def _bad_table(
    dataset: Dataset, frame: pd.DataFrame, rows: pa.Table, fault: pd.Series, faults: list[Fault]
) -> pa.Table:
    named = [faults[number] for number in fault]
    column = pd.Series([name for name, _, _ in named], index=frame.index, dtype="object")
    value = pd.Series(None, index=frame.index, dtype="object")
    for name in column.dropna().unique():
        picked = column == name
        text = rows[name].cast(pa.string()).to_pandas().str.slice(0, VALUE_CHARS)
        value[picked] = text[picked.to_numpy()].to_numpy()
    raw = frame.to_json(orient="records", lines=True, date_format="iso", date_unit="us")
    return pa.table(
        {
            ROW: rows[ROW],
            "at": rows[dataset.day],
            "column": pa.array(column.to_list(), pa.string()),
            "rule": pa.array([rule for _, rule, _ in named], pa.string()),
            "value": pa.array(value, pa.string(), from_pandas=True),
            "raw": pa.array(raw.splitlines(), pa.string()),
        },
        schema=BAD,
    )
