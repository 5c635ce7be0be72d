import pandas as pd
import pyarrow as pa
import pytest
from pandera.pandas import Check, Column, DataFrameSchema

from catalog.kinds import Dataset, File
from core.errors import DataRefused
from core.load.checks import check
from core.load.contracts import contract_hash
from core.reader.reading import ROW


def declared(checks: object = None, **changes: object) -> Dataset:
    columns = {
        "at": Column("datetime64[us, UTC]"),
        "name": Column(str, Check.str_length(max_value=3), nullable=True),
        "count": Column(int, Check.ge(1)),
        "price": Column(float, Check.le(10), nullable=True),
    }
    schema = DataFrameSchema({**columns, **changes.pop("columns", {})}, checks=checks)
    rest = {"source": File(path="x.csv"), "schema": schema, "day": "at", **changes}
    return Dataset(name="things", owner="me", **rest)


def rows(name: list, count: list, price: list) -> pa.Table:
    size = len(name)
    return pa.table(
        {
            ROW: pa.array(range(1, size + 1), pa.int64()),
            "at": pa.array(
                [pd.Timestamp("2026-01-01", tz="UTC")] * size, pa.timestamp("us", "UTC")
            ),
            "name": pa.array(name, pa.string()),
            "count": pa.array(count, pa.int64()),
            "price": pa.array(price, pa.float64()),
        }
    )


def reasons(bad: pa.Table) -> list[tuple]:
    return [(row[ROW], row["column"], row["rule"], row["value"]) for row in bad.to_pylist()]


def test_good_rows_pass_as_they_are():
    given = rows(["a", None], [1, 2], [1.5, None])
    good, bad, _ = check(declared(), given)
    assert good.equals(given)
    assert bad.num_rows == 0


def test_each_bad_row_is_named_with_its_column_rule_and_value():
    good, bad, _ = check(declared(), rows(["a", "long", "b", "c"], [1, 1, 0, 1], [1, 1, 1, 99.5]))
    assert good[ROW].to_pylist() == [1]
    assert reasons(bad) == [
        (2, "name", "str_length", "long"),
        (3, "count", "greater_than_or_equal_to", "0"),
        (4, "price", "less_than_or_equal_to", "99.5"),
    ]


def test_a_null_that_must_not_be_has_no_value_to_show():
    _, bad, _ = check(declared(), rows(["a"], [None], [99.0]))
    assert reasons(bad) == [(1, "count", "not_nullable", None)]


def test_a_row_with_several_faults_is_one_bad_row_named_by_the_first_column():
    good, bad, _ = check(declared(), rows(["long"], [1], [99.0]))
    assert good.num_rows == 0
    assert reasons(bad) == [(1, "name", "str_length", "long")]


def test_a_null_is_bad_only_where_the_column_must_have_a_value():
    good, bad, _ = check(declared(), rows([None, "a"], [1, None], [None, 1.0]))
    assert good[ROW].to_pylist() == [1]
    assert [(row[ROW], row["column"], row["rule"]) for row in bad.to_pylist()] == [
        (2, "count", "not_nullable")
    ]


def test_a_rule_over_columns_names_the_row_and_no_column():
    rule = Check(lambda frame: frame["count"] * frame["price"].fillna(0) < 10, name="total")
    good, bad, _ = check(declared(rule), rows(["a", "b"], [1, 5], [1.0, 5.0]))
    assert good[ROW].to_pylist() == [1]
    assert reasons(bad) == [(2, None, "total", None)]


def test_a_rule_about_the_rows_as_a_whole_refuses_them():
    rule = Check(lambda frame: bool(frame["price"].mean() > 5), name="mean_price")
    with pytest.raises(DataRefused, match="things: rule mean_price fails for the rows as a whole"):
        check(declared(rule), rows(["a"], [1], [1.0]))


def test_the_bad_row_is_kept_as_json():
    _, bad, _ = check(declared(), rows(["long"], [1], [None]))
    assert bad["raw"].to_pylist() == [
        '{"at":"2026-01-01T00:00:00.000000Z","name":"long","count":1,"price":null}'
    ]


def test_nullable_integers_stay_integers():
    column = {"count": Column("Int64", Check.ge(1), nullable=True)}
    big = 2**53 + 1
    good, bad, _ = check(declared(columns=column), rows(["a", "b", "c"], [big, None, 0], [1, 1, 1]))
    assert good["count"].to_pylist() == [big, None]
    assert reasons(bad) == [(3, "count", "greater_than_or_equal_to", "0")]


def test_the_contract_changes_with_a_limit_or_a_rule_and_not_by_itself():
    one = contract_hash(declared())
    assert one == contract_hash(declared())
    assert one != contract_hash(declared(max_bad_share=0.5))
    assert one != contract_hash(declared(columns={"count": Column(int, Check.ge(2))}))
    assert one != contract_hash(declared(Check(lambda frame: frame["count"] < 5, name="few")))
