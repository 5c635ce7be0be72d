"""The type of a column of text: the one that the strict reader takes every value for.

Numbers that a person would not count with (leading zeros, more digits than a float keeps) are
text, and so is a column that only most values make one of numbers or dates: both are said.
"""

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from core.reader.converting import to_type
from core.scaffold import dates

CODE = r"^(-?0[0-9]|\+)"  # leading zeros are part of a code, not of a number
LONG = r"^-?[0-9]{16,}$"  # a float would change some of them
NUMBER = r"-?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?"
FORMS = {
    "numbers with thousands separators, kept as text": r"^-?\d{1,3}(,\d{3})+(\.\d+)?$",
    "numbers with a decimal comma, kept as text": r"^-?[\d. ]*\d,\d+$",
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
        everywhere: False where some file has no such column.
        oddities: what a person should know, without the column's name.
    """

    name: str
    kind: str
    values: pa.Array
    date_format: str = ""
    pattern: str = ""
    everywhere: bool = True
    oddities: tuple[str, ...] = ()

    @property
    def nulls(self) -> int:
        """Rows without a value."""
        return int(self.values.null_count)


def of_text(
    name: str, texts: pa.Array, date_format: str, dated: str, *, numbers: bool = True
) -> Found:
    """A column of text as the type that all its values are of.

    Args:
        name: of the column.
        texts: its values.
        date_format: the format of dates that could be of several.
        dated: the column that is to hold dates, be it of years or months.
        numbers: False where numbers would not come as text.
    """
    found = partial(Found, name=name)
    if texts.null_count == len(texts):
        return found(kind="string", values=texts)
    forms = dates.formats(texts, date_format, named=name == dated)
    if len(forms) > 1:
        words = f"{UNSURE}{' or '.join(forms)}, so text until --date-format says which"
        return found(kind="string", values=texts, oddities=(words,))
    if forms:
        moments, _ = to_type(texts, "datetime", forms[0] or None, "UTC")
        return found(
            kind="datetime",
            values=moments,
            date_format=forms[0],
            oddities=dates.oddities(texts, moments, forms[0]),
        )
    if numbers and (typed := _of_numbers(texts)):
        return found(kind=typed[0], values=typed[1])
    odd, pattern = _form(texts.drop_null()) if numbers else ((), "")
    if _some(pc.match_substring_regex(texts, r"^\s|\s$")):
        odd = (*odd, "some begin or end with a space")
    return found(kind="string", values=texts, pattern=pattern, oddities=odd)


def _of_numbers(texts: pa.Array) -> tuple[str, pa.Array] | None:
    if _all(pc.is_in(pc.ascii_lower(texts), pa.array(["true", "false", None]))):
        return "bool", to_type(texts, "bool", None, "UTC")[0]
    if _some(pc.match_substring_regex(texts, CODE)):
        return None
    for kind in ("int", "float"):
        values, codes = to_type(texts, kind, None, "UTC")
        exact = kind == "int" or not _some(pc.match_substring_regex(texts, LONG))
        if codes is None and exact:
            return kind, values
    return None


def _form(known: pa.Array) -> tuple[tuple[str, ...], str]:
    """What all texts look like, in words and as a pattern, where it is nearly a number or date."""
    for words, pattern in FORMS.items():
        if _all(pc.match_substring_regex(known, pattern)):
            return (words,), pattern
    for what, form in (("numbers", f"^{NUMBER}$"), ("dates", dates.ISO)):
        like = pc.match_substring_regex(known, form)
        counts = pc.value_counts(known.filter(pc.invert(like))).to_pylist()
        others = sum(each["counts"] for each in counts)
        if others == len(known) or (len(counts) > FEW_WORDS and others > len(known) / 2):
            continue
        listed = sorted(counts, key=lambda each: -each["counts"])[:FEW_WORDS]
        shown = " and ".join(f"{each['values']!r:.40}" for each in listed)
        more = f" and {len(counts) - FEW_WORDS:,} other words" if len(counts) > FEW_WORDS else ""
        rows = f"{others:,} row{'' if others == 1 else 's'}"
        pattern = f"^({'|'.join([NUMBER, *(re.escape(each['values']) for each in listed)])})$"
        whole = what == "numbers" and not more
        return (f"{what} but for {shown}{more} in {rows}, so text",), pattern if whole else ""
    return (), ""


def _all(mask: Any) -> bool:
    return pc.all(mask).as_py() is not False


def _some(mask: Any) -> bool:
    return pc.any(mask).as_py() is True
