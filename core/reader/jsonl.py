"""JSON, an object a line. Nothing is coerced: a text is never taken for a number.

Lines that are plain, as nearly all are, Arrow reads. A regular expression tells them: the keys
of the first line in its order, values of the declared types, no number that could be changed
on the way. Python reads the others, one by one.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from json import JSONDecoder, dumps
from typing import Any, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.json import ParseOptions, ReadOptions, read_json

from catalog.kinds import Source
from core.reader.codes import (
    NOT_A_BOOLEAN,
    NOT_A_DATE,
    NOT_A_NUMBER,
    NOT_AN_INTEGER,
    NOT_JSON,
    NOT_TEXT,
    OUT_OF_RANGE,
    Codes,
    Converted,
    Mask,
    as_mask,
    coded,
    merged,
    nul_codes,
)
from core.reader.converting import TYPES, finite, to_type
from core.reader.parsed import Broken, Parsed
from core.reader.refusing import check_columns, check_names, refuse
from core.reader.scanning import Chunk, chunks

HEAD = 100  # lines, one of which should be an object
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
TEXT = (
    r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]'
    r'|u(?:[0-9a-cefA-CEF][0-9a-fA-F]|[dD][0-7])[0-9a-fA-F]{2}))*"'  # no halves of a pair
)
# Up to 15 digits are exact; -0 is an integer, so without its sign; 1e100 may be too large.
NUMBER = r"(?:(?:0|-?[1-9][0-9]{0,14})(?:\.[0-9]{1,20})?|-0\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,2})?"
PLAIN = {
    "string": TEXT,
    "datetime": TEXT,
    "int": r"-?(?:0|[1-9][0-9]{0,17})",
    "float": NUMBER,
    "bool": "true|false",
    "": f"{TEXT}|{NUMBER}|true|false",
}

Open = Callable[[], BinaryIO]
Places = npt.NDArray[np.int64]
Record = dict[str, Any]


class NotJson(ValueError):
    """What no JSON reader should let pass: the file's writer is broken."""


