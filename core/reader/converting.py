"""From text to the declared types, a column at a time, with a reason for every refusal.

Each function returns the typed column, null where a text was refused, and one code a row
(the position in RULES; 0 is fine), or None where nothing was refused. The quick way is
tried first: only a column that holds a bad text pays for finding out which.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from json import dumps
from re import findall
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

RULES = (
    "",
    NOT_A_NUMBER := "not a number",
    NOT_AN_INTEGER := "not an integer",
    OUT_OF_RANGE := "out of range",
    NOT_FINITE := "not finite",
    NOT_A_BOOLEAN := "not a boolean",
    NOT_A_DATE := "not a date",
    AMBIGUOUS_DATE := "ambiguous date",
    NO_SUCH_LOCAL_TIME := "no such local time",
    LOCAL_TIME_TWICE := "local time that happens twice",
    TOO_PRECISE := "finer than a microsecond",
    NOT_TEXT := "not text",
    NUL_CHARACTER := "NUL character",
    FIELD_COUNT := "wrong number of fields",
    MALFORMED_QUOTES := "malformed quotes",
    STRAY_RETURN := "stray carriage return",
    NOT_JSON := "not a JSON object",
)
CODES = {rule: code for code, rule in enumerate(RULES)}
HEAD_ROWS = 1_000
INSTANT = pa.timestamp("us", tz="UTC")
LOCAL = pa.timestamp("us")
TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "datetime": INSTANT,
}

Codes = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]
Converted = tuple[pa.Array, Codes | None]

_FLOAT = r"\A[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\z"
_INFINITE = r"(?i)\A[+-]?inf(inity)?\z"
_TIME = r"[ T]([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?)?"
_OFFSET = r"(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)"
_MOMENT = rf"\A[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}({_TIME}{_OFFSET}?)?\z"
_FINER = r"\A[0-9-]{10}[ T][0-9:]{8}\.[0-9]{7,}"
_DAY_OR_MONTH_FIRST = r"\A[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2,4}\b"
_FIRST, _LAST = (
    int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000 + moment.microsecond
    for moment in (datetime.min, datetime.max)
)


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
    if date_format is None:
        return _moments(texts, zone)
    return _once_per_text(texts, lambda unique: _formatted(unique, date_format, zone))


def nul_codes(texts: pa.Array, codes: Codes | None = None) -> Codes | None:
    """Codes with the texts that have a NUL in them."""
    if np.frombuffer(texts.buffers()[2] or b"", np.uint8).min(initial=1):
        return codes
    return coded(pc.match_substring(texts, "\0"), NUL_CHARACTER, codes)


def coded(failed: Any, rule: str, codes: Codes | None = None) -> Codes | None:
    """Codes with the rule where the mask (pyarrow or numpy) is set; None stays for no failure."""
    mask = as_mask(failed)
    if not mask.any():
        return codes
    codes = np.zeros(len(mask), np.int8) if codes is None else codes
    codes[mask & (codes == 0)] = CODES[rule]
    return codes


def merged(codes: Codes | None, others: Codes | None) -> Codes | None:
    """Codes of failures that exclude each other, as one."""
    if codes is None or others is None:
        return others if codes is None else codes
    return np.maximum(codes, others)


def as_mask(mask: Any) -> Mask:
    """A boolean pyarrow array as numpy, null counting as False."""
    if isinstance(mask, np.ndarray):
        return mask
    return np.asarray(pc.fill_null(mask, False).to_numpy(zero_copy_only=False), np.bool_)


def only_where(mask: Mask, values: pa.Array) -> pa.Array:
    """The values, null where the mask is not set."""
    return pc.if_else(pa.array(mask), values, pa.scalar(None, values.type))


def _bad_dates(texts: pa.Array, good: Mask) -> Codes | None:
    """Why these are no dates; looks only at the ones that are not good."""
    at = np.flatnonzero(~good & as_mask(pc.is_valid(texts)))
    if not len(at):
        return None
    why = np.full(len(at), CODES[NOT_A_DATE], np.int8)
    for pattern, rule in ((_DAY_OR_MONTH_FIRST, AMBIGUOUS_DATE), (_FINER, TOO_PRECISE)):
        why[as_mask(pc.match_substring_regex(texts.take(pa.array(at)), pattern))] = CODES[rule]
    codes = np.zeros(len(texts), np.int8)
    codes[at] = why
    return codes


def _cast(texts: pa.Array, to: pa.DataType) -> pa.Array:
    """Casts, or raises ArrowInvalid: soon where bad texts are many, for each costs it a message."""
    texts[:HEAD_ROWS].cast(to)
    return texts.cast(to)


def _ints(texts: pa.Array) -> Converted:
    try:
        values = _cast(texts, pa.int64())
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
        values, codes = _cast(texts, pa.float64()), None
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


def _moments(texts: pa.Array, zone: str) -> Converted:
    with suppress(pa.ArrowInvalid):
        values, codes = localize(_cast(texts, LOCAL), zone, _days_only(texts, zone))
        values, codes = in_range(values, codes)
        if codes is None:
            return values, None
    return _once_per_text(texts, lambda unique: _iso(unique, zone))


def _days_only(texts: pa.Array, zone: str) -> Mask | None:
    return None if zone == "UTC" else as_mask(pc.equal(pc.binary_length(texts), 10))


def _once_per_text(texts: pa.Array, convert: Any) -> Converted:
    """Converts each different text once: dates repeat, so careful work stays cheap."""
    encoded = texts.dictionary_encode()
    values, codes = convert(encoded.dictionary)
    if codes is not None:
        where = pc.fill_null(encoded.indices, -1).to_numpy()
        codes = np.append(codes, np.int8(0))[where]  # -1, a null, takes the appended 0
    return values.take(encoded.indices), codes


def _iso(texts: pa.Array, zone: str) -> Converted:
    good = as_mask(pc.match_substring_regex(texts, _MOMENT))
    good &= _possible_days(pc.utf8_slice_codeunits(texts, 0, 10), good)
    offset = good & as_mask(pc.match_substring_regex(texts, rf"[0-9]{_OFFSET}\z"))
    offset &= as_mask(pc.greater(pc.binary_length(texts), 10))
    local = only_where(good & ~offset, texts).cast(LOCAL)
    values, codes = localize(local, zone, _days_only(texts, zone))
    values = pc.coalesce(values, only_where(offset, texts).cast(INSTANT))
    return in_range(values, merged(codes, _bad_dates(texts, good)))


def _possible_days(days: pa.Array, shaped: Mask) -> Mask:
    """Whether each ISO day exists: Arrow's own parser says so only for a whole column."""
    encoded = only_where(shaped, days).dictionary_encode()
    known = np.array([*map(_exists, encoded.dictionary.to_pylist()), False], np.bool_)
    possible: Mask = known[pc.fill_null(encoded.indices, -1).to_numpy()]
    return possible


