"""The strict reader, example by example: what loads, what is put aside, what is refused."""

import gzip
import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.kinds import DeclarationError, File
from core.errors import SourceRefused
from core.reader import scanning
from core.reader.reading import ROW, Block, header, read

COLUMNS = {"id": "string", "day": "datetime", "n": "int", "x": "float", "ok": "bool"}
HEAD = "id,day,n,x,ok\n"
GOOD = "007,2026-01-01,1,1.5,true\n"


def blocks(
    data: str | bytes,
    columns: dict[str, str] = COLUMNS,
    path: str = "a.csv",
    nullable: tuple[str, ...] = (),
    **declared: Any,
) -> list[Block]:
    raw = data.encode() if isinstance(data, str) else data
    source = File(path=path, **declared)
    day = "day" if "day" in columns else next(iter(columns))
    return list(read(source, columns, day, lambda: io.BytesIO(raw), path, nullable=nullable))


def rows(data: str | bytes, *args: Any, **declared: Any) -> list[dict[str, Any]]:
    found = blocks(data, *args, **declared)
    assert not sum(block.bad.num_rows for block in found)
    return [row for block in found for row in block.rows.to_pylist()]


def bad(data: str | bytes, *args: Any, **declared: Any) -> list[dict[str, Any]]:
    return [row for block in blocks(data, *args, **declared) for row in block.bad.to_pylist()]


def refusal(data: str | bytes, *args: Any, **declared: Any) -> str:
    with pytest.raises(SourceRefused) as caught:
        blocks(data, *args, **declared)
    message = str(caught.value)
    assert message.startswith("a.")
    assert "\n" not in message
    assert "; " in message
    return message


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


def parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


# What loads, unchanged


def test_every_type_is_exact_and_rows_are_numbered_from_one() -> None:
    (block,) = blocks(HEAD + GOOD + GOOD)
    assert block.rows.schema.types == [
        pa.int64(),
        pa.string(),
        pa.timestamp("us", "UTC"),
        pa.int64(),
        pa.float64(),
        pa.bool_(),
    ]
    assert block.rows[ROW].to_pylist() == [1, 2]
    assert block.bad.num_rows == 0


def test_identifiers_large_integers_and_the_text_na_survive() -> None:
    (row,) = rows(HEAD + "NA,2026-01-01,9007199254740993,1,1\n")
    assert (row["id"], row["n"]) == ("NA", 9007199254740993)
    assert rows("id\n00123\nnull\nNaN\n 1 \n", {"id": "string"})[0]["id"] == "00123"


def test_empty_text_is_null_for_every_type() -> None:
    (row,) = rows(HEAD + ',,"",,\n')
    assert [row[name] for name in COLUMNS] == [None] * 5


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_and_any_line_end_are_fine(line_end: str) -> None:
    data = b"\xef\xbb\xbf" + (HEAD + GOOD + GOOD).replace("\n", line_end).encode()
    assert [row["id"] for row in rows(data)] == ["007", "007"]


def test_quoted_line_ends_delimiters_and_quotes_are_text_and_do_not_shift_row_numbers() -> None:
    found = rows(HEAD + '"a\nb,""c""",2026-01-01,1,1,1\n' + GOOD)
    assert [(row[ROW], row["id"]) for row in found] == [(1, 'a\nb,"c"'), (2, "007")]


def test_a_quote_within_an_unquoted_field_is_text() -> None:
    assert rows(HEAD + '5" pipe,2026-01-01,1,1,1\n"x",2026-01-01,1,1,1\n')[0]["id"] == '5" pipe'


def test_a_blank_line_is_no_row() -> None:
    assert [row[ROW] for row in rows(HEAD + GOOD + "\n\r\n" + GOOD + "\n")] == [1, 2]


def test_in_a_file_of_one_column_a_blank_line_is_a_null() -> None:
    assert [row["id"] for row in rows("id\na\n\nb\n", {"id": "string"})] == ["a", None, "b"]