def _object(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) < len(pairs):
        [(key, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise NotJson(f"the key {key!r} twice")
    return record


def _constant(word: str) -> NoReturn:
    raise NotJson(f"{word}, which JSON does not have")


DECODER = JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


@dataclass(frozen=True)
class _Lines:
    """A chunk's lines that are not blank.

    Attributes:
        texts: of the lines, ends and all.
        keys: of the first object.
        plain: which lines Arrow may read.
        others: the places of the rest.
        records: the objects there, None where there is none.
    """

    texts: pa.Array
    keys: tuple[str, ...]
    plain: Mask
    others: Places
    records: list[Record | None]

    def at(self, places: Places) -> pa.Array:
        return pc.ascii_rtrim(self.texts.take(pa.array(places)), "\r\n")


def names(source: Source, open_file: Open, name: str) -> tuple[str, ...]:
    """The keys in the first block."""
    for chunk in chunks(source, open_file, name, quotes=False):
        lines = _lines(chunk, {}, name)
        others = (key for record in lines.records if record for key in record)
        found = tuple(dict.fromkeys([*lines.keys, *others]))
        check_names(found, name)
        return found
    return ()


def parse(
    source: Source,
    columns: Mapping[str, str],
    open_file: Open,
    name: str,
    nullable: Collection[str],
) -> Iterator[Parsed]:
    """The file's rows; arguments as of `reading.read`.

    An absent key is a null, but a declared column must be there in some row.
    """
    before, missing, known = 0, set(columns) - set(nullable), set[str]()
    for chunk in chunks(source, open_file, name, quotes=False):
        if before == 0 and chunk.data.lstrip()[:1] == b"[":
            raise refuse(name, "holds a JSON array, not an object a line", "have it sent as jsonl")
        lines = _lines(chunk, columns, name)
        good = [record for record in lines.records if record is not None]
        known |= set(lines.keys).union(*good[:1000])
        missing = missing.difference(lines.keys, *good) if missing else missing
        whole = lines.plain.copy()
        whole[lines.others] = [record is not None for record in lines.records]
        rows, broken = np.flatnonzero(whole), np.flatnonzero(~whole)
        yield Parsed(
            before + 1 + rows,
            _columns(lines, good, columns, source),
            partial(_texts, lines, rows),
            partial(_raw, lines, rows),
            _broken(before + 1 + broken, lines.at(broken)) if len(broken) else None,
        )
        before += len(whole)
    if known and missing:
        check_columns(known - missing, columns, nullable, name)


def _lines(chunk: Chunk, columns: Mapping[str, str], name: str) -> _Lines:
    ends = np.flatnonzero(np.frombuffer(chunk.data, np.uint8) == ord("\n")) + 1
    if not chunk.data.endswith(b"\n"):
        ends = np.append(ends, len(chunk.data))
    buffers = [pa.py_buffer(np.append(0, ends).astype(np.int32)), pa.py_buffer(chunk.data)]
    texts = pa.Array.from_buffers(pa.string(), len(ends), [None, *buffers])
    empty = as_mask(pc.equal(pc.ascii_trim_whitespace(texts), ""))
    numbers = chunk.line + np.flatnonzero(~empty)
    texts = texts.filter(pa.array(~empty)) if empty.any() else texts
    head = zip(texts[:HEAD].to_pylist(), numbers[:HEAD].tolist(), strict=True)
    keys = tuple(next(filter(None, (_record(text, number, name) for text, number in head)), ()))
    plain = np.zeros(len(texts), np.bool_)
    if keys:
        plain = as_mask(pc.match_substring_regex(texts, _template(keys, columns)))
    others = np.flatnonzero(~plain)
    found = zip(texts.take(pa.array(others)).to_pylist(), numbers[others].tolist(), strict=True)
    records = [_record(text, number, name) for text, number in found]
    if records and records[-1] is None and not (plain[-1] or chunk.data.endswith(b"\n")):
        last = f"line {numbers[-1]}, the last, is cut off"
        raise refuse(name, last, "have the file sent again")
    return _Lines(texts, keys, plain, others, records)


def _template(keys: Iterable[str], columns: Mapping[str, str]) -> str:
    pairs = (
        rf"{re.escape(dumps(key, ensure_ascii=False))} ?: ?(?:{PLAIN[columns.get(key, '')]}|null)"
        for key in keys
    )
    return rf"\A\{{ ?{' ?, ?'.join(pairs)} ?\}}\r*\n?\z"


def _record(text: str, number: int, name: str) -> Record | None:
    """The object on a line; None where there is none."""
    try:
        record = DECODER.decode(text)
    except NotJson as error:
        raise refuse(name, f"line {number} has {error}", "have the writer corrected") from None
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _columns(
    lines: _Lines, records: Sequence[Record], columns: Mapping[str, str], source: Source
) -> dict[str, Converted]:
    table = _read(lines, columns)
    read = [record is not None for record in lines.records]
    order = np.argsort(np.concatenate([np.flatnonzero(lines.plain), lines.others[read]]))
    typed = {}
    for column, kind in columns.items():
        values, codes = _values([record.get(column) for record in records], kind)
        if codes is not None:
            codes = np.append(np.zeros(table.num_rows, np.int8), codes)[order]
        values = pa.concat_arrays([*table[column].chunks, values]).take(pa.array(order))
        typed[column] = _finished(values, codes, column, kind, source)
    return typed


def _read(lines: _Lines, columns: Mapping[str, str]) -> pa.Table:
    """What Arrow reads."""
    schema = pa.schema({column: _stored(kind) for column, kind in columns.items()})
    if not lines.plain.any():
        return schema.empty_table()
    texts = lines.texts if lines.plain.all() else lines.texts.filter(pa.array(lines.plain))
    data = texts.buffers()[2].slice(0, int(pc.sum(pc.binary_length(texts)).as_py()))
    return read_json(
        pa.BufferReader(data),
        ReadOptions(use_threads=False, block_size=len(data) + 1),
        ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )


def _values(values: Sequence[Any], kind: str) -> Converted:
    """Values as they stand in JSON, of a type; moments are texts still."""
    accepted = ACCEPTED[kind]
    wrong = [value is not None and type(value) not in accepted for value in values]
    codes = coded(np.array(wrong, np.bool_), WRONG[kind])
    values = [None if bad else value for bad, value in zip(wrong, values, strict=True)]
    if kind != "bool":
        exact = [value is None or _is_exact(value, kind) for value in values]
        rule = OUT_OF_RANGE if kind in ("int", "float") else NOT_TEXT
        codes = coded(~np.array(exact, np.bool_), rule, codes)
        values = [value if fine else None for fine, value in zip(exact, values, strict=True)]
    if kind == "float":  # Arrow takes no integer above 2**53 for one, exact or not
        values = [value if value is None else float(value) for value in values]
    return pa.array(values, _stored(kind)), codes


def _stored(kind: str) -> pa.DataType:
    return TYPES["string" if kind == "datetime" else kind]


def _is_exact(value: Any, kind: str) -> bool:
    if kind == "int":
        return value in INT64
    try:
        if kind == "float":
            return isinstance(value, float) or float(value) == value
        return bool(value.isascii() or value.encode() is not None)
    except (OverflowError, UnicodeEncodeError):  # half of a surrogate pair
        return False


def _finished(
    values: pa.Array, codes: Codes | None, column: str, kind: str, source: Source
) -> Converted:
    if kind == "float":
        return finite(values, codes)
    if kind in ("int", "bool"):
        return values, codes
    codes = nul_codes(values, codes)
    if kind == "string":
        return values, codes
    moments, why = to_type(values, kind, source.date_formats.get(column), source.timezone)
    return moments, merged(codes, why)


def _broken(numbers: Places, texts: pa.Array) -> Broken:
    return Broken(numbers, pa.repeat(NOT_JSON, len(texts)), texts)


def _texts(lines: _Lines, rows: Places, column: str, at: pa.Array) -> pa.Array:
    found = (DECODER.decode(text) for text in _raw(lines, rows, at).to_pylist())
    return pa.array([_as_text(record.get(column)) for record in found], pa.string())


def _raw(lines: _Lines, rows: Places, at: pa.Array) -> pa.Array:
    return lines.at(rows[at.to_numpy()])


def _as_text(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and _is_exact(value, "string")):
        return value
    return dumps(value)
