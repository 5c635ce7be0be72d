"""Which format a column of dates is in, where only one fits all of it."""

from datetime import datetime
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

from core.reader.converting import to_type

ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:.]+(Z|[+-][0-9:]+)?)?$"
_OFFSET = r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)\z"
_ORDERS = (("%d", "%m", "%Y"), ("%m", "%d", "%Y"), ("%Y", "%m", "%d"))
_SHORT = (("%d", "%m", "%y"), ("%m", "%d", "%y"))  # a year of two digits comes last
_WORDS = (
    "%d %b %Y", "%d %B %Y", "%b %d %Y", "%B %d %Y", "%b %d, %Y", "%B %d, %Y",
    "%d-%b-%Y", "%d-%b-%y", "%b-%d-%Y", "%d%b%Y", "%d/%b/%Y", "%Y-%b-%d", "%Y%m%d", "%Y-%m-%d",
)  # fmt: skip
_DAYS = (*(mark.join(order) for order in (*_ORDERS, *_SHORT) for mark in "/.-"), *_WORDS)
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
_WHOLE = (
    "%Y%m%d%H%M%S", "%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%Y", "%Y-%b", "%b-%y",
    "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %Y",
)  # fmt: skip
_FORMATS = (
    *(day + time for day, time in product(_DAYS, _TIMES)),
    *(day + time + " %z" for day, time in product(_DAYS, _TIMES[1:4])),
    *_WHOLE,
)
_YEARS = ("%Y", "%Y%m", "%Y.%m")  # only where a person says that these are dates
_HEAD = 20


def formats(texts: pa.Array, declared: str = "", *, named: bool = False) -> list[str]:
    """The formats that read every text, and each differently; empty for ISO 8601.

    Args:
        texts: a column, not all null.
        declared: the format of dates that could be of several.
        named: a person says that these are dates: numbers may be years or months.
    """
    if to_type(texts, "datetime", None, "UTC")[1] is None:
        return [""]
    unique = texts.drop_null().unique()
    digits = pc.all(pc.match_substring_regex(unique, r"\A[0-9]+(\.[0-9]+)?\z")).as_py()
    if digits and not named:
        years = r"\A(19|20)[0-9]{6}([0-9]{6})?\z"  # no other number is taken for a date
        if not pc.all(pc.match_substring_regex(unique, years)).as_py():
            return []
    head = unique[:_HEAD].to_pylist()
    candidates = (*_FORMATS, *_YEARS) if named else _FORMATS
    fitting: dict[str, pa.Array] = {}
    for form in dict.fromkeys((declared, *candidates) if declared else candidates):
        if not all(_fits(text, form) for text in head):
            continue
        moments, codes = to_type(unique, "datetime", form, "UTC")
        if codes is None and form == declared:
            return [form]
        if codes is None and not any(moments.equals(known) for known in fitting.values()):
            fitting[form] = moments
    return [*fitting]


def _fits(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007
    except ValueError:
        return False
    return True


def oddities(texts: pa.Array, moments: pa.Array, form: str) -> tuple[str, ...]:
    """What a person should know of dates in this format."""
    said = []
    if "%y" in form:
        said.append("two-digit years: 69 to 99 are taken for 1969 to 1999")
    midnight = pc.equal(moments, pc.floor_temporal(moments, unit="day"))
    named = pc.match_substring_regex(texts.filter(pc.invert(midnight)), _OFFSET)
    if "%z" not in form and pc.any(pc.invert(named)).as_py():
        said.append("times that name no offset, taken for UTC: else declare source.timezone")
    return tuple(said)