def test_additional_columns_are_ignored_but_named_in_the_header() -> None:
    data = b"extra,id\nx,1\n"
    assert rows(data, {"id": "string"}) == [{ROW: 1, "id": "1"}]
    assert header(File(path="a.csv"), lambda: io.BytesIO(data), "a.csv") == ("extra", "id")


def test_a_nullable_column_may_be_missing() -> None:
    assert rows("id\n1\n", {"id": "string", "n": "int"}, nullable=("n",))[0]["n"] is None


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_packed_files_are_read_like_plain_ones(pack: Callable[[bytes], bytes]) -> None:
    data = (HEAD + GOOD).encode()
    path = "a.csv.gz" if pack is gzip.compress else "a.csv.zst"
    assert rows(pack(data), path=path) == rows(data)
    assert len(rows(pack(data) + pack(GOOD.encode()), path=path)) == 2  # several members


def test_other_encodings_and_delimiters_are_read_as_declared() -> None:
    text = "id;day\né;2026-01-01\n"
    columns = {"id": "string", "day": "datetime"}
    for encoding in ("latin-1", "cp1252", "utf-16", "utf-8-sig"):
        found = rows(text.encode(encoding), columns, encoding=encoding, delimiter=";")
        assert found[0]["id"] == "é"


NUMBERS = {"id": "string", "n": "int", "x": "float"}


def test_the_declared_form_of_numbers_is_read_and_no_other() -> None:
    text = "id;n;x\n1.000;1.000;1.234,50\nb;-5;,5\nc;7;1,5e3\n"
    found = rows(text, NUMBERS, delimiter=";", decimal=",", thousands=".")
    assert [tuple(row.values())[1:] for row in found] == [
        ("1.000", 1000, 1234.5),
        ("b", -5, 0.5),
        ("c", 7, 1500.0),
    ]
    wrong = "id;n;x\na;1;1.5\nb;1;1.23,4\nc;1,000;1\nd;1;1,2,3\n"
    found = bad(wrong, NUMBERS, delimiter=";", decimal=",", thousands=".")
    assert [(row["rule"], row["value"]) for row in found] == [
        ("not a number", "1.5"),
        ("not a number", "1.23,4"),
        ("not an integer", "1,000"),
        ("not a number", "1,2,3"),
    ]


def test_words_for_nothing_are_null_but_in_text() -> None:
    columns = COLUMNS | {"day": "datetime"}
    text = HEAD + GOOD + "NA,2026-01-01,NA,-,NA\nb,0000-00-00,1,1,1\n"
    first, second, third = rows(text, columns, na_values=("NA", "-", "0000-00-00"))
    assert (second["id"], second["n"], second["x"], second["ok"]) == ("NA", None, None, None)
    assert (first["n"], third["day"]) == (1, None)
    assert bad(text, columns, na_values=("NA",))[0]["value"] == "-"


def test_a_first_column_without_a_name_is_called_unnamed_and_no_other_may_have_none() -> None:
    assert rows(",n\n2026-01-01,1\n", {"unnamed": "datetime", "n": "int"})[0]["n"] == 1
    for text in ("n,\n1,\n", ",n,\n1,1,1\n"):
        with pytest.raises(SourceRefused, match="has no name"):
            rows(text, {"n": "int"})


def test_a_header_without_rows_is_an_empty_file_of_the_right_form() -> None:
    assert blocks(HEAD) == []
    assert blocks(HEAD.rstrip()) == []


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T10:20", datetime(2026, 1, 31, 10, 20, tzinfo=UTC)),
        ("2026-01-31 10:20:30.5", datetime(2026, 1, 31, 10, 20, 30, 500_000, tzinfo=UTC)),
        ("2026-01-31T10:20:30Z", datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)),
        ("2026-01-31T10:20:30+02:00", datetime(2026, 1, 31, 8, 20, 30, tzinfo=UTC)),
        ("2026-01-31T10:20-0530", datetime(2026, 1, 31, 15, 50, tzinfo=UTC)),
    ],
)
def test_iso_moments_become_utc(text: str, instant: datetime) -> None:
    mixed = f"day\n{text}\n2026-02-01\n2026-02-01T00:00:00Z\n"  # forms may differ by row
    assert rows(mixed, {"day": "datetime"})[0]["day"] == instant


