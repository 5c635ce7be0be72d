"""From text to instants in UTC: ISO 8601 or a declared format, in any zone."""

from contextlib import suppress
from datetime import UTC, date, datetime
from re import findall
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.reader.codes import (
    AMBIGUOUS_DATE,
    CODES,
    LOCAL_TIME_TWICE,
    NO_SUCH_LOCAL_TIME,
    NOT_A_DATE,
    OUT_OF_RANGE,
    TOO_PRECISE,
    Codes,
    Converted,
    Mask,
    as_mask,
    coded,
    merged,
    only_where,
    trial_cast,
)

INSTANT = pa.timestamp("us", tz="UTC")
LOCAL = pa.timestamp("us")
_TIME = r"[ T]([01][0-9]|2[0-3])(:[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?)?"
_OFFSET = r"(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)"
_MOMENT = rf"\A[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}({_TIME}{_OFFSET}?)?\z"
_FINER = r"\A[0-9-]{10}[ T][0-9:]{8}\.[0-9]{7,}"
_DAY_OR_MONTH_FIRST = r"\A[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2,4}\b"
_FIRST, _LAST = (
    int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000 + moment.microsecond
    for moment in (datetime.min, datetime.max)
)


def to_instants(texts: pa.Array, date_format: str | None, zone: str) -> Converted:
    """Converts a column of text; arguments as of `converting.to_type`."""
    if date_format is None:
        return _moments(texts, zone)
    return _once_per_text(texts, lambda unique: _formatted(unique, date_format, zone))


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


def _moments(texts: pa.Array, zone: str) -> Converted:
    with suppress(pa.ArrowInvalid):
        values, codes = localize(trial_cast(texts, LOCAL), zone, _days_only(texts, zone))
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
