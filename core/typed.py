"""Files that carry types of their own, jsonl and parquet: nothing is coerced across them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from json import JSONDecoder, dumps
from typing import Any, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog.kinds import Source
from core.converting import (
    INSTANT,
    LOCAL,
    NOT_A_BOOLEAN,
    NOT_A_DATE,
    NOT_A_NUMBER,
    NOT_AN_INTEGER,
    NOT_JSON,
    NOT_TEXT,
    NUL_CHARACTER,
    OUT_OF_RANGE,
    TOO_PRECISE,
    TYPES,
    Broken,
    Converted,
    Parsed,
    as_mask,
    coded,
    finite,
    in_range,
    localize,
    merged,
    only_where,
    rows_as_json,
    to_type,
)
from core.errors import SourceRefused
from core.scanning import check_columns, check_names, chunks, listed, refuse

BATCH_ROWS = 1 << 16
INT64 = range(-(2**63), 2**63)
WRONG = {
    "string": NOT_TEXT,
    "int": NOT_AN_INTEGER,
    "float": NOT_A_NUMBER,
    "bool": NOT_A_BOOLEAN,
    "datetime": NOT_A_DATE,
}
ACCEPTED: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "datetime": (str,),
}

Open = Callable[[], BinaryIO]


class NotJson(ValueError):
    """What no JSON reader should let pass: the file's writer is broken."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise NotJson(f"the key {next(k for k in keys if keys.count(k) > 1)!r} twice")
    return record


def _constant(word: str) -> NoReturn:
    raise NotJson(f"{word}, which JSON does not have")


DECODER = JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def jsonl_names(source: Source, open_file: Open, name: str) -> tuple[str, ...]:
    """The keys in the first block."""
    for chunk in chunks(source, open_file, name, quotes=False):
        records = (_record(line, name, chunk.line) for line in chunk.data.split(b"\n"))
        names = tuple(dict.fromkeys(key for record in records if record for key in record))
        check_names(names, name)
        return names
    return ()


def jsonl(
    source: Source,
    columns: Mapping[str, str],
    open_file: Open,
    name: str,
    nullable: Collection[str],
) -> Iterator[Parsed]:
    """The file's rows, one JSON object a line; arguments as of `reading.read`.

    An absent key is a null, but a declared column must be there in some row.
    """
    before, missing, names = 0, set(columns) - set(nullable), set[str]()
    for chunk in chunks(source, open_file, name, quotes=False):
        if before == 0 and chunk.data.lstrip()[:1] == b"[":
            raise refuse(name, "holds a JSON array, not an object a line", "have it sent as jsonl")
        lines = [
            (number, line.rstrip(b"\r"))
            for number, line in enumerate(chunk.data.split(b"\n"), chunk.line)
            if line.strip()
        ]
        records = [_record(line, name, number) for number, line in lines]
        if records and records[-1] is None and not chunk.data.endswith(b"\n"):
            raise refuse(
                name, f"line {lines[-1][0]}, the last, is cut off", "have the file sent again"
            )
        numbers = np.arange(before + 1, before + len(lines) + 1)
        is_good = np.array([record is not None for record in records], np.bool_)
        good = [record for record in records if record is not None]
        texts = pa.array([line.decode() for _, line in lines], pa.string())
        names |= set().union(*good[:1000])
        missing = missing.difference(*good) if missing else missing
        shown = texts.filter(pa.array(is_good))
        yield Parsed(
            numbers[is_good],
            {c: _column([r.get(c) for r in good], c, kind, source) for c, kind in columns.items()},
            lambda at, good=good, shown=shown: (  # type: ignore[misc]
                _fields_as_text(good, columns, at),
                shown.take(at),
            ),
            _not_json(numbers[~is_good], texts.filter(pa.array(~is_good))),
        )
        before += len(lines)
    if names and missing:
        check_columns(names - missing, columns, nullable, name)