def test_a_declared_date_format_is_followed_to_the_letter() -> None:
    import pandera.pandas  # noqa: F401  makes Arrow ignore the offsets of Python's datetimes

    formats = {"day": "%Y%m%d"}
    data = "day\n19970101\n19970230\n19970101x\n 19970101\n1997-01-01\n"
    (block,) = blocks(data, {"day": "datetime"}, date_formats=formats)
    assert block.rows["day"].to_pylist() == [datetime(1997, 1, 1, tzinfo=UTC)]
    assert set(block.bad["rule"].to_pylist()) == {"not a date"}
    day_first = rows(
        "day\n1/2/2026\n01/02/2026\n", {"day": "datetime"}, date_formats={"day": "%d/%m/%Y"}
    )
    assert {row["day"] for row in day_first} == {datetime(2026, 2, 1, tzinfo=UTC)}
    offset = {"day": "%d.%m.%Y %H:%M %z"}
    (row,) = rows("day\n01.02.2026 10:00 +0200\n", {"day": "datetime"}, date_formats=offset)
    assert row["day"] == datetime(2026, 2, 1, 8, tzinfo=UTC)


def test_local_times_that_do_not_exist_or_exist_twice_are_bad() -> None:
    data = "day\n2026-03-29T02:30\n2026-10-25T02:30\n2026-06-01T00:00\n2026-06-01\n"
    (block,) = blocks(data, {"day": "datetime"}, timezone="Europe/Berlin")
    assert block.bad["rule"].to_pylist() == ["no such local time", "local time that happens twice"]
    # a time is local, a date alone is that day
    moments = [datetime(2026, 5, 31, 22, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)]
    assert block.rows["day"].to_pylist() == moments


# What is put aside, row by row


@pytest.mark.parametrize(
    ("column", "text", "rule"),
    [
        ("n", "1.7", "not an integer"),
        ("n", "1.0", "not an integer"),
        ("n", "NA", "not an integer"),
        ("n", " 5", "not an integer"),
        ("n", "5 ", "not an integer"),
        ("n", "0x10", "not an integer"),
        ("n", "1_000", "not an integer"),
        ("n", "1e3", "not an integer"),
        ("n", "٣", "not an integer"),
        ("n", "--5", "not an integer"),
        ("n", "9223372036854775808", "out of range"),
        ("n", "-9223372036854775809", "out of range"),
        ("n", "9" * 5000, "out of range"),
        ("x", "1e400", "not finite"),
        ("x", "-inf", "not finite"),
        ("x", "Infinity", "not finite"),
        ("x", "NaN", "not a number"),
        ("x", "null", "not a number"),
        ("x", "1,5", "not a number"),
        ("x", "1.2.3", "not a number"),
        ("x", ".", "not a number"),
        ("x", " 1", "not a number"),
        ("x", "12 EUR", "not a number"),
        ("ok", "yes", "not a boolean"),
        ("ok", "t", "not a boolean"),
        ("ok", "2", "not a boolean"),
        ("day", "2026-02-30", "not a date"),
        ("day", "2026-13-01", "not a date"),
        ("day", "0000-01-01", "not a date"),
        ("day", "2026-01-01T24:00", "not a date"),
        ("day", "20260101", "not a date"),
        ("day", "2026-01-01 ", "not a date"),
        ("day", "2026-01-01Z", "not a date"),
        ("day", "1767225600", "not a date"),
        ("day", "01/02/2026", "ambiguous date"),
        ("day", "1.2.26", "ambiguous date"),
        ("day", "2026-01-01T00:00:00.1234567", "finer than a microsecond"),
        ("day", "0001-01-01T00:00+02:00", "out of range"),
        ("id", "a\0b", "NUL character"),
    ],
)
def test_a_text_that_is_not_of_its_type_is_bad_with_its_rule(
    column: str, text: str, rule: str
) -> None:
    cells = {"id": "a", "day": "2026-01-01", "n": "1", "x": "1", "ok": "1"} | {column: text}
    line = ",".join(f'"{cell}"' if "," in cell else cell for cell in cells.values())
    for others in (GOOD, GOOD * 2000):  # alone, and beyond the part that is tried first
        (block,) = blocks(HEAD + others + line + "\n" + GOOD)
        (found,) = block.bad.to_pylist()
        assert (found["column"], found["rule"], found["value"]) == (column, rule, text[:200])
        assert found[ROW] == others.count("\n") + 1
        assert block.rows.num_rows == others.count("\n") + 1
        assert found["at"] == (None if column == "day" else datetime(2026, 1, 1, tzinfo=UTC))


