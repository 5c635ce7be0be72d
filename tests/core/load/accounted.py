"""Generated rows of input, each with what it says and what is wrong with it.

What is to become of them is said once more here, plainly and a row at a time, so that the
loader's fast way has something to be compared with.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pandas as pd
from hypothesis import strategies as st
from pandera.pandas import Check, Column, DataFrameSchema

SCHEMA = DataFrameSchema(
    {
        "id": Column(str),
        "at": Column("datetime64[us, UTC]"),
        "amount": Column(float, Check.ge(0), nullable=True),
        "pieces": Column(pd.Int64Dtype(), nullable=True),
        "paid": Column(pd.BooleanDtype(), nullable=True),
        "who": Column(str, nullable=True),
    }
)
COLUMNS = tuple(SCHEMA.columns)
PEOPLE = ("ann", "bob", "0007")  # to whom `who` may refer
UNKNOWN = "in people"
FEW_FIELDS, NO_OBJECT = "wrong number of fields", "not a JSON object"

Cell = tuple[Any, Any, str]  # as written, what it means, the rule that it breaks
Fault = tuple[str | None, str]  # column and rule


@dataclass(frozen=True)
class Row:
    """A line of input.

    Attributes:
        text: as it stands in the file, with its line end.
        values: what the table is to hold; empty where nothing can be read.
        day: the UTC day that it says; None where that cannot be read.
        fault: why it is bad by itself.
    """

    text: str
    values: tuple[Any, ...] = ()
    day: date | None = None
    fault: Fault | None = None

    @property
    def is_blank(self) -> bool:
        """A blank line is no row."""
        return not self.values and not self.fault

    @property
    def is_misformed(self) -> bool:
        return bool(self.fault) and not self.values


ODD = ['"', '""', ",", "\n", "\r\n", "\r", " ", "\t", "é", "NA", "null", "007", "-", "=1", "\u2028"]
BAD_CSV: dict[str, list[tuple[str, str]]] = {
    "id": [("", "not_nullable"), ("a\0", "NUL character")],
    "at": [
        ("", "not_nullable"),
        ("2026-02-30", "not a date"),
        ("2026-01-30T25:00", "not a date"),
        ("30/01/2026", "ambiguous date"),
        ("2026-01-30T10:00:00.1234567", "finer than a microsecond"),
    ],
    "amount": [
        ("-1", "greater_than_or_equal_to"),
        ("1,5", "not a number"),
        ("nan", "not a number"),
        ("0x10", "not a number"),
        ("1e999", "not finite"),
        ("-inf", "not finite"),
    ],
    "pieces": [
        ("1.5", "not an integer"),
        ("1 ", "not an integer"),
        ("0x10", "not an integer"),
        (str(2**63), "out of range"),
    ],
    "paid": [("maybe", "not a boolean"), ("2", "not a boolean")],
    "who": [("eve", UNKNOWN), ("7", UNKNOWN)],
}
# A text is never taken for a number, nor a number for a text.
BAD_JSON: dict[str, list[tuple[Any, str]]] = {
    "id": [
        (None, "not_nullable"),
        (7, "not text"),
        (["a"], "not text"),
        ("\ud800", "not text"),
        ("a\0", "NUL character"),
    ],
    "at": [
        (None, "not_nullable"),
        ("2026-02-30", "not a date"),
        (20260130, "not a date"),
        ("2026-01-30\0", "NUL character"),
    ],
    "amount": [
        (-1.5, "greater_than_or_equal_to"),
        ("1.5", "not a number"),
        (True, "not a number"),
        (2**53 + 1, "out of range"),
        (10**400, "out of range"),
        (float("inf"), "not finite"),
    ],
    "pieces": [(1.0, "not an integer"), ("1", "not an integer"), (2**63, "out of range")],
    "paid": [(1, "not a boolean"), ("true", "not a boolean")],
    "who": [("eve", UNKNOWN)],
}


def _moment(day: date, seconds: int, form: str) -> Cell:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if form == "day":
        return str(day), midnight, ""
    moment = midnight + timedelta(seconds=seconds)
    if form == "offset":  # the day that it shows is not always the one in UTC
        east = timezone(timedelta(hours=5, minutes=30))
        return moment.astimezone(east).isoformat(), moment, ""
    return moment.strftime(form), moment, ""


def _good(days: Sequence[date], repeated: bool) -> st.SearchStrategy[dict[str, Cell]]:
    """Each column's cell as text in one of the forms that are read."""
    letters = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
    texts = st.lists(st.sampled_from(ODD) | letters, min_size=1, max_size=3).map("".join)
    ids = st.sampled_from(["a", "b", "01", "1"]) if repeated else texts.filter(bool)
    numbers = st.decimals(0, 10**6, places=2).map(str)
    numbers |= st.sampled_from(["1.", ".5", "+1", "1e3", "-0.0", "0012"])
    integers = st.integers(-(2**63), 2**63 - 1).map(str) | st.sampled_from(["007", "-0"])
    forms = st.sampled_from(["day", "offset", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S"])
    none = st.just(("", None, ""))
    return st.fixed_dictionaries(
        {
            "id": ids.map(lambda text: (text, text, "")),
            "at": st.builds(_moment, st.sampled_from(days), st.integers(0, 86_399), forms),
            "amount": none | numbers.map(lambda text: (text, float(text), "")),
            "pieces": none | integers.map(lambda text: (text, int(text), "")),
            "paid": none | st.sampled_from([("true", True, ""), ("0", False, "")]),
            "who": none | st.sampled_from(PEOPLE).map(lambda who: (who, who, "")),
        }
    )


def _row(text: str, cells: dict[str, Cell]) -> Row:
    [fault] = [(name, rule) for name, (_, _, rule) in cells.items() if rule] or [None]
    at = cells["at"][1]
    return Row(text, tuple(value for _, value, _ in cells.values()), at and at.date(), fault)


@st.composite
def _cells(
    draw: st.DrawFn, days: Sequence[date], repeated: bool, bad: dict[str, list[Any]]
) -> dict[str, Cell]:
    cells = draw(_good(days, repeated))
    if bad is BAD_JSON:
        texts = ("id", "at", "who")
        cells = {
            name: (written if name in texts and written else value, value, rule)
            for name, (written, value, rule) in cells.items()
        }
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from(COLUMNS))
        written, rule = draw(st.sampled_from(bad[name]))
        cells[name] = written, written if rule == UNKNOWN else None, rule
    return {name: cells[name] for name in COLUMNS}


@st.composite
def csv_row(draw: st.DrawFn, days: Sequence[date], repeated: bool, end: str) -> Row:
    """A row of CSV: of odd texts, with a bad field, with too few or too many, or blank."""
    if draw(st.integers(0, 9)) == 0:
        text = draw(st.sampled_from(["", "a,b", "a,b,c,d,e,f,g", " ", '"a"', "a,,"]))
        return Row(text + end, fault=(None, FEW_FIELDS) if text else None)
    cells = draw(_cells(days, repeated, BAD_CSV))
    always = draw(st.booleans())
    return _row(",".join(_quoted(text, always) for text, _, _ in cells.values()) + end, cells)


def _quoted(text: str, always: bool) -> str:
    if always or any(mark in text for mark in '",\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


@st.composite
def json_row(draw: st.DrawFn, days: Sequence[date], repeated: bool, end: str) -> Row:
    """A line of JSONL: an object with a value of the wrong kind or without a key, or none."""
    if draw(st.integers(0, 9)) == 0:
        text = draw(st.sampled_from(["", "  ", "{", "null", '"a"', '{"id": "a"', "7"]))
        return Row(text + end, fault=(None, NO_OBJECT) if text.strip() else None)
    cells = draw(_cells(days, repeated, BAD_JSON))
    said = {name: written for name, (written, _, _) in cells.items()}
    if draw(st.booleans()):
        said = {name: written for name, written in said.items() if written is not None}
    escaped = draw(st.booleans()) or said.get("id") == "\ud800"
    text = json.dumps(said, ensure_ascii=escaped).replace("Infinity", "1e999")
    return _row(text + end, cells)


def rows(days: Sequence[date], repeated: bool, kind: str) -> st.SearchStrategy[list[Row]]:
    """The rows of one file, after its header."""
    make = csv_row if kind == "csv" else json_row
    ends = st.sampled_from(["\n", "\r\n"])
    found = ends.flatmap(lambda end: st.lists(make(days, repeated, end), max_size=25))
    return found if kind == "csv" else found.map(lambda others: [LONG_AGO, *others])


# With every key, for a file that has a key nowhere is refused.
_LONG_AGO = {"id": "x", "at": "2000-01-01", "amount": 1.0, "pieces": 1, "paid": True, "who": "ann"}
LONG_AGO = Row(
    json.dumps(_LONG_AGO) + "\n",
    tuple((_LONG_AGO | {"at": datetime(2000, 1, 1, tzinfo=UTC)}).values()),
    date(2000, 1, 1),
)


def content(found: Sequence[Row], kind: str) -> bytes:
    """A file's bytes."""
    header = ",".join(COLUMNS) + "\n" if kind == "csv" else ""
    return (header + "".join(row.text for row in found)).encode()