def _record(line: bytes, name: str, number: int) -> dict[str, Any] | None:
    """The object on a line; None where there is none."""
    if not line.strip():
        return None
    try:
        record = DECODER.decode(line.decode())
    except NotJson as error:
        raise refuse(name, f"line {number} has {error}", "have the writer corrected") from None
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _column(values: Sequence[Any], column: str, kind: str, source: Source) -> Converted:
    """Values as they stand in JSON, typed; a text is never taken for a number."""
    accepted = ACCEPTED[kind]
    wrong = [value is not None and type(value) not in accepted for value in values]
    codes = coded(np.array(wrong, np.bool_), WRONG[kind])
    values = [None if bad else value for bad, value in zip(wrong, values, strict=True)]
    if kind in ("int", "float"):
        exact = [value is None or _is_exact(value, kind) for value in values]
        codes = coded(~np.array(exact, np.bool_), OUT_OF_RANGE, codes)
        values = [value if fine else None for fine, value in zip(exact, values, strict=True)]
        array = pa.array(values, TYPES[kind])
        return finite(array, codes) if kind == "float" else (array, codes)
    if kind == "bool":
        return pa.array(values, pa.bool_()), codes
    encodable = [value is None or _is_text(value) for value in values]
    codes = coded(~np.array(encodable, np.bool_), NOT_TEXT, codes)
    values = [value if fine else None for fine, value in zip(encodable, values, strict=True)]
    texts = pa.array(values, pa.string())
    codes = coded(pc.match_substring(texts, "\0"), NUL_CHARACTER, codes)
    if kind == "string":
        return texts, codes
    array, why = to_type(texts, kind, source.date_formats.get(column), source.timezone)
    return array, merged(codes, why)


def _is_exact(value: int | float, kind: str) -> bool:
    if kind == "int":
        return value in INT64
    try:
        return isinstance(value, float) or float(value) == value
    except OverflowError:
        return False


def _is_text(value: str) -> bool:
    try:
        return bool(value.isascii() or value.encode() is not None)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _not_json(numbers: npt.NDArray[np.int64], texts: pa.Array) -> Broken | None:
    return Broken(numbers, pa.repeat(NOT_JSON, len(texts)), texts) if len(texts) else None


def _fields_as_text(
    records: Sequence[dict[str, Any]], columns: Iterable[str], at: pa.Array
) -> dict[str, pa.Array]:
    chosen = [records[place] for place in at.to_pylist()]
    return {c: pa.array([_as_text(r.get(c)) for r in chosen], pa.string()) for c in columns}


def _as_text(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and _is_text(value)):
        return value
    return dumps(value)


def parquet_names(open_file: Open, name: str) -> tuple[str, ...]:
    """The columns of the file's schema."""
    with open_file() as raw:
        names = tuple(_opened(raw, name).schema_arrow.names)
    check_names(names, name)
    return names


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


def parquet(
    source: Source,
    columns: Mapping[str, str],
    open_file: Open,
    name: str,
    nullable: Collection[str],
) -> Iterator[Parsed]:
    """The file's rows; types must be as declared or widen without loss."""
    with open_file() as raw:
        file = _opened(raw, name)
        schema = file.schema_arrow
        check_names(schema.names, name)
        check_columns(schema.names, columns, nullable, name)
        _check_types(schema, columns, name)
        groups = (file.metadata.row_group(i) for i in range(file.num_row_groups))
        if sum(group.total_byte_size for group in groups) > source.max_bytes:
            raise refuse(
                name, f"unpacks to more than {source.max_bytes:,} bytes", "raise source.max_bytes"
            )
        present = [column for column in columns if column in schema.names]
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
                    lambda at, batch=batch: _show_batch(batch, at),  # type: ignore[misc]
                )
                before += batch.num_rows
        except SourceRefused:
            raise
        except (pa.ArrowException, OSError) as error:
            raise _damaged(error, name) from None


def _check_types(schema: pa.Schema, columns: Mapping[str, str], name: str) -> None:
    for column, kind in columns.items():
        found = schema.field(column).type if column in schema.names else TYPES[kind]
        if not _widens(found, kind):
            raise refuse(
                name,
                f"column {listed([column])}: expected {kind}, found {found}",
                "correct the schema or what is sent",
            )


def _widens(found: pa.DataType, kind: str) -> bool:
    if kind == "string":
        value = found.value_type if pa.types.is_dictionary(found) else found
        return bool(pa.types.is_string(value) or pa.types.is_large_string(value))
    if kind == "int":
        return bool(pa.types.is_integer(found)) and not pa.types.is_uint64(found)
    if kind == "float":
        narrow = pa.types.is_integer(found) and found.bit_width <= 32
        return bool(pa.types.is_floating(found) or narrow)
    if kind == "bool":
        return bool(pa.types.is_boolean(found))
    return bool(pa.types.is_date(found) or pa.types.is_timestamp(found))


def _widened(values: pa.Array, kind: str, zone: str) -> Converted:
    if kind == "string":
        values = values.cast(pa.string())
        return values, coded(pc.match_substring(values, "\0"), NUL_CHARACTER)
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
        finer = as_mask(pc.not_equal(values, pc.floor_temporal(values, unit="microsecond")))
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


def _show_batch(batch: pa.RecordBatch, at: pa.Array) -> tuple[dict[str, pa.Array], pa.Array]:
    texts = {name: batch[name].take(at).cast(pa.string()) for name in batch.schema.names}
    return texts, rows_as_json(texts)