def test_the_limits_of_int64_and_leading_zeros_of_numbers_are_fine() -> None:
    texts = ["9223372036854775807", "-9223372036854775808", "0" * 30 + "5", "-0"]
    for extra in ([], ["x"]):  # the quick way and the careful way agree
        (block,) = blocks("n\n" + "\n".join([*texts, *extra]) + "\n", {"n": "int"})
        assert block.rows["n"].to_pylist() == [2**63 - 1, -(2**63), 5, 0]


def test_one_line_names_the_first_declared_column_and_shows_the_row() -> None:
    (found,) = bad(HEAD + GOOD + '"a ""b""",2026-01-01,1.7,NaN,maybe\n')
    assert (found["column"], found["rule"], found["value"]) == ("n", "not an integer", "1.7")
    assert found["raw"] == '{"id":"a \\"b\\"","day":"2026-01-01","n":"1.7","x":"NaN","ok":"maybe"}'


def test_short_and_long_rows_are_bad_and_the_rows_between_keep_their_numbers() -> None:
    for quote in ("", '"'):
        mine = GOOD.replace("007", f"{quote}007{quote}")
        (block,) = blocks(HEAD + mine + "short\n" + mine + "\n" + "a,b,c,d,e,f\r\n" + mine)
        assert block.rows[ROW].to_pylist() == [1, 3, 5]
        assert [(row[ROW], row["rule"], row["value"]) for row in block.bad.to_pylist()] == [
            (2, "wrong number of fields", "short"),
            (4, "wrong number of fields", "a,b,c,d,e,f"),
        ]
        assert block.bad["column"].to_pylist() == [None, None]
        assert block.bad["raw"][0].as_py() == '{"_line":"short"}'


def test_text_after_a_closing_quote_spoils_its_row_only() -> None:
    (block,) = blocks(HEAD + GOOD + '"ab"cd,2026-01-01,1,1,1\n"x",2026-01-01,1,1,1\n')
    assert block.rows[ROW].to_pylist() == [1, 3]
    (found,) = block.bad.to_pylist()
    assert (found["rule"], found["value"]) == ("malformed quotes", '"ab"cd,2026-01-01,1,1,1')


def test_a_carriage_return_that_ends_no_line_spoils_its_row_unless_it_is_quoted() -> None:
    for quote in ("", '"q",2026-01-01,1,1,1\n'):  # chunks with and without quotes
        (block,) = blocks(HEAD + GOOD + "a,2026-01-01,1,1,1\rb\n" + GOOD + quote)
        (found,) = block.bad.to_pylist()
        assert (found[ROW], found["rule"]) == (2, "stray carriage return")
        assert block.rows[ROW].to_pylist()[:2] == [1, 3]
    assert rows(HEAD + '"a\rb",2026-01-01,1,1,1\n')[0]["id"] == "a\rb"
    assert "stray" in refusal("id,day,n,x\r,ok\n" + GOOD)


