"""What stands in each column of a sample, by the strict reader: its type, its values, oddities.

JSON and parquet have types, which are taken as they are; text has those that `texts` finds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from catalog.sources import format_of
from core.errors import UsageError
from core.reader import parquet, reading
from core.reader.converting import TYPES
from core.reader.delimited import UNNAMED
from core.reader.parsed import Parsed
from core.scaffold import numbers
from core.scaffold.numbers import PLAIN, Form
from core.scaffold.samples import Sample
from core.scaffold.texts import Found, of_dates, of_text
from core.sources.landing import Landed

MOST_ROWS = 1_000_000
SEVERAL_TYPES = "objects, lists, or values of several types"
JSON_KINDS = ("bool", "int", "float", "string")
PARQUET_KINDS = ("bool", "int", "float", "string", "datetime")
Columns = tuple[list[Found], int, bool]  # how many rows were looked at, and whether that is all


@dataclass(frozen=True)
class Looked:
    """All columns of a sample.

    Attributes:
        rows: that were looked at.
        whole: False where there are more.
        form: of numbers in delimited text.
    """

    columns: tuple[Found, ...]
    rows: int
    whole: bool
    form: Form


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
    kind = format_of(sample.files[0].origin)
    headers = [_header(sample, file) for file in sample.files]
    names = [*dict.fromkeys(name for header in headers for name in header)]
    if not any(mark.isalpha() for name in names if name != UNNAMED for mark in name):
        raise UsageError(
            f"{sample.files[0].origin}: no name of the header has a letter in it ({names[0]!r}, "
            "…); is there a header?"
        )
    form = PLAIN
    if kind == "delimited":
        texts, rows, whole = _read(sample, dict.fromkeys(names, "string"), names)
        form = numbers.form(texts.values())
        found = [of_text(name, texts[name], date_format, dated, form) for name in names]
        if UNNAMED in texts and _says_nothing(unnamed := found[names.index(UNNAMED)]):
            found[names.index(UNNAMED)] = _left_out(
                UNNAMED, unnamed.values, "row numbers, or empty"
            )
    elif kind == "parquet":
        found, rows, whole = _of_parquet(sample, names)
    else:
        found, rows, whole = _of_json(sample, names, date_format, dated)
    if not rows:
        raise UsageError(f"{sample.files[0].origin} has no rows; take a sample that has some")
    some = {name for name in names if any(name not in header for header in headers)}
    found = [replace(each, everywhere=each.name not in some) for each in found]
    return Looked(tuple(found), rows, whole, form)


def _says_nothing(unnamed: Found) -> bool:
    """Whether it is what exports put there: nothing, or the numbers of the rows."""
    if unnamed.nulls or unnamed.kind != "int":
        return unnamed.nulls == len(unnamed.values)
    return pc.all(pc.equal(pc.pairwise_diff(unnamed.values), 1)).as_py() is not False


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


def _of_json(sample: Sample, names: list[str], date_format: str, dated: str) -> Columns:
    """Columns of JSON, whose values have types; texts may be dates."""
    typed: dict[str, Found] = {}
    for kind in JSON_KINDS:
        left = [name for name in names if name not in typed]
        read, rows, whole = _read(sample, dict.fromkeys(left, kind), names)
        for name, values in read.items():
            empty = values.null_count == len(values)
            if kind == "string" or empty:
                typed[name] = of_dates(name, values.cast(pa.string()), date_format, dated)
            else:
                typed[name] = Found(name=name, kind=kind, values=values)
    nothing = pa.nulls(rows)
    columns = [typed.get(name) or _left_out(name, nothing, SEVERAL_TYPES) for name in names]
    return columns, rows, whole


def _of_parquet(sample: Sample, names: list[str]) -> Columns:
    """Columns of parquet, by the first file's own types; later files are held to them."""
    first, kinds, types = sample.files[0], {}, {}
    for field in parquet.schema(partial(sample.open, first), first.origin):
        types[field.name] = str(field.type)
        if kind := next((each for each in PARQUET_KINDS if parquet.widens(field.type, each)), ""):
            kinds[field.name] = kind
    read, rows, whole = _read(sample, kinds, names)
    found = {name: Found(name=name, kind=kinds[name], values=read[name]) for name in read}
    nothing = pa.nulls(rows)
    columns = [found.get(name) or _left_out(name, nothing, types[name]) for name in names]
    return columns, rows, whole


def _left_out(name: str, values: pa.Array, what: str) -> Found:
    return Found(name=name, kind="", values=values, oddities=(f"{what}: left out",))
