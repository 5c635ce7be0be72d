"""The strict reader: landed bytes in, typed rows and bad rows out, nothing lost or guessed.

A row is in exactly one of a block's two tables. A file that as a whole cannot be what was
declared raises SourceRefused, perhaps only at its end: keep nothing of it before that.

What counts as a row: a blank line does not, save in a file of one column, where it is a
null. An empty field is null. Times without an offset are in `Source.timezone`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.kinds import Source
from catalog.sources import format_of
from core.reader import delimited, jsonl, pages, parquet
from core.reader.codes import RULES, Codes
from core.reader.moments import INSTANT
from core.reader.parsed import Broken, Parsed, cut, rows_as_json
from core.reader.refusing import refuse
from core.reader.scanning import BLOCK_BYTES

__all__ = ["BLOCK_BYTES", "ROW", "Block", "header", "read"]

ROW = "_row"
BAD = pa.schema(
    {
        ROW: pa.int64(),
        "at": INSTANT,
        "column": pa.string(),
        "rule": pa.string(),
        "value": pa.string(),
        "raw": pa.string(),
    }
)
VALUE_CHARACTERS = 200
RAW_CHARACTERS = 4_000

Open = Callable[[], BinaryIO]
PARSE = {
    "delimited": delimited.parse,
    "jsonl": jsonl.parse,
    "json": pages.json,
    "parquet": parquet.parse,
}


@dataclass(frozen=True)
class Block:
    """About 4 MB of a file, in its order.

    Attributes:
        rows: `_row`, the number of the data row in its file from 1, and each declared
            column, typed: int64, float64, bool, string or timestamp[us, UTC].
        bad: a line for each bad row: `_row`; at: the row's own day where it could be read;
            column: the first declared one that is wrong, null for the whole row; rule;
            value: the offending text; raw: the row's declared columns as a JSON object.
    """

    rows: pa.Table
    bad: pa.Table


def read(
    source: Source,
    columns: Mapping[str, str],
    day: str,
    open_file: Open,
    name: str,
    *,
    nullable: Collection[str] = (),
) -> Iterator[Block]:
    """Reads a landed file block by block.

    Args:
        source: how the file was declared.
        columns: name to string, int, float, bool or datetime.
        day: the column that says to which day a row belongs.
        open_file: opens the landed bytes from their start; may be called more than once.
        name: of the file, for messages; its end says what is in it.
        nullable: columns that may be missing from the file and are then null.

    Raises:
        SourceRefused: the file as a whole is not what was declared.
    """
    rows = misformed = 0
    first_rule = ""
    for parsed in PARSE[format_of(name)](source, columns, open_file, name, nullable):
        rows += len(parsed.numbers)
        if parsed.broken is not None:
            first_rule = first_rule or parsed.broken.rules[0].as_py()
            misformed += len(parsed.broken.numbers)
            rows += len(parsed.broken.numbers)
        yield _block(parsed, columns, day)
    if misformed > max(1, rows // 2):
        raise refuse(
            name,
            f"{misformed:,} of {rows:,} rows are misformed, the first by: {first_rule}",
            "compare the header, the rows and source.delimiter",
        )


def header(source: Source, open_file: Open, name: str) -> tuple[str, ...]:
    """The names of the file's own columns, declared or not; of jsonl, those of its first block.

    Raises:
        SourceRefused: there is no header, or not one that can be relied on.
    """
    if format_of(name) == "json":
        return pages.names(source, open_file, name)
    if format_of(name) == "jsonl":
        return jsonl.names(source, open_file, name)
    if format_of(name) == "parquet":
        return parquet.names(open_file, name)
    return delimited.header(source, open_file, name)


def _block(parsed: Parsed, columns: Mapping[str, str], day: str) -> Block:
    arrays = {column: parsed.columns[column][0] for column in columns}
    rows = pa.table({ROW: pa.array(parsed.numbers), **arrays})
    failed = {name: codes for name, (_, codes) in parsed.columns.items() if codes is not None}
    if not failed:
        return Block(rows, _broken_rows(parsed.broken))
    first = np.full(rows.num_rows, -1, np.int16)
    for position, codes in enumerate(failed.values()):
        first[(first < 0) & (codes > 0)] = position
    good = first < 0
    days = rows[day] if columns[day] == "datetime" else pa.nulls(len(first), INSTANT)
    bad = _failed_rows(parsed, failed, first, days)
    if parsed.broken is not None:
        bad = pa.concat_tables([bad, _broken_rows(parsed.broken)]).sort_by(ROW)
    return Block(rows if good.all() else rows.filter(pa.array(good)), bad)


def _failed_rows(
    parsed: Parsed, failed: Mapping[str, Codes], first: npt.NDArray[np.int16], days: pa.ChunkedArray
) -> pa.Table:
    """The quarantine's view of rows with a failure; vectorized, for there may be many."""
    found = np.flatnonzero(first >= 0)
    which, codes = first[found], np.zeros(len(found), np.int8)
    texts, order = [], np.argsort(which, kind="stable")
    for position, (name, column_codes) in enumerate(failed.items()):
        some = found[which == position]
        codes[which == position] = column_codes[some]
        texts.append(parsed.texts(name, pa.array(some)))
    value = pa.concat_arrays(texts).take(pa.array(np.argsort(order)))
    at = pa.array(found)
    columns = {
        ROW: pa.array(parsed.numbers[found]),
        "at": days.take(at),
        "column": pa.array(list(failed)).take(pa.array(which)),
        "rule": pa.array(RULES).take(pa.array(codes)),
        "value": cut(value, VALUE_CHARACTERS),
        "raw": cut(parsed.raw(at), RAW_CHARACTERS),
    }
    return pa.table(columns, schema=BAD)


def _broken_rows(broken: Broken | None) -> pa.Table:
    if broken is None:
        return BAD.empty_table()
    count = len(broken.numbers)
    columns = {
        ROW: pa.array(broken.numbers),
        "at": pa.nulls(count, INSTANT),
        "column": pa.nulls(count, pa.string()),
        "rule": broken.rules,
        "value": cut(broken.texts, VALUE_CHARACTERS),
        "raw": cut(rows_as_json({"_line": broken.texts}), RAW_CHARACTERS),
    }
    return pa.table(columns, schema=BAD)