def test_a_nul_in_a_column_nobody_declared_is_still_a_bad_row() -> None:
    (found,) = bad("id,extra\n1,a\0\n2,b\n", {"id": "string"})
    assert (found["column"], found["rule"]) == ("extra", "NUL character")


def test_what_quarantine_shows_is_cut() -> None:
    (found,) = bad(HEAD + GOOD + f"a,2026-01-01,{'x' * 9000},1,1\n")
    assert (len(found["value"]), len(found["raw"])) == (200, 4000)


# What is refused whole


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("<!DOCTYPE html><html></html>", "HTML or XML"),
        ("\n <?xml version='1.0'?>", "HTML or XML"),
        ("id;day;n;x;ok\n", "declare source.delimiter, perhaps ';'"),
        ("id,day,n,x,id\n", "names 'id' twice"),
        ("id,,n,,ok\n", "column 2 of the header has no name"),
        ("id,day,n,\u200bx,ok\n", "invisible"),
        ("id,date,n,x,ok\n", "no column 'day': expected 'id', 'day'"),
        ("007,2026-01-01,1,1,1\n", "found '007', '2026-01-01'"),
        ('id,"day\n', "the quote opened on line 1 is never"),
        ('"id"x,day\n', "the header cannot be read"),
        (
            HEAD + "a,2026-01-01,1,1,1,\n" * 3,
            "3 of 3 rows are misformed, the first by: wrong number of fields",
        ),
        (HEAD + "a,2026-01-01,1,1\n" * 3 + GOOD, "3 of 4 rows"),
        (HEAD + GOOD + 'a,2026-01-01,1,1,"1\n' + GOOD, "the quote opened on line 3 is never"),
        (HEAD + '"a,2026-01-01,1,1,1\n"b",2026-01-01,1,1,1\n', "the quote opened on line 2"),
        (HEAD + GOOD + "007,2026-01-01,1", "line 3, the last, has no line end and is cut off"),
        (HEAD + GOOD + GOOD[:-5] + '"tr', "never closed"),
        ("id,x\n" + "a,12.50\n" * 10 + "a,12.5", "is cut off"),
        ("id,x\n" + "a,12.50\n" * 2 + "a,12.", "is cut off"),
        ("id,x\n" + "a,12.50\n" * 10 + "a,", "is cut off"),
        ("x,id\n" + "1,00123\n" * 10 + "1,001", "is cut off"),
        (b"PK\x03\x04....", "Excel"),
        (HEAD.encode() + b"\xe9,2026-01-01,1,1,1\n", "byte 15 (0xe9) is not utf-8"),
        (HEAD.encode() + b"a\xc3", "is not utf-8"),
        (HEAD.encode("utf-16"), "UTF-16"),
        (gzip.compress(b"id\n", mtime=0), "holds gzip"),
    ],
)
def test_a_file_of_another_form_is_refused_with_what_was_found(
    data: str | bytes, says: str
) -> None:
    columns = COLUMNS if "x,id" not in str(data) and "id,x\n" not in str(data) else {"x": "float"}
    assert says in refusal(data, columns | {"id": "string"})


def test_a_complete_last_line_needs_no_line_end() -> None:
    assert len(rows((HEAD + GOOD * 2).rstrip())) == 2
    assert len(rows("id,x\n" + "a,12.5\nb,3.25\n" * 9 + "c,7", {"x": "float"})) == 19
    assert len(rows("id,x\n" + "a,12.50\n" * 12 + "c,17.25", {"x": "float"})) == 13


@pytest.mark.parametrize("keep", [-1, -9, 30])
@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_torn_archive_is_refused(pack: Callable[[bytes], bytes], keep: int) -> None:
    path = "a.csv.gz" if pack is gzip.compress else "a.csv.zst"
    data = (HEAD + "".join(f"{n},2026-01-01,{n * 7919},1,1\n" for n in range(5000))).encode()
    assert "is cut off or not" in refusal(pack(data)[:keep], path=path)


