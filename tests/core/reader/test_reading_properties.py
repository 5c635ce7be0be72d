"""The strict reader against generated files: every input row is accounted for."""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.kinds import File
from core.errors import SourceRefused
from core.reader import jsonl, scanning
from core.reader.reading import ROW, read

Row = list[str]
QUICK = settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def _tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that records fall across the ends of blocks all the time."""
    monkeypatch.setattr(scanning, "BLOCK_BYTES", 512)


def collect(data: bytes, columns: dict[str, str]) -> tuple[dict[int, Any], dict[int, Any]]:
    good: dict[int, Any] = {}
    bad: dict[int, Any] = {}
    for block in read(File(path="a.csv"), columns, "a", lambda: io.BytesIO(data), "a.csv"):
        good |= {row.pop(ROW): row for row in block.rows.to_pylist()}
        bad |= {row.pop(ROW): row for row in block.bad.to_pylist()}
    assert not good.keys() & bad.keys()
    assert sorted([*good, *bad]) == list(range(1, len(good) + len(bad) + 1))
    return good, bad


def written(rows: list[Row], **how: Any) -> bytes:
    sink = io.StringIO(newline="")
    csv.writer(sink, **how).writerows([["a", "b", "c"], *rows])
    return sink.getvalue().encode()


def text_cells() -> st.SearchStrategy[str]:
    awkward = st.sampled_from(["", '"', '""', ",", "\n", "\r\n", "\r", " ", "\0", "é", "NA", "007"])
    anything = st.text(st.characters(codec="utf-8"), max_size=8)
    return st.lists(awkward | anything, max_size=3).map("".join)


@QUICK
@given(
    rows=st.lists(st.lists(text_cells(), min_size=3, max_size=3), max_size=40),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_text_survives_unchanged_or_is_put_aside_for_its_nul(
    rows: list[Row], quoting: Any, end: str
) -> None:
    if end == "\n" and quoting == csv.QUOTE_MINIMAL:  # the writer leaves these unquoted
        rows = [[cell.replace("\r", "") for cell in row] for row in rows]
    file = written(rows, quoting=quoting, lineterminator=end)
    good, bad = collect(file, dict.fromkeys("abc", "string"))
    assert len(good) + len(bad) == len(rows)
    for number, row in enumerate(rows, 1):
        if any("\0" in cell for cell in row):
            assert bad[number]["rule"] == "NUL character"
        else:
            assert list(good[number].values()) == [cell or None for cell in row]


def as_int(text: str) -> int | None:
    number = int(text) if re.fullmatch("-?[0-9]+", text) else None
    return number if number is not None and -(2**63) <= number < 2**63 else None


def as_float(text: str) -> float | None:
    shaped = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text)
    number = float(text) if shaped else math.inf
    return number if math.isfinite(number) else None


def as_moment(text: str) -> datetime | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?", text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


CELLS: dict[str, tuple[Callable[[str], Any], st.SearchStrategy[str]]] = {
    "int": (
        as_int,
        st.integers(-(2**64), 2**64).map(str)
        | st.sampled_from(["007", "-0", "1.0", "0x1", "", "a", "-", "1 "]),
    ),
    "float": (
        as_float,
        st.floats().map(repr)
        | st.decimals(allow_nan=False, allow_infinity=False).map(str)
        | st.sampled_from(["1.", ".5", ".", "+1", "1e999", "", "1,5", "1.2.3", "--1"]),
    ),
    "datetime": (
        as_moment,
        st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds"))
        | st.dates().map(str)
        | st.dates().map(lambda day: f"{day}T12:30+05:30")
        | st.sampled_from(
            ["2026-02-30", "01/02/2026", "", "2026-02-29", "2024-02-29", "9999-12-31"]
        ),
    ),
}


@QUICK
@given(data=st.data(), kinds=st.permutations(list(CELLS)))
def test_every_row_is_converted_exactly_or_put_aside_with_the_first_column_that_is_wrong(
    data: st.DataObject, kinds: list[str]
) -> None:
    cells = st.tuples(*(CELLS[kind][1] for kind in kinds)).map(list)
    ragged = st.sampled_from([["x"], ["1", "2"], ["1", "2", "3", "4"]])
    rows = data.draw(st.lists(st.one_of(cells, cells, cells, ragged), max_size=30))
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    file = written(rows, quoting=quoting, lineterminator="\n")
    wrong = sum(len(row) != 3 for row in rows)
    columns = dict(zip("abc", kinds, strict=True))
    if wrong > max(1, len(rows) // 2):
        with pytest.raises(SourceRefused, match="wrong number of fields"):
            collect(file, columns)
        return
    good, bad = collect(file, columns)
    assert len(good) + len(bad) == len(rows)
    for number, row in enumerate(rows, 1):
        if len(row) != 3:
            assert bad[number]["rule"] == "wrong number of fields"
            continue
        values = [
            CELLS[kind][0](cell) if cell else "null" for kind, cell in zip(kinds, row, strict=True)
        ]
        if None in values:
            first = values.index(None)
            assert (bad[number]["column"], bad[number]["value"]) == ("abc"[first], row[first])
        else:
            expected = [None if value == "null" else value for value in values]
            assert list(good[number].values()) == expected


@QUICK
@given(
    rows=st.lists(st.lists(text_cells(), min_size=3, max_size=3), min_size=1, max_size=15),
    damage=st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from(list(b'",\n\r\0\xe9<1'))), max_size=3
    ),
    cut=st.integers(0, 60),
)
def test_a_damaged_file_is_refused_or_every_row_it_has_is_numbered_once(
    rows: list[Row], damage: list[tuple[int, int]], cut: int
) -> None:
    raw = bytearray(written(rows, lineterminator="\n"))
    for place, byte in damage:
        raw[place % len(raw)] = byte
    try:
        collect(bytes(raw[: len(raw) - cut]), {"a": "string", "b": "int"})
    except SourceRefused as refused:
        assert "\n" not in str(refused)


JSON_COLUMNS = {"id": "string", "n": "int", "x": "float", "ok": "bool", "day": "datetime"}
USUAL = {"id": '"a"', "n": "1", "x": "1.5", "ok": "true", "day": '"2026-01-01"', "other": "0"}
ODD = ["null", "true", "nul", "NaN", "[1]", '{"id":1}', '{"x":{"x":1}}', "1,2", '"a""b"', '"x"', ""]
ODD += ["-0", "-0.0", "-0.5e-3", "1e400", "1E+5", "01", "1.", ".5", "+1", "--1", "9007199254740993"]
ODD += [
    "999999999999999",
    "9999999999999999.0",
    "0.1234567890123456789012",
    '"2026-02-30"',
    "5e-324",
]
ODD += ["9007199254740994", "9223372036854775807", "9223372036854775808", "123456789e303", '"\t"']
ODD += [
    '"\\ud800"',
    '"\\uD83D\\uDE00"',
    '"\\u00e9"',
    '"\\u0000"',
    '"\\x"',
    '"\\""',
    '"\x7f"',
    "1" * 5000,
]


def json_line(pairs: Iterable[tuple[str, str]]) -> str:
    return "{" + ", ".join(f'"{key}": {text}' for key, text in pairs) + "}"


def agree(lines: list[str], end: str = "\n") -> None:
    """What Arrow may read of these lines is what Python reads of them."""
    data = ("\n".join(lines) + end).encode()

    def read_all() -> Any:
        source, opened = File(path="a.jsonl"), partial(io.BytesIO, data)
        try:
            blocks = list(read(source, JSON_COLUMNS, "day", opened, "a.jsonl", nullable=["n", "x"]))
        except SourceRefused as refused:
            return str(refused)
        return [(block.rows.to_pylist(), block.bad.to_pylist()) for block in blocks]

    found = read_all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonl, "_template", lambda *_: r"\A\z")  # no line is plain
        assert repr(found) == repr(read_all())  # tells -0.0 from 0.0


@pytest.mark.parametrize("column", USUAL)
@pytest.mark.parametrize("tight", [False, True])
def test_an_odd_value_in_a_line_of_json_is_what_python_makes_of_it(
    column: str, tight: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "BLOCK_BYTES", 1 << 16)
    usual = json_line(USUAL.items())
    for text in ODD:
        line = json_line((USUAL | {column: text}).items())
        agree([usual, line.replace(" ", "") if tight else line, usual])


def json_lines() -> st.SearchStrategy[str]:
    """Lines as a writer writes them, some with one value off, and quite other ones."""
    texts = st.builds(json.dumps, text_cells() | st.text(max_size=4), ensure_ascii=st.booleans())
    floats = st.floats(allow_nan=False, allow_infinity=False).map(json.dumps)
    usual = st.fixed_dictionaries(
        {
            "id": texts,
            "n": st.integers(-(10**19), 10**19).map(str),
            "x": floats | st.decimals(allow_nan=False, allow_infinity=False).map(str),
            "ok": st.sampled_from(["true", "false", "null"]),
            "day": st.dates().map(lambda day: f'"{day}"'),
        }
    )
    odd = st.dictionaries(
        st.sampled_from([*JSON_COLUMNS, "other", "i\\u0064", "é"]),
        st.sampled_from(ODD) | texts | floats | st.integers().map(str),
        max_size=6,
    )
    off = st.builds(lambda row, few: row | dict(list(few.items())[:1]), usual, odd)
    lines = (usual | off | odd).map(lambda row: json_line(row.items()))
    ends = st.sampled_from(["", "", "", "", "", "", "\r", " ", "}", "{}", "\n", "\n \x0b"])
    return st.builds("{}{}".format, lines | lines.map(lambda line: line.replace(" ", "")), ends)


@QUICK
@given(lines=st.lists(json_lines(), max_size=12), end=st.sampled_from(["\n", ""]))
def test_what_arrow_reads_of_json_is_what_python_reads(lines: list[str], end: str) -> None:
    agree(lines, end)
