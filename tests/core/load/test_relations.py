"""Rules between rows: keys, references, control totals, and how strictly each is taken."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pandera.pandas import Check, Column, DataFrameSchema

from catalog.kinds import Dataset, DeclarationError, File, Reference, Tolerance, Total
from core import lake, ledger
from core.errors import DataRefused, LakeBusy
from core.intervals import DAY, Interval
from core.load import contracts, loading, recording, requeue
from core.sources import landing

FIRST = date(2026, 1, 30)
NEXT = FIRST + DAY


class Shop:
    """Two daily sources in a folder, and their declarations."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def send(self, name: str, day: date, *rows: str, header: str = "id,at,amount") -> None:
        (self.folder / f"{name}-{day}.csv").write_text("\n".join([header, *rows]) + "\n")

    def declare(self, name: str, **changes: Any) -> Dataset:
        columns = {
            "id": Column(str),
            "at": Column("datetime64[us, UTC]"),
            "amount": Column(float, Check.ge(0)),
        }
        given = {
            "source": File(path=str(self.folder / f"{name}-{{day}}.csv")),
            "schema": DataFrameSchema(columns),
            "day": "at",
            "max_bad_share": 0.5,
            "min_rows": 0,
        }
        return Dataset(name=name, owner="me", **{**given, **changes})


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def load(declared: Dataset, start: date = FIRST, days: int = 1) -> recording.Loaded:
    interval = Interval(start, start + days * DAY)
    return loading.load(declared, interval, landing.land(declared, interval))


def ids(dataset: str = "orders") -> list[str]:
    rows = lake.read(dataset)
    return [] if rows is None else sorted(rows["id"].to_pylist())


def bad(dataset: str = "orders") -> list[tuple[Any, ...]]:
    rows = lake.read(loading.quarantine(dataset))
    found = [] if rows is None else rows.sort_by("row").to_pylist()
    return [(row["day"], row["row"], row["column"], row["rule"], row["value"]) for row in found]


def test_of_rows_with_one_key_the_first_is_kept(shop: Shop) -> None:
    shop.send("orders", FIRST, f"a,{FIRST},1", f"b,{FIRST},2", f"a,{FIRST},3", f"c,{FIRST},4")
    loaded = load(shop.declare("orders", key=("id",)))
    assert (loaded.rows_read, loaded.rows_good, loaded.rows_bad) == (4, 3, 1)
    assert ids() == ["a", "b", "c"]
    assert bad() == [(FIRST, 3, None, "key", "a")]


def test_a_key_that_another_day_has_is_bad_and_the_same_day_again_is_not(shop: Shop) -> None:
    orders = shop.declare("orders", key=("id", "amount"))
    shop.send("orders", FIRST, f"a,{FIRST},1", f"b,{FIRST},1")
    load(orders)
    shop.send("orders", NEXT, f"a,{NEXT},1", f"a,{NEXT},2", f"c,{NEXT},1")
    load(orders, NEXT)
    assert bad() == [(NEXT, 1, None, "key", "a, 1")]
    shop.send("orders", FIRST, f"b,{FIRST},1", f"a,{FIRST},1", f"d,{FIRST},9")
    assert load(orders).rows_bad == 0
    assert ids() == ["a", "a", "b", "c", "d"]


def test_a_key_is_found_across_the_days_of_one_load(shop: Shop) -> None:
    shop.send("orders", FIRST, f"a,{FIRST},1", f"b,{FIRST},1")
    shop.send("orders", NEXT, f"b,{NEXT},1", f"c,{NEXT},1")
    loaded = load(shop.declare("orders", key=("id",)), days=2)
    assert (loaded.rows_good, loaded.rows_bad) == (3, 1)
    assert bad() == [(NEXT, 1, None, "key", "b")]
    again = load(shop.declare("orders", key=("id",)), days=2)
    assert not again.changed


