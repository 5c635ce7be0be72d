import pyarrow as pa

from core.top import shares


def test_frequent_values_are_named_with_their_share_of_what_is_there() -> None:
    values = pa.array(["a"] * 60 + ["b"] * 35 + ["c"] * 5 + [None] * 100)
    assert shares(values) == {"share of a": 0.6, "share of b": 0.35, "share of c": 0.05}


def test_rare_values_are_not_named_and_neither_are_values_of_a_few_rows() -> None:
    assert shares(pa.array(["a"] * 97 + ["b"] * 3)) == {"share of a": 0.97}
    assert shares(pa.array([f"person {number}" for number in range(10)] * 4)) == {}


def test_truth_values_have_shares_too() -> None:
    values = pa.array([True] * 90 + [False] * 10)
    assert shares(values) == {"share of True": 0.9, "share of False": 0.1}


def test_no_values_have_no_shares() -> None:
    assert shares(pa.array([], pa.string())) == {}
    assert shares(pa.array([None, None], pa.string())) == {}


def test_a_long_value_is_cut() -> None:
    assert shares(pa.array(["x" * 1_000] * 9)) == {"share of " + "x" * 60: 1.0}
