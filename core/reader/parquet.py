"""Parquet: types must be as declared, or widen without loss."""

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.kinds import Source
from core.errors import SourceRefused
from core.reader.codes import (
    OUT_OF_RANGE,
    TOO_PRECISE,
    Converted,
    as_mask,
    coded,
    merged,
    nul_codes,
    only_where,
)
from core.reader.converting import TYPES, finite
from core.reader.moments import INSTANT, LOCAL, in_range, localize
from core.reader.parsed import Parsed, rows_as_json
from core.reader.refusing import check_columns, check_names, listed, refuse

BATCH_ROWS = 1 << 16
MOST_DIGITS = 15  # of a decimal, which a float gives back as they were

Open = Callable[[], BinaryIO]


def names(open_file: Open, name: str) -> tuple[str, ...]:
    """The columns of the file's schema."""
    found = tuple(schema(open_file, name).names)
    check_names(found, name)
    return found


def schema(open_file: Open, name: str) -> pa.Schema:
    """The file's own."""
    with open_file() as raw:
        return _opened(raw, name).schema_arrow


def _opened(raw: BinaryIO, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(
            raw, page_checksum_verification=True, coerce_int96_timestamp_unit="us"
        )
    except (pa.ArrowException, OSError) as error:
        raise _damaged(error, name) from None


def _damaged(error: Exception, name: str) -> Exception:
    if getattr(error, "errno", None) is not None:
        return error
    found = f"is not a whole parquet file: {str(error).splitlines()[0][:200]}"
    return refuse(name, found, "have it sent again")


def parse(
    source: Source,
    columns: Mapping[str, str],
    open_file: Open,
    name: str,
    nullable: Collection[str],
) -> Iterator[Parsed]:
    """The file's rows; types must be as declared or widen without loss."""
    with open_file() as raw:
        file = _opened(raw, name)
        found = file.schema_arrow
        check_names(found.names, name)
        check_columns(found.names, columns, nullable, name)
        _check_types(found, columns, name)
        groups = (file.metadata.row_group(i) for i in range(file.num_row_groups))
        if sum(group.total_byte_size for group in groups) > source.max_bytes:
            raise refuse(
                name, f"unpacks to more than {source.max_bytes:,} bytes", "raise source.max_bytes"
            )
        present = [column for column in columns if column in found.names]
        before = 0
        try:
            for batch in file.iter_batches(BATCH_ROWS, columns=present):
                batch.validate(full=True)
                absent = pa.nulls(batch.num_rows, pa.string())
                typed = {
                    column: _widened(batch[column], kind, source.timezone)
                    if column in present
                    else (absent.cast(TYPES[kind]), None)
                    for column, kind in columns.items()
                }
                yield Parsed(
                    np.arange(before + 1, before + batch.num_rows + 1),
                    typed,
                    partial(_texts, batch),
                    partial(_raw, batch),
                )
                before += batch.num_rows
        except SourceRefused:
            raise
        except (pa.ArrowException, OSError) as error:
            raise _damaged(error, name) from None


def _check_types(schema: pa.Schema, columns: Mapping[str, str], name: str) -> None:
    for column, kind in columns.items():
        found = schema.field(column).type if column in schema.names else TYPES[kind]
        if not widens(found, kind):
            raise refuse(
                name,
                f"column {listed([column])}: expected {kind}, found {found}",
                "correct the schema or what is sent",
            )


def widens(found: pa.DataType, kind: str) -> bool:
    """Whether a column of this type can be declared as this kind."""
    if kind == "string":
        value = found.value_type if pa.types.is_dictionary(found) else found
        return bool(pa.types.is_string(value) or pa.types.is_large_string(value))
    if kind == "int":
        return bool(pa.types.is_integer(found)) and not pa.types.is_uint64(found)
    if kind == "float":
        narrow = pa.types.is_integer(found) and found.bit_width <= 32
        exact = pa.types.is_decimal(found) and found.precision <= MOST_DIGITS
        return bool(pa.types.is_floating(found) or narrow or exact)
    if kind == "bool":
        return bool(pa.types.is_boolean(found))
    return bool(pa.types.is_date(found) or pa.types.is_timestamp(found))


def _widened(values: pa.Array, kind: str, zone: str) -> Converted:
    if kind == "string":
        values = values.cast(pa.string())
        return values, nul_codes(values)
    if kind == "float":
        return finite(values.cast(pa.float64()))
    if kind != "datetime":
        return values.cast(TYPES[kind]), None
    return _instants(values, zone)


def _instants(values: pa.Array, zone: str) -> Converted:
    codes = None
    found = values.type
    if pa.types.is_date(found):
        values = values.cast(pa.date32()).cast(pa.timestamp("s"))
    elif found.unit == "ns":
        micros = values.cast(pa.timestamp("us", found.tz), safe=False)  # floor: asks local times
        finer = as_mask(pc.not_equal(values, micros.cast(found)))
        values, codes = only_where(~finer, values), coded(finer, TOO_PRECISE)
    aware = pa.types.is_timestamp(found) and found.tz is not None
    try:
        micros = values.cast(INSTANT if aware else LOCAL)
    except pa.ArrowInvalid:  # the year 300,000 or so
        a_second = 1000 if values.type.unit == "ms" else 1
        seconds = pc.abs(pc.divide(values.cast(pa.int64()), a_second))
        wild = as_mask(pc.greater(seconds, 2**38))
        codes = coded(wild, OUT_OF_RANGE, codes)
        micros = only_where(~wild, values).cast(INSTANT if aware else LOCAL)
    if aware:
        return in_range(micros, codes)
    days = np.ones(len(values), np.bool_) if pa.types.is_date(found) else None
    instants, why = localize(micros, zone, days)
    return in_range(instants, merged(codes, why))


def _texts(batch: pa.RecordBatch, column: str, at: pa.Array) -> pa.Array:
    return batch[column].take(at).cast(pa.string())


def _raw(batch: pa.RecordBatch, at: pa.Array) -> pa.Array:
    return rows_as_json({name: _texts(batch, name, at) for name in batch.schema.names})