def _exists(day: str) -> bool:
    try:
        return bool(date.fromisoformat(day))
    except ValueError:
        return False


def _formatted(texts: pa.Array, form: str, zone: str) -> Converted:
    """By Python's strptime; Arrow's, quicker, makes 2 March of 30 February, so it must agree."""
    local = pa.nulls(len(texts), LOCAL)
    if set(findall("%(.)", form)) <= set("YmdHMS"):
        parsed = pc.strptime(texts, format=form, unit="s", error_is_null=True)
        same = as_mask(pc.equal(pc.strftime(parsed, form), texts))
        local = only_where(same, parsed.cast(LOCAL))
    rest = np.flatnonzero(as_mask(pc.is_null(local)))
    found = [_strptime(text, form) for text in texts.take(pa.array(rest)).to_pylist()]
    # In UTC: pandera sets PYARROW_IGNORE_TIMEZONE, and Arrow then leaves offsets out silently.
    aware = [moment.astimezone(UTC) if moment and moment.tzinfo else None for moment in found]
    naive = [None if moment and moment.tzinfo else moment for moment in found]
    mask = np.zeros(len(texts), np.bool_)
    mask[rest] = True
    local = pc.replace_with_mask(local, pa.array(mask), pa.array(naive, LOCAL))
    none = pa.nulls(len(texts), INSTANT)
    instants = pc.replace_with_mask(none, pa.array(mask), pa.array(aware, INSTANT))
    unread = as_mask(pc.and_(pc.is_null(local), pc.is_null(instants)))
    timed = bool(set(findall("%(.)", form)) & set("HIXc"))
    values, codes = localize(local, zone, None if timed else np.ones(len(texts), np.bool_))
    return in_range(pc.coalesce(values, instants), coded(unread, NOT_A_DATE, codes))


