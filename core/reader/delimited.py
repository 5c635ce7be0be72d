"""Delimited text: Arrow parses it, and what Arrow would let pass is looked for around it."""

import csv
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from re import finditer, search
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions, InvalidRow, ParseOptions, ReadOptions, read_csv

from catalog.kinds import Source
from core.reader.codes import FIELD_COUNT, MALFORMED_QUOTES, STRAY_RETURN, Converted, nul_codes
from core.reader.converting import to_type, with_point, without
from core.reader.parsed import Broken, Parsed, rows_as_json
from core.reader.refusing import check_columns, check_names, refuse
from core.reader.scanning import Chunk, chunks

LIKE_ROWS = 10  # so many rows must agree on a form before a torn last one is told by it
TAIL_BYTES = 1 << 16
UNNAMED = "unnamed"

Open = Callable[[], BinaryIO]


def header(source: Source, open_file: Open, name: str) -> tuple[str, ...]:
    """The names in the file's first line; raises SourceRefused where they cannot be relied on."""
    first = next(chunks(source, open_file, name, quotes=True), None)
    names, _ = _header(first, source, name)
    check_names(names, name)
    return names


def parse(
    source: Source,
    columns: Mapping[str, str],
    open_file: Open,
    name: str,
    nullable: Collection[str],
) -> Iterator[Parsed]:
    """The file's rows, typed, a chunk at a time; arguments as of `reading.read`."""
    names: tuple[str, ...] = ()
    before = 0
    for chunk in chunks(source, open_file, name, quotes=True):
        start = 0
        if not names:
            names, start = _header(chunk, source, name)
            if not set(names).isdisjoint(columns):  # else the header itself is missing
                check_names(names, name)
            check_columns(names, columns, nullable, name)
        data = _with_stand_ins(chunk, start, source, len(names))
        if _is_blank(data, len(names)):
            continue
        nul = b"\0" in data
        wanted = [column for column in names if nul or column in columns]
        table, invalid = _fields(data, chunk, names, wanted, source)
        count = table.num_rows + len(invalid.rows)
        if not data.endswith((b"\n", b"\r")):
            short = count in invalid.rows and invalid.short_last
            _refuse_if_torn(chunk, data, short, columns.get(names[-1]), source, name)
        texts = {column: _one_array(table[column]) for column in wanted}
        absent = pa.nulls(table.num_rows, pa.string())
        texts |= {column: absent for column in columns if column not in names}
        numbers = np.arange(before + 1, before + count + 1)
        yield Parsed(
            np.delete(numbers, invalid.rows - 1) if len(invalid.rows) else numbers,
            _typed(texts, columns, source, nul),
            partial(_texts, texts),
            partial(_raw, texts),
            _broken(invalid, before, chunk, source, len(names)),
        )
        before += count
    if not names:
        raise refuse(name, "is empty, there is not even a header", "look at what the source sent")


def _is_blank(data: bytes, width: int) -> bool:
    if data.isspace() and width > 1:
        return not data.strip(b"\r\n")
    return not data


def _header(chunk: Chunk | None, source: Source, name: str) -> tuple[tuple[str, ...], int]:
    """The names in the first line that is not blank, and where the rows begin."""
    end = 0

    def lines(data: bytes) -> Iterator[str]:
        nonlocal end
        for match in finditer(rb"[^\r\n]*(\r\n|\n|\r|\Z)", data):
            end = match.end()
            yield match[0].decode()

    try:
        text = lines(chunk.data if chunk else b"")
        rows = csv.reader(text, delimiter=source.delimiter, strict=True)
        names = _named(next((row for row in rows if row), []))
    except csv.Error as error:
        raise refuse(name, f"the header cannot be read: {error}", "correct the header") from None
    if not names:
        raise refuse(name, "is empty, there is not even a header", "look at what the source sent")
    if chunk and chunk.malformed and chunk.malformed[0][0] < end:
        raise refuse(name, "the header has a stray carriage return or quote", "correct the header")
    others = [mark for mark in ",;\t|" if mark != source.delimiter and mark in names[0]]
    if len(names) == 1 and others:
        found = f"the header is one column, {names[0][:80]!r}"
        raise refuse(name, found, f"declare source.delimiter, perhaps {others[0]!r}")
    return names, end


def _named(header: list[str]) -> tuple[str, ...]:
    """The header, a first column without a name as `unnamed`: exports number their rows in it."""
    if header[:1] == [""] and len(header) > 1 and UNNAMED not in header:
        return (UNNAMED, *header[1:])
    return tuple(header)


def _with_stand_ins(chunk: Chunk, start: int, source: Source, width: int) -> bytes:
    """The rows, those with malformed quotes replaced by ones of a wrong number of fields."""
    parts, at = [], start
    for begin, end in chunk.malformed:
        parts += [chunk.data[at:begin], _stand_in(chunk.data[begin:end], source, width)]
        at = end
    return b"".join([*parts, chunk.data[at:]]) if parts or at else chunk.data


def _stand_in(line: bytes, source: Source, width: int) -> bytes:
    return b'"' + line.strip(b"\r").replace(b'"', b'""') + b'"' + source.delimiter.encode() * width


