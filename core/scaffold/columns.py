"""What stands in each column of a sample, by the strict reader: its type, its values, oddities.

JSON and parquet have types, which are taken as they are; text has those that `texts` finds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa

from catalog.sources import format_of
from core.errors import SourceRefused, UsageError
from core.reader import reading
from core.reader.converting import TYPES
from core.reader.parsed import Parsed
from core.scaffold.samples import Sample
from core.scaffold.texts import Found, of_text
from core.sources.landing import Landed

MOST_ROWS = 1_000_000
JSON_KINDS = ("bool", "int", "float", "string")
PARQUET_KINDS = ("bool", "int", "float", "string", "datetime")


@dataclass(frozen=True)
class Looked:
    """All columns of a sample.

    Attributes:
        rows: that were looked at.
        whole: False where there are more.
    """

    columns: tuple[Found, ...]
    rows: int
    whole: bool


def look(sample: Sample, date_format: str = "", dated: str = "") -> Looked:
    """Reads the sample and finds each column's type.

    Args:
        sample: what landed.
        date_format: the format of dates that could be of several.
        dated: the column that is to hold dates, be it of years or months.

    Raises:
        SourceRefused: the reader cannot take the file for what its name says.
        UsageError: there is no row to look at.
    """
    form = format_of(sample.files[0].origin)
    headers = [_header(sample, file) for file in sample.files]
    names = [*dict.fromkeys(name for header in headers for name in header)]
    if not any(mark.isalpha() for name in names for mark in name):
        raise UsageError(
            f"{sample.files[0].origin}: no name of the header has a letter in it ({names[0]!r}, "
            "…); is there a header?"
        )
    if form == "delimited":
        texts, rows, whole = _read(sample, dict.fromkeys(names, "string"), names)
        found = [of_text(name, texts[name], date_format, dated) for name in names]
    else:
        found, rows, whole = _of_typed(sample, names, form, date_format, dated)
    if not rows:
        raise UsageError(f"{sample.files[0].origin} has no rows; take a sample that has some")
    some = {name for name in names if any(name not in header for header in headers)}
    found = [replace(each, everywhere=each.name not in some) for each in found]
    return Looked(tuple(found), rows, whole)


def _header(sample: Sample, file: Landed) -> tuple[str, ...]:
    return reading.header(sample.source, partial(sample.open, file), file.origin)


def _parsed(sample: Sample, kinds: dict[str, str], optional: Sequence[str]) -> Iterable[Parsed]:
    for file in sample.files:
        parse = reading.PARSE[format_of(file.origin)]
        yield from parse(sample.source, kinds, partial(sample.open, file), file.origin, optional)


def _read(
    sample: Sample, kinds: dict[str, str], optional: Sequence[str]
) -> tuple[dict[str, pa.Array], int, bool]:
    """Each column where every value is of its kind; how many rows, and whether that is all."""
    parts: dict[str, list[pa.Array]] = {name: [] for name in kinds}
    rows, whole = 0, True
    for parsed in _parsed(sample, kinds, optional):
        for name, (values, codes) in parsed.columns.items():
            if name in parts and codes is not None:
                del parts[name]
            elif name in parts:
                parts[name].append(values)
        rows += len(parsed.numbers) + (len(parsed.broken.numbers) if parsed.broken else 0)
        if rows >= MOST_ROWS:
            whole = False
            break
    one = {
        name: pa.concat_arrays(some) if some else pa.array([], TYPES[kinds[name]])
        for name, some in parts.items()
    }
    return one, rows, whole


def _of_typed(
    sample: Sample, names: list[str], form: str, date_format: str, dated: str
) -> tuple[list[Found], int, bool]:
    """Columns of JSON and parquet, whose values have types; texts in JSON may be dates."""
    if form == "parquet":
        kinds = {name: kind for name in names if (kind := _parquet_kind(sample, name))}
        read, rows, whole = _read(sample, kinds, names)
        typed = {name: (kinds[name], values) for name, values in read.items()}
    else:
        typed = {}
        for kind in JSON_KINDS:
            left = [name for name in names if name not in typed]
            read, rows, whole = _read(sample, dict.fromkeys(left, kind), names)
            typed |= {name: (kind, values) for name, values in read.items()}
    found = []
    for name in names:
        kind, values = typed.get(name, ("", pa.nulls(rows)))
        if kind and values.null_count == len(values):
            kind, values = "string", pa.nulls(len(values), pa.string())
        if kind == "string" and form != "parquet":
            found.append(of_text(name, values, date_format, dated, numbers=False))
        else:
            found.append(Found(name=name, kind=kind, values=values))
    return found, rows, whole


def _parquet_kind(sample: Sample, name: str) -> str:
    for kind in PARQUET_KINDS:
        try:
            next(iter(_parsed(sample, {name: kind}, [name])), None)
        except SourceRefused:
            continue
        return kind
    return ""