def test_a_plain_file_named_as_an_archive_is_refused() -> None:
    assert "not gzip" in refusal(HEAD + GOOD, path="a.csv.gz")
    assert "not zstd" in refusal("<html>", path="a.csv.zst")
    broken = bytearray(gzip.compress((HEAD + GOOD).encode()))
    broken[-6] ^= 1
    assert "incorrect data check" in refusal(bytes(broken), path="a.csv.gz")


def test_an_archive_that_explodes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = gzip.compress((HEAD + GOOD * 200_000).encode(), 9)
    assert "more than 1,000,000 bytes" in refusal(data, path="a.csv.gz", max_bytes=1_000_000)
    monkeypatch.setattr(scanning, "RATIO_FROM_BYTES", 1 << 20)
    assert "200 times its size" in refusal(data, path="a.csv.gz")


def test_a_record_longer_than_a_block_is_refused_before_memory_fills(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scanning, "BLOCK_BYTES", 64)
    assert "line 2 begins a record" in refusal(HEAD + '"' + GOOD * 100)


def test_a_source_that_breaks_while_it_is_read_is_not_called_a_bad_file() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    for path in ("a.csv", "a.csv.gz"):
        with pytest.raises(OSError, match="Input/output"):
            list(read(File(path=path), COLUMNS, "day", Broken, path))


# jsonl


def test_json_values_keep_their_types_and_none_is_coerced() -> None:
    good = '{"id":"007","day":"2026-01-01T01:00+01:00","n":9007199254740993,"x":1,"ok":true}\n'
    wrong = [
        ('{"id":5}', "id", "not text"),
        ('{"day":5}', "day", "not a date"),
        ('{"n":"5"}', "n", "not an integer"),
        ('{"n":5.0}', "n", "not an integer"),
        ('{"n":true}', "n", "not an integer"),
        ('{"n":9223372036854775808}', "n", "out of range"),
        ('{"x":"1"}', "x", "not a number"),
        ('{"x":1e400}', "x", "not finite"),
        ('{"x":9007199254740993}', "x", "out of range"),
        ('{"ok":1}', "ok", "not a boolean"),
        ('{"id":"a\\u0000"}', "id", "NUL character"),
        ('{"id":"\\ud800"}', "id", "not text"),
        ('{"id":"a"} x', None, "not a JSON object"),
        ("[1]", None, "not a JSON object"),
    ]
    data = good * 20 + "\n" + "".join(f"{line}\n" for line, _, _ in wrong) + good
    (block,) = blocks(data, path="a.jsonl")
    assert block.rows.slice(0, 1).to_pylist() == [
        {
            ROW: 1,
            "id": "007",
            "day": datetime(2026, 1, 1, tzinfo=UTC),
            "n": 9007199254740993,
            "x": 1.0,
            "ok": True,
        }
    ]
    assert [(row["column"], row["rule"]) for row in block.bad.to_pylist()] == [w[1:] for w in wrong]
    assert block.bad[ROW].to_pylist() == list(range(21, 21 + len(wrong)))
    assert block.rows[ROW].to_pylist()[-1] == 21 + len(wrong)
    assert block.bad["raw"][0].as_py() == '{"id":5}'


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ('{"x":NaN}\n', "line 1 has NaN"),
        ('{"x":1}\n{"x":-Infinity}\n', "line 2 has -Infinity"),
        ('{"x":1,"x":2}\n', "the key 'x' twice"),
        ('{"x":1}\n{"x":', "line 2, the last, is cut off"),
        ('[{"x":1}]\n', "JSON array"),
        ("<html>\n", "HTML"),
        ('{"y":1}\n', "no column 'x': expected 'x', found 'y'"),
        ("x\ny\nz\n", "3 of 3 rows"),
    ],
)
def test_json_that_no_reader_should_accept_is_refused(data: str, says: str) -> None:
    assert says in refusal(data, {"x": "float"}, path="a.jsonl")