@dataclass(frozen=True)
class _Invalid:
    """Rows of a chunk with too few or too many fields: their places from 1, and texts."""

    rows: npt.NDArray[np.int64]
    texts: pa.Array
    short_last: bool


def _fields(
    data: bytes, chunk: Chunk, names: tuple[str, ...], wanted: list[str], source: Source
) -> tuple[pa.Table, _Invalid]:
    """The fields as text, and the rows with too few or too many of them.

    As one block in one thread: only so is each invalid row told by its number.
    """
    found: list[InvalidRow] = []

    def put_aside(row: InvalidRow) -> str:
        found.append(row)
        return "skip"

    table = read_csv(
        pa.py_buffer(data),
        ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
        ParseOptions(
            delimiter=source.delimiter,
            # a block that ends with a row needs no second look for where rows end
            newlines_in_values=chunk.quoted and not data.endswith(b"\n"),
            ignore_empty_lines=len(names) > 1,
            invalid_row_handler=put_aside,
        ),
        ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=wanted,
            null_values=[""],
            strings_can_be_null=True,
            check_utf8=False,
        ),
    )
    rows = np.array([row.number for row in found], np.int64)
    short = bool(found) and found[-1].actual_columns < len(names)
    return table, _Invalid(rows, pa.array([row.text for row in found], pa.string()), short)


def _refuse_if_torn(
    chunk: Chunk, data: bytes, short: bool, kind: str | None, source: Source, name: str
) -> None:
    """Refuses a last line that has no line end and looks cut off.

    What is left of a torn `12.00` may read as a number. It is told by what the rows before
    agree on; where they agree on nothing, a complete last line is taken as it is.
    """
    tail = data[-TAIL_BYTES:]
    lines = [line.rstrip(b"\r") for line in tail.split(b"\n")][len(tail) < len(data) :]
    fields = [line.rpartition(source.delimiter.encode())[2] for line in lines if line] or [b""]
    torn = kind in ("int", "float", "datetime") and bool(search(rb"[-+.,:eET]\Z", fields[-1]))
    if short or torn or _falls_short(fields[-1], fields[:-1], source.decimal.encode()):
        line = chunk.line + chunk.data.count(b"\n")
        end = tail[-60:].decode(errors="replace").splitlines()[-1]
        found = f"line {line}, the last, has no line end and is cut off: {end!r}"
        raise refuse(name, found, "have the file sent again")


def _falls_short(last: bytes, others: list[bytes], point: bytes) -> bool:
    """Whether the field lacks what all the others have: any text, their length, their decimals."""
    if len(others) < LIKE_ROWS or last.endswith(b'"'):
        return False
    if not last:
        return all(others)
    lengths = {len(text) for text in others}
    decimals = {len(text.partition(point)[2]) for text in others}
    if len(lengths) == 1 and min(lengths) >= 5:
        return len(last) < min(lengths)
    return len(decimals) == 1 and len(last.partition(point)[2]) < min(decimals)


def _broken(
    invalid: _Invalid, before: int, chunk: Chunk, source: Source, width: int
) -> Broken | None:
    if not len(invalid.rows):
        return None
    rules, texts = pa.repeat(FIELD_COUNT, len(invalid.rows)), invalid.texts
    if chunk.malformed:
        lines = [chunk.data[begin:end] for begin, end in chunk.malformed]
        stood_in = pa.array([_stand_in(line, source, width).decode() for line in lines])
        which = pc.index_in(texts, stood_in)
        why = [STRAY_RETURN if b"\r" in line[:-1] else MALFORMED_QUOTES for line in lines]
        rules = pc.coalesce(pa.array(why).take(which), rules)
        real = pa.array([line.strip(b"\r").decode() for line in lines])
        texts = pc.coalesce(real.take(which), texts)
    return Broken(before + invalid.rows, rules, texts)


def _typed(
    texts: Mapping[str, pa.Array], columns: Mapping[str, str], source: Source, nul: bool
) -> dict[str, Converted]:
    typed = {
        column: to_type(
            _plain(texts[column], kind, source),
            kind,
            source.date_formats.get(column),
            source.timezone,
        )
        for column, kind in columns.items()
    }
    for column in texts if nul else ():
        values, codes = typed.get(column, (texts[column], None))
        typed[column] = values, nul_codes(texts[column], codes)
    return typed


def _plain(texts: pa.Array, kind: str, source: Source) -> pa.Array:
    """Without the words for nothing, and numbers with a decimal point; text stays as it is."""
    if source.na_values and kind != "string":
        texts = without(texts, source.na_values)
    if kind in ("int", "float"):
        texts = with_point(texts, source.decimal, source.thousands)
    return texts


def _texts(texts: Mapping[str, pa.Array], column: str, at: pa.Array) -> pa.Array:
    return texts[column].take(at)


def _raw(texts: Mapping[str, pa.Array], at: pa.Array) -> pa.Array:
    return rows_as_json({name: pc.fill_null(text.take(at), "") for name, text in texts.items()})


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
