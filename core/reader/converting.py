"""From text to the declared types, a column at a time, with a reason for every refusal.

Each function returns the typed column, null where a text was refused, and one code a row
(the position in RULES; 0 is fine), or None where nothing was refused. The quick way is
tried first: only a column that holds a bad text pays for finding out which.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.reader.codes import (
    CODES,
    NOT_A_BOOLEAN,
    NOT_A_NUMBER,
    NOT_AN_INTEGER,
    NOT_FINITE,
    OUT_OF_RANGE,
    Codes,
    Converted,
    as_mask,
    coded,
    only_where,
    trial_cast,
)
from core.reader.moments import INSTANT, to_instants

TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "datetime": INSTANT,
}


_FLOAT = r"\A[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\z"
_INFINITE = r"(?i)\A[+-]?inf(inity)?\z"


def to_type(texts: pa.Array, kind: str, date_format: str | None, zone: str) -> Converted:
    """Converts one column of text; null stays null.

    Args:
        texts: the column, pa.string().
        kind: string, int, float, bool or datetime.
        date_format: strptime format of a datetime that is not ISO 8601.
        zone: the time zone of times that name none; a date alone is a day in UTC.
    """
    if kind == "string":
        return texts, None
    if kind != "datetime":
        return {"int": _ints, "float": _floats, "bool": _bools}[kind](texts)
    return to_instants(texts, date_format, zone)


def without(texts: pa.Array, words: Sequence[str]) -> pa.Array:
    """The texts, null where they are one of these words."""
    found = pc.is_in(texts, pa.array(words, pa.string()))
    # Not `if_else`, which leaves the words' bytes where the conversions look.
    return pc.replace_with_mask(texts, found, pa.scalar(None, pa.string()))


def with_point(texts: pa.Array, decimal: str, thousands: str) -> pa.Array:
    """Numbers of this form, such as 1.234,50, as 1234.50; what is of no such form is no number.

    Args:
        texts: the column, pa.string().
        decimal: what stands before the decimals.
        thousands: what may stand between groups of three digits; empty for nothing.
    """
    if (decimal, thousands) == (".", ""):
        return texts
    mark, comma = re.escape(thousands), re.escape(decimal)
    whole = rf"([0-9]{{1,3}}({mark}[0-9]{{3}})+|[0-9]+)"
    form = rf"\A[+-]?({whole}({comma}[0-9]*)?|{comma}[0-9]+)([eE][+-]?[0-9]+)?\z"
    plain = pc.replace_substring(texts, thousands, "") if thousands else texts
    plain = pc.replace_substring(plain, decimal, ".")
    return pc.if_else(pc.match_substring_regex(texts, form), plain, "?")


def _ints(texts: pa.Array) -> Converted:
    try:
        values = trial_cast(texts, pa.int64())
    except pa.ArrowInvalid:
        return _judged(texts, pa.int64(), _judge_ints)
    data = texts.buffers()[2]
    if data and np.frombuffer(data, np.uint8).max(initial=0) > ord("9"):  # Arrow reads 0x10 as 16
        return _judged(texts, pa.int64(), _judge_ints)
    return values, None


def _judge_ints(texts: pa.Array) -> Codes:
    shaped = as_mask(pc.match_substring_regex(texts, r"\A-?[0-9]+\z"))
    digits = pc.utf8_ltrim(pc.utf8_ltrim(texts, "-"), "0")
    limit = pc.if_else(pc.starts_with(texts, "-"), "9223372036854775808", "9223372036854775807")
    length = pc.binary_length(digits)
    within = pc.and_(pc.equal(length, 19), pc.less_equal(digits, limit))
    fits = as_mask(pc.or_(pc.less(length, 19), within))
    return np.where(shaped, np.where(fits, 0, CODES[OUT_OF_RANGE]), CODES[NOT_AN_INTEGER])


def _floats(texts: pa.Array) -> Converted:
    try:
        values, codes = trial_cast(texts, pa.float64()), None
    except pa.ArrowInvalid:
        values, codes = _judged(texts, pa.float64(), _judge_floats)
    if pc.all(pc.is_finite(values)).as_py() is False:  # words such as nan are not too large
        values, codes = _judged(texts, pa.float64(), _judge_floats)
    return finite(values, codes)


def _judge_floats(texts: pa.Array) -> Codes:
    shaped = as_mask(pc.match_substring_regex(texts, _FLOAT))
    infinite = as_mask(pc.match_substring_regex(texts, _INFINITE))
    return np.where(shaped, 0, np.where(infinite, CODES[NOT_FINITE], CODES[NOT_A_NUMBER]))


def _judged(texts: pa.Array, to: pa.DataType, judge: Callable[[pa.Array], Codes]) -> Converted:
    """Casts what the judge lets pass; only suspects are judged, all where that is not enough."""
    everything = np.flatnonzero(as_mask(pc.is_valid(texts)))
    for rows in (_suspects(texts, dots=pa.types.is_floating(to)), everything):
        codes = np.zeros(len(texts), np.int8)
        codes[rows] = judge(texts.take(pa.array(rows)))
        try:
            return only_where(codes == 0, texts).cast(to), codes if codes.any() else None
        except pa.ArrowInvalid:
            if len(rows) == len(everything):
                raise
    raise AssertionError("judging everything either casts or raises")


def _suspects(texts: pa.Array, *, dots: bool) -> npt.NDArray[np.int64]:
    """Rows with a byte that is no digit (or dot), and those longer than any common number."""
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    text = np.frombuffer(data or b"", np.uint8)
    least = np.uint8(ord("." if dots else "0"))
    odd = np.flatnonzero((text - least) > ord("9") - least)  # below the least it wraps round
    suspects = np.diff(starts) > 18
    rows = np.searchsorted(starts, odd.astype(np.int32), side="right") - 1
    suspects[rows[(rows >= 0) & (rows < len(texts))]] = True
    return np.flatnonzero(suspects)


def finite(values: pa.Array, codes: Codes | None = None) -> Converted:
    """Refuses inf and NaN among floats."""
    wild = as_mask(pc.invert(pc.is_finite(values)))
    return (only_where(~wild, values) if wild.any() else values), coded(wild, NOT_FINITE, codes)


def _bools(texts: pa.Array) -> Converted:
    try:
        return texts.cast(pa.bool_()), None
    except pa.ArrowInvalid:
        words = pa.array(["true", "false", "1", "0"])
        good = as_mask(pc.is_in(pc.ascii_lower(texts), words)) & as_mask(pc.is_valid(texts))
        codes = coded(as_mask(pc.is_valid(texts)) & ~good, NOT_A_BOOLEAN)
        return only_where(good, texts).cast(pa.bool_()), codes