def test_a_value_must_stand_in_the_other_dataset(shop: Shop) -> None:
    shop.send("people", FIRST, f"ann,{FIRST},1", f"bob,{FIRST},1")
    load(shop.declare("people"))
    head = "id,at,amount,who"
    shop.send("orders", FIRST, f"1,{FIRST},1,ann", f"2,{FIRST},1,eve", f"3,{FIRST},1,", header=head)
    columns = {
        "id": Column(str),
        "at": Column("datetime64[us, UTC]"),
        "who": Column(str, nullable=True),
    }
    reference = Reference(column="who", dataset="people", to="id")
    orders = shop.declare("orders", schema=DataFrameSchema(columns), references=(reference,))
    load(orders)
    assert ids() == ["1", "3"]
    assert bad() == [(FIRST, 2, "who", "in people", "eve")]


def test_nothing_is_loaded_while_what_it_is_checked_against_is_missing_or_refused(
    shop: Shop,
) -> None:
    orders = shop.declare("orders", references=(Reference(column="id", dataset="people"),))
    shop.send("orders", FIRST, f"ann,{FIRST},1")
    with pytest.raises(DataRefused, match="people 2026-01-30 has not been loaded; look there"):
        load(orders)
    shop.send("people", FIRST, f"ann,{FIRST},-1")
    load(shop.declare("people"))
    with pytest.raises(DataRefused, match="people 2026-01-30 was refused: 1 of 1 rows are bad"):
        load(orders)
    assert ledger.entries("orders") == []
    shop.send("people", FIRST, f"ann,{FIRST},1")
    load(shop.declare("people"))
    assert load(orders).rows_good == 1


@pytest.mark.parametrize(("of", "says"), [("rows", "rows is 3, 4"), ("amount", "amount is 6, 4")])
def test_a_day_that_does_not_reconcile_with_its_control_total_is_refused(
    shop: Shop, of: str, says: str
) -> None:
    total = Total(name="sent", of=of, dataset="totals", column="amount")
    orders = shop.declare("orders", totals=(total,))
    right = "3" if of == "rows" else "6"
    for day, want in ((FIRST, right), (NEXT, "4")):
        shop.send("totals", day, f"t,{day},{want}")
        shop.send("orders", day, f"a,{day},1", f"b,{day},2", f"c,{day},3")
    load(shop.declare("totals"), days=2)
    loaded = load(orders, days=2)
    assert loaded.refused == ((NEXT, f"sent: {says} in totals.amount"),)
    near = shop.declare("orders", totals=(total,), rules={"sent": Tolerance(share=0.6)})
    assert load(near, days=2).refused == ()


def test_a_day_without_a_control_total_is_refused(shop: Shop) -> None:
    shop.send("totals", FIRST)
    load(shop.declare("totals"))
    shop.send("orders", FIRST, f"a,{FIRST},1")
    total = Total(name="sent", dataset="totals", column="amount")
    loaded = load(shop.declare("orders", totals=(total,)))
    assert loaded.refused[0][1] == "sent: totals.amount has no control total"


def test_a_rule_that_only_warns_keeps_the_rows_and_tells_above_its_share(shop: Shop) -> None:
    rule = "amount greater_than_or_equal_to"
    taken = {rule: Tolerance(share=0.3, blocking=False, reason="refunds are booked late")}
    orders = shop.declare("orders", rules=taken)
    shop.send("orders", FIRST, f"a,{FIRST},-1", f"b,{FIRST},1", f"c,{FIRST},1", f"d,{FIRST},1")
    shop.send("orders", NEXT, f"e,{NEXT},-1", f"f,{NEXT},1")
    loaded = load(orders, days=2)
    assert (loaded.rows_good, loaded.rows_bad, loaded.refused) == (6, 0, ())
    words = f"1 of 2 rows fail {rule} (50.0%, 30.0% are tolerated) (refunds are booked late)"
    assert loaded.warnings == ((NEXT, rule, words),)