def test_the_header_of_jsonl_are_the_keys_of_its_first_block() -> None:
    data = b'{"a":1}\n{"b":2,"a":1}\n'
    assert header(File(path="a.jsonl"), lambda: io.BytesIO(data), "a.jsonl") == ("a", "b")


# parquet


def test_parquet_types_widen_without_loss() -> None:
    data = parquet(
        id=pa.array(["007", ""]).dictionary_encode(),
        day=[date(2026, 1, 1)] * 2,
        n=pa.array([1, 2], pa.int32()),
        x=pa.array([0.5, None], pa.float32()),
        ok=[True, None],
    )
    found = rows(data, path="a.parquet")
    assert [row["id"] for row in found] == ["007", ""]
    assert found[0]["day"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert header(File(path="a.parquet"), lambda: io.BytesIO(data), "a.parquet") == tuple(COLUMNS)


def test_decimals_of_parquet_are_floats_where_these_hold_all_their_digits() -> None:
    price = pa.array([Decimal("0.10"), None], pa.decimal128(15, 2))
    found = rows(parquet(price=price), {"price": "float"}, path="a.parquet")
    assert [row["price"] for row in found] == [0.1, None]
    exact = parquet(price=price.cast(pa.decimal128(16, 2)))
    assert "expected float" in refusal(exact, {"price": "float"}, path="a.parquet")


def test_moments_of_parquet_keep_their_instant_where_clocks_are_set_back() -> None:
    instants = [datetime(2025, 10, 26, hour, 40, tzinfo=UTC) for hour in (0, 1)]  # 2:40, twice
    data = parquet(day=pa.array(instants, pa.timestamp("ns", "Europe/Berlin")))
    assert [row["day"] for row in rows(data, {"day": "datetime"}, path="a.parquet")] == instants


def test_parquet_values_that_would_change_are_bad_rows() -> None:
    moments = pa.array([1_000, 1_001, None], pa.timestamp("ns"))
    data = parquet(day=moments, x=[float("nan"), 1.0, 2.0], id=["a", "b", "c\0"])
    found = bad(data, {"day": "datetime", "x": "float", "id": "string"}, path="a.parquet")
    assert [row["rule"] for row in found] == [
        "not finite",
        "finer than a microsecond",
        "NUL character",
    ]
    far = parquet(day=pa.array([2**62, 0], pa.timestamp("ms", "UTC")))
    assert bad(far, {"day": "datetime"}, path="a.parquet")[0]["rule"] == "out of range"


@pytest.mark.parametrize(
    ("values", "kind"),
    [([1.0], "int"), (["1"], "int"), ([1], "string"), ([1], "bool"), ([1], "datetime")],
)
def test_parquet_of_another_type_is_refused_with_column_expected_and_found(
    values: list[Any], kind: str
) -> None:
    message = refusal(parquet(v=values), {"v": kind}, path="a.parquet")
    assert f"column 'v': expected {kind}, found" in message


def test_a_torn_parquet_file_is_refused() -> None:
    data = parquet(v=list(range(1000)))
    for torn in (data[:-20], data[: len(data) // 2], b"", b"<html>"):
        assert "not a whole parquet file" in refusal(torn, {"v": "int"}, path="a.parquet")


# declarations


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "a.xlsx"},
        {"path": "a.csv", "delimiter": '"'},
        {"path": "a.csv", "delimiter": "\n"},
        {"path": "a.csv", "encoding": "utf-9"},
        {"path": "a.csv", "timezone": "Mars/Olympus"},
        {"path": "a.csv", "max_bytes": 0},
        {"path": "a.csv", "decimal": ";"},
        {"path": "a.csv", "thousands": "00"},
        {"path": "a.csv", "decimal": ",", "thousands": ","},
        {"path": "a.csv", "na_values": "NA"},
    ],
)
def test_a_file_that_cannot_be_read_as_declared_is_refused_at_declaration(
    wrong: dict[str, Any],
) -> None:
    with pytest.raises(DeclarationError):
        File(**wrong)
