"""Evolution: brings a table's rows to a declaration that they do not fit, exactly or not at all."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from catalog.kinds import Dataset
from core import content, lake, ledger
from core.errors import ContractBroken, DayloopError
from core.intervals import DAY, Interval
from core.load import contracts
from core.load.contracts import Change
from core.load.spool import EPOCH, MONTH, TYPES, day_of, table_schema
from core.reader import converting

NOTE = "migrated to a changed contract"


def check(dataset: Dataset, *, allow_breaking: bool = False) -> Change:
    """How the declaration has changed since it was last loaded by.

    Raises:
        ContractBroken: the rows there are do not fit, and nobody has said that this is meant.
    """
    change = contracts.change(dataset)
    if change.kind == "breaking" and not allow_breaking and lake.version(dataset.name) is not None:
        raise ContractBroken(
            f"{dataset.name}: the changed declaration breaks its table: {'; '.join(change.what)}. "
            f"Undo it in catalog/datasets/{dataset.name}.py, or, where it is meant, load once "
            f"with --allow-breaking: python -m flows etl {dataset.name} --allow-breaking"
        )
    return change


def migrate(dataset: Dataset) -> None:
    """Rewrites the table's rows, all in one commit, with the declared columns and types.

    Columns that are not declared any more go; earlier versions keep them.

    Raises:
        ContractBroken: a value cannot be converted exactly, or is null where none may be.
    """
    if lake.version(dataset.name) is None:
        return
    schema = table_schema(dataset.columns)
    hashes: Counter[date] = Counter()
    problems: list[DayloopError] = []

    def converted(table: DeltaTable) -> Iterator[pa.RecordBatch]:
        hashes.clear()
        for batch in lake.scan(dataset.name, table).to_batches():
            try:
                rows = _converted(dataset, pa.Table.from_batches([batch]))
            except ContractBroken as problem:  # the writer would say it in words of its own
                problems.append(problem)
                raise
            days = day_of(rows[dataset.day])
            known = rows.select(list(dataset.columns))
            for number, value in content.sum_by_day(content.row_hashes(known), days).items():
                hashes[EPOCH + number * DAY] += value
            yield from rows.to_batches()

    try:
        version = lake.rewrite(
            dataset.name,
            lambda table: pa.RecordBatchReader.from_batches(schema, converted(table)),
            schema=schema,
            partition_by=[MONTH],
            note=NOTE,
        )
    except DayloopError as error:
        raise (problems or [error])[0] from None
    entries = [
        replace(entry, content=f"{hashes[entry.day] % 2**64:016x}", table_version=version)
        if entry.status == "loaded"
        else entry
        for entry in ledger.entries(dataset.name)
    ]
    if entries:
        whole = Interval(entries[0].day, entries[-1].day + DAY)
        ledger.record(dataset.name, whole, entries)


def _converted(dataset: Dataset, rows: pa.Table) -> pa.Table:
    columns = {}
    for name, kind in dataset.columns.items():
        column = pa.chunked_array([pa.nulls(len(rows), TYPES[kind])])
        if name in rows.schema.names:
            column = _exactly(dataset, name, rows[name])
        nulls = column.null_count
        if nulls and not dataset.checks.columns[name].nullable:
            raise _cannot(dataset, name, f"{nulls:,} rows or more have no value")
        columns[name] = column
    return pa.table({**columns, MONTH: rows[MONTH]}, schema=table_schema(dataset.columns))


def _exactly(dataset: Dataset, name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = dataset.columns[name]
    if values.type == TYPES[kind]:
        return values
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        texts = values.cast(pa.string()).combine_chunks()
        array, codes = converting.to_type(texts, kind, None, "UTC")
        if codes is not None and codes.any():
            wrong = texts.filter(pa.array(codes > 0))[0].as_py()
            raise _cannot(dataset, name, f"{wrong!r:.60} is no {kind}")
        return pa.chunked_array([array])
    if kind == "string" and pa.types.is_integer(values.type):
        return values.cast(pa.string())
    try:
        cast = values.cast(TYPES[kind])
        if pc.all(pc.equal(cast.cast(values.type), values)).as_py() is not False:
            return cast
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass  # said below, for whatever kind of reason
    raise _cannot(dataset, name, f"some of its values of type {values.type} are no exact {kind}")


def _cannot(dataset: Dataset, column: str, why: str) -> ContractBroken:
    return ContractBroken(
        f"{dataset.name}: column {column} cannot be brought to its new declaration: {why}; the "
        "table is as it was. Declare a new column beside it, or keep the old type"
    )