def test_a_blocking_rule_refuses_the_day_above_its_own_share(shop: Shop) -> None:
    rule = "amount greater_than_or_equal_to"
    orders = shop.declare("orders", rules={rule: Tolerance(share=0.1, reason="money")})
    shop.send("orders", FIRST, f"a,{FIRST},-1", f"b,{FIRST},1", f"c,{FIRST},1", f"d,{FIRST},1")
    words = f"1 of 4 rows fail {rule} (25.0%, 10.0% are tolerated) (money)"
    assert load(orders).refused == ((FIRST, words),)


def test_keys_and_references_may_only_warn(shop: Shop) -> None:
    warn = Tolerance(blocking=False)
    orders = shop.declare("orders", key=("id",), rules={"key": warn})
    shop.send("orders", FIRST, f"a,{FIRST},1", f"a,{FIRST},2")
    loaded = load(orders)
    assert loaded.rows_good == 2
    assert [rule for _, rule, _ in loaded.warnings] == ["key"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"key": ("nope",)}, "key: no column 'nope'"),
        ({"key": "id"}, "must be a tuple|must be of type tuple"),
        ({"rules": {"nope": Tolerance()}}, "no rule 'nope'; there is id not_nullable"),
        ({"rules": {"id not_nullable": Tolerance(blocking=False)}}, "cannot only warn"),
        ({"references": (Reference(column="x", dataset="people"),)}, "no column 'x'"),
        ({"totals": (Total(name="t", of="id", dataset="x", column="y"),)}, "neither rows nor"),
        ({"extra_columns": "keep"}, "none of ignore, add, refuse"),
    ],
)
def test_a_rule_that_cannot_be_right_is_said_when_it_is_declared(
    shop: Shop, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(DeclarationError, match=says):
        shop.declare("orders", **changes)


def test_a_rule_must_fit_the_dataset_that_it_names(shop: Shop) -> None:
    others = {"people": shop.declare("people")}
    for changes, says in (
        ({"references": (Reference(column="id", dataset="nope"),)}, "no dataset 'nope'"),
        ({"references": (Reference(column="id", dataset="people", to="at"),)}, "of type string"),
        ({"totals": (Total(name="t", dataset="people", column="id"),)}, "must be a numeric"),
    ):
        with pytest.raises(DeclarationError, match=says):
            shop.declare("orders", **changes).check_upstream(others)  # type: ignore[arg-type]


def test_of_two_loads_at_once_that_bring_one_key_the_later_one_gives_way(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = shop.declare("orders", key=("id",))
    shop.send("orders", FIRST, f"a,{FIRST},1", f"b,{FIRST},1")
    shop.send("orders", NEXT, f"b,{NEXT},1", f"c,{NEXT},1")
    record = contracts.record

    def meanwhile(*given: Any, **named: Any) -> None:
        monkeypatch.setattr(contracts, "record", record)
        load(orders, NEXT)
        record(*given, **named)

    monkeypatch.setattr(contracts, "record", meanwhile)  # after the keys were compared
    with pytest.raises(LakeBusy, match="orders 2026-01-30: a load at the same time brought"):
        load(orders)
    assert not ledger.trust("orders", Interval.of_day(NEXT)).trusted
    assert load(orders).rows_bad == 1
    assert ids() == ["a", "b", "c"]
    assert ledger.trust("orders", Interval(FIRST, NEXT + DAY)).trusted


def test_a_requeue_releases_rows_when_what_they_refer_to_has_come(shop: Shop) -> None:
    shop.send("people", FIRST, f"ann,{FIRST},1")
    load(shop.declare("people"))
    reference = Reference(column="id", dataset="people")
    orders = shop.declare("orders", references=(reference,))
    shop.send("orders", FIRST, f"ann,{FIRST},1", f"eve,{FIRST},1")
    load(orders)
    shop.send("people", FIRST, f"ann,{FIRST},1", f"eve,{FIRST},1")
    load(shop.declare("people"))
    assert requeue.requeue(orders, Interval.of_day(FIRST)).released == 1
    assert (ids(), bad()) == (["ann", "eve"], [])
