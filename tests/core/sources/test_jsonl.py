from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from json import loads
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sources import jsonl


def unpacked(*frames: bytes) -> list[str]:
    stream = pa.CompressedInputStream(pa.BufferReader(b"".join(frames)), "zstd")
    return stream.read().decode().removesuffix("\n").split("\n")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (2**70, "1180591620717411303424"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (float("nan"), '"nan"'),
        (float("-inf"), '"-inf"'),
        (Decimal("5"), "5"),
        (Decimal("5.00"), "5.00"),
        (Decimal("5E+2"), "500"),
        (Decimal("0E-10"), "0.0000000000"),
        (Decimal("123456789012345678901234567890.12"), "123456789012345678901234567890.12"),
        (Decimal("NaN"), '"NaN"'),
        ("\0", '"\\u0000"'),
        ("\ud800", '"\\ud800"'),
        (date(2026, 1, 30), '"2026-01-30"'),
        (datetime(2026, 1, 30, 1, 2, 3, 4), '"2026-01-30 01:02:03.000004"'),
        (datetime(2026, 1, 30, tzinfo=UTC), '"2026-01-30 00:00:00+00:00"'),
        (time(1, 2), '"01:02:00"'),
        (timedelta(1, 2), '"1 day, 0:00:02"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (b"\x00\xff", '"00ff"'),
        (memoryview(b"a"), '"61"'),
        ([1, None, b"a", Decimal("1.50")], '"[1, null, \\"61\\", \\"1.50\\"]"'),
        ({"a": float("inf")}, '"{\\"a\\": Infinity}"'),
    ],
)
def test_a_value_is_written_with_all_its_digits(value: object, written: str):
    assert unpacked(jsonl.packed(["x"], [[value]])) == [f'{{"x": {written}}}']


@given(st.lists(st.tuples(st.text(), st.integers(), st.floats(allow_nan=False), st.decimals())))
def test_any_row_is_one_line_that_reads_back_as_it_was(many):
    names = ["text", "integer", "float", 'a "name"\n']
    many = [("", 0, 0.5, Decimal(1)), *many]
    lines = unpacked(*(jsonl.packed(names, [row]) for row in many))
    assert len(lines) == len(many)
    for line, (text, integer, number, exact) in zip(lines, many, strict=True):
        read = loads(line, parse_float=Decimal, parse_int=Decimal)
        assert list(read) == names
        assert (read["text"], read["integer"]) == (text, integer)
        assert float(read["float"]) == number
        assert str(Decimal(read[names[3]])) == str(exact) or Decimal(read[names[3]]) == exact
