from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import content

SCHEMA = pa.schema(
    {
        "text": pa.string(),
        "whole": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "at": pa.timestamp("us", tz="UTC"),
    }
)
moments = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
values = {
    "text": st.none() | st.text(max_size=5),
    "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
    "number": st.none() | st.floats(allow_nan=False),
    "flag": st.none() | st.booleans(),
    "at": st.none() | moments,
}
rows = st.fixed_dictionaries(values)


def table(found: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(found, schema=SCHEMA)


def whole(found: pa.Table) -> int:
    return int(content.row_hashes(found).sum())


@settings(max_examples=100, deadline=None)
@given(st.lists(rows, max_size=6), st.randoms())
def test_the_order_of_rows_and_the_way_they_are_chunked_do_not_matter(
    found: list[dict[str, Any]], random: Any
) -> None:
    mixed = random.sample(found, len(found))
    chunked = pa.concat_tables([table(mixed[:2]), table(mixed[2:])])
    assert whole(table(found)) == whole(chunked)
    assert content.equal(table(found), chunked)


@settings(max_examples=100, deadline=None)
@given(rows)
def test_equal_rows_hash_alike_and_a_second_one_changes_the_sum(row: dict[str, Any]) -> None:
    hashes = content.row_hashes(table([row, row]))
    assert hashes[0] == hashes[1]
    assert whole(table([row])) != whole(table([row, row])) != whole(table([]))


@settings(max_examples=200, deadline=None)
@given(st.lists(rows, min_size=1, max_size=4), st.sampled_from(sorted(values)), st.data())
def test_one_changed_cell_changes_the_hash(
    found: list[dict[str, Any]], column: str, data: Any
) -> None:
    new = data.draw(values[column])
    changed = [{**found[0], column: new}, *found[1:]]
    same = new == found[0][column] and (new is None) == (found[0][column] is None)
    assert (whole(table(found)) == whole(table(changed))) == same


def one(kind: pa.DataType, value: Any) -> int:
    return whole(pa.table({"a": pa.array([value], kind)}))


def test_null_zero_and_empty_differ() -> None:
    assert len({one(pa.int64(), None), one(pa.int64(), 0), one(pa.string(), "")}) == 3
    assert one(pa.float64(), None) != one(pa.float64(), 0.0)
    assert one(pa.bool_(), None) != one(pa.bool_(), False)
    assert one(pa.string(), None) != one(pa.string(), "")
    assert one(pa.float64(), None) != one(pa.float64(), float("nan"))


def test_a_row_of_zeros_counts_like_any_other() -> None:
    assert one(pa.int64(), 0) != 0


def test_minus_zero_is_zero_and_every_nan_is_the_same() -> None:
    assert one(pa.float64(), -0.0) == one(pa.float64(), 0.0)
    other_nan = np.array([0x7FF8000000000123], dtype=np.uint64).view(np.float64)
    assert whole(pa.table({"a": other_nan})) == one(pa.float64(), float("nan"))


def test_values_that_change_columns_or_rows_change_the_hash() -> None:
    one_way = pa.table({"a": [1, 2], "b": [2, 1]})
    other = pa.table({"a": [2, 1], "b": [2, 1]})
    assert not content.equal(one_way, other)
    crossed = pa.table({"a": ["x", "y"], "b": ["y", "z"]})
    assert not content.equal(crossed, pa.table({"a": ["x", "y"], "b": ["z", "y"]}))


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view()])
def test_text_hashes_alike_however_arrow_stores_it(kind: pa.DataType) -> None:
    assert one(kind, "été") == one(pa.string(), "été")


KNOWN = 1449083460299155480


def test_the_hash_is_the_same_on_every_machine_and_release() -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    row = {"text": "a", "whole": 1, "number": 0.5, "flag": True, "at": at}
    assert whole(table([row])) == KNOWN


def test_each_day_gets_the_sum_of_its_rows() -> None:
    found = table([{"whole": number} for number in range(4)])
    days = pa.chunked_array([pa.array([1, 2, 1, 2], pa.int32()).cast(pa.date32())])
    hashes = content.row_hashes(found)
    with np.errstate(over="ignore"):
        assert content.sum_by_day(hashes, days) == {
            1: int(hashes[0] + hashes[2]),
            2: int(hashes[1] + hashes[3]),
        }


def test_a_text_hashes_alike_whatever_stands_around_it() -> None:
    codes = ["00000001", "12345678", "longer than eight"[:8], "ünïcø"]
    alone = content.row_hashes(pa.table({"code": codes}))
    among = content.row_hashes(pa.table({"code": ["", "a", *codes, "longer than eight"]}))
    assert alone.tolist() == among[2:-1].tolist()
    assert alone.tolist() == [content.row_hashes(pa.table({"code": [each]}))[0] for each in codes]
    some = pa.table({"code": ["abc", *codes]}).slice(1)
    assert content.row_hashes(some).tolist() == alone.tolist()
