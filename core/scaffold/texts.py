"""The type of a column of text: the one that the strict reader takes every value for.

Numbers that a person would not count with (leading zeros, more digits than a float keeps) are
text, and so is a column that only most values make one of numbers or dates: both are said.
"""

from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from core.reader.converting import to_type
from core.scaffold import dates
from core.scaffold.numbers import PLAIN, Form, of_form, without_missing

NUMBER = r"^-?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?$"
PATTERNS = {
    "numbers with a decimal comma or between thousands, so text until source.decimal or "
    "source.thousands says which": r"^-?\d{1,3}(,\d{3})+$",
    "more digits than a number keeps, so text": r"^-?\d{16,}$",
    "digits with leading zeros, so text": r"^\d+$",
}
UNSURE = "dates that can be read as "
FEW_WORDS = 2  # that stand among numbers for what is missing


@dataclass(frozen=True, kw_only=True)
class Found:
    """A column of the sample.

    Attributes:
        kind: string, int, float, bool or datetime; empty where the reader takes it for none.
        values: typed, null where there is nothing.
        date_format: of a datetime that is not ISO 8601.
        pattern: of texts that have all one form; empty for none.
        missing: words among its texts that are taken for nothing.
        everywhere: False where some file has no such column.
        oddities: what a person should know, without the column's name.
    """

    name: str
    kind: str
    values: pa.Array
    date_format: str = ""
    pattern: str = ""
    missing: tuple[str, ...] = ()
    everywhere: bool = True
    oddities: tuple[str, ...] = ()

    @property
    def nulls(self) -> int:
        """Rows without a value."""
        return int(self.values.null_count)

    @property
    def span(self) -> tuple[date, date]:
        """The first and the last day of dates."""
        ends = pc.min_max(self.values).as_py()
        return ends["min"].date(), ends["max"].date()


def of_text(name: str, texts: pa.Array, date_format: str, dated: str, form: Form = PLAIN) -> Found:
    """A column of delimited text as the type that all its values are of.

    Args:
        name: of the column.
        texts: its values.
        date_format: the format of dates that could be of several.
        dated: the column that is to hold dates, be it of years or months.
        form: of numbers.
    """
    known = without_missing(texts)
    found = of_dates(name, known, date_format, dated)
    if found.kind == "string" and known.null_count < len(known):
        typed = None if found.oddities else of_form(known, form)
        found = replace(found, kind=typed[0], values=typed[1]) if typed else found
    if found.kind == "string":
        odd, pattern = _like(texts.drop_null())
        return replace(found, values=texts, pattern=pattern, oddities=(*found.oddities, *odd))
    missing = texts.filter(pc.and_(pc.is_valid(texts), pc.is_null(known)))
    words = tuple(pc.unique(missing).to_pylist())
    said = f"{' and '.join(map(repr, words))} in {_rows(len(missing))}, taken for nothing"
    return replace(found, missing=words, oddities=(*found.oddities, *([said] if words else [])))


def of_dates(name: str, texts: pa.Array, date_format: str, dated: str) -> Found:
    """A column of text as dates, where all of them are; else as it is. Arguments as `of_text`."""
    found = partial(Found, name=name)
    empty = texts.null_count == len(texts)
    forms = [] if empty else dates.formats(texts, date_format, named=name == dated)
    if len(forms) > 1:
        words = f"{UNSURE}{' or '.join(forms)}, so text until --date-format says which"
        return found(kind="string", values=texts, oddities=(words,))
    if not forms:
        spaced = pc.any(pc.match_substring_regex(texts, r"^\s|\s$")).as_py()
        odd = ("some begin or end with a space",) if spaced else ()
        return found(kind="string", values=texts, oddities=odd)
    moments, _ = to_type(texts, "datetime", forms[0] or None, "UTC")
    said = dates.oddities(texts, moments, forms[0])
    return found(kind="datetime", values=moments, date_format=forms[0], oddities=said)


def _like(known: pa.Array) -> tuple[tuple[str, ...], str]:
    """What all texts look like, in words and as a pattern, where it is nearly a number or date."""
    for words, pattern in PATTERNS.items():
        if pc.all(pc.match_substring_regex(known, pattern)).as_py():
            return (words,), pattern
    for what, form in (("numbers", NUMBER), ("dates", dates.ISO)):
        like = pc.match_substring_regex(known, form)
        counts = pc.value_counts(known.filter(pc.invert(like))).to_pylist()
        others = sum(each["counts"] for each in counts)
        if others == len(known) or (len(counts) > FEW_WORDS and others > len(known) / 2):
            continue
        listed = sorted(counts, key=lambda each: -each["counts"])[:FEW_WORDS]
        shown = " and ".join(f"{each['values']!r:.40}" for each in listed)
        more = f" and {len(counts) - FEW_WORDS:,} other words" if len(counts) > FEW_WORDS else ""
        return (f"{what} but for {shown}{more} in {_rows(others)}, so text",), ""
    return (), ""


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