def _strptime(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)
    except ValueError:
        return None


def localize(local: pa.Array, zone: str, whole_days: Mask | None = None) -> Converted:
    """Local times of a zone as instants; times the clock skipped or showed twice are refused.

    Args:
        local: timestamp("us") without a zone.
        zone: the zone's name, such as Europe/Berlin.
        whole_days: where there is only a date: that is the UTC day, whatever the zone.
    """
    if zone == "UTC":
        return local.cast(INSTANT), None
    early, late = (
        pc.assume_timezone(local, zone, ambiguous=side, nonexistent=side)
        for side in ("earliest", "latest")
    )
    unsure = as_mask(pc.not_equal(early, late))
    values = early.cast(INSTANT)
    if whole_days is not None:
        unsure &= ~whole_days
        values = pc.if_else(pa.array(whole_days), local.cast(INSTANT), values)
    twice = unsure & as_mask(pc.equal(pc.local_timestamp(early), local))
    codes = coded(unsure & ~twice, NO_SUCH_LOCAL_TIME, coded(twice, LOCAL_TIME_TWICE))
    return only_where(~unsure, values), codes


def in_range(values: pa.Array, codes: Codes | None = None) -> Converted:
    """Refuses instants outside the years 1 to 9999, which Python could not show."""
    ends = pc.min_max(values.cast(pa.int64())).as_py()
    if ends["min"] is None or (ends["min"] >= _FIRST and ends["max"] <= _LAST):
        return values, codes
    micros = values.cast(pa.int64())
    wild = as_mask(pc.or_(pc.less(micros, _FIRST), pc.greater(micros, _LAST)))
    return only_where(~wild, values), coded(wild, OUT_OF_RANGE, codes)


@dataclass(frozen=True)
class Broken:
    """Rows that have no columns to speak of: wrong field count, malformed quotes, no JSON.

    Attributes:
        numbers: of the rows in the file, from 1, ascending.
        rules: why, a row each.
        texts: the rows as they stand in the file.
    """

    numbers: npt.NDArray[np.int64]
    rules: pa.Array
    texts: pa.Array


@dataclass(frozen=True)
class Parsed:
    """Some rows of a file, typed; what `reading` makes a block of.

    Attributes:
        numbers: of the rows in the file, from 1.
        columns: each declared column, typed, with its codes.
        texts: what stands in a column of the rows at these positions.
        raw: these rows as JSON.
        broken: the rows among them that could not be parsed at all.
    """

    numbers: npt.NDArray[np.int64]
    columns: dict[str, Converted]
    texts: Callable[[str, pa.Array], pa.Array]
    raw: Callable[[pa.Array], pa.Array]
    broken: Broken | None = None


def rows_as_json(columns: Mapping[str, pa.Array]) -> pa.Array:
    """Each row as a JSON object of texts, numbers, booleans and instants."""
    parts, before = [], "{"
    for name, values in columns.items():
        texts, quote = values.cast(pa.string()), ""
        if pa.types.is_string(values.type):
            texts, quote = _escaped(texts), '"'
        elif pa.types.is_timestamp(values.type):
            texts, quote = pc.replace_substring(texts, " ", "T"), '"'
        if values.null_count:
            texts = pc.binary_join_element_wise(quote, texts, quote, "")
            texts, quote = pc.fill_null(texts, "null"), ""
        parts += [f'{before}"{_escape(name)}":{quote}', texts]
        before = f"{quote},"
    return pc.binary_join_element_wise(*parts, before[:-1] + "}", "")


def _escaped(texts: pa.Array) -> pa.Array:
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    if ((data < 32) | (data == ord('"')) | (data == ord("\\"))).any():
        words = (word and _escape(word) for word in texts.to_pylist())
        return pa.array(words, pa.string())
    return texts


def _escape(text: str) -> str:
    return dumps(text, ensure_ascii=False)[1:-1]


def cut(texts: pa.Array, characters: int) -> pa.Array:
    """Texts cut to so many characters."""
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    return pc.utf8_slice_codeunits(texts, 0, characters) if longest > characters else texts
