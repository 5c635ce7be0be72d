"""The ledger beside the table: what was cut off, overtaken or undone is never trusted."""

from datetime import date
from pathlib import Path

import pytest

from core import lake, ledger
from core.intervals import DAY, Interval
from tests.core.load.test_loading import FIRST, day_lines, load, orders, write

NEXT = FIRST + DAY
IN_FLUX = "a load of orders {} is under way or was cut off; let it end, or run it again"


@pytest.fixture
def source(home: Path, tmp_path: Path) -> Path:
    """Where files of a day each are sent to."""
    return tmp_path / "in" / "{day}.csv"


def send(source: Path, day: date, rows: int = 10) -> None:
    write(source.with_name(f"{day}.csv"), day_lines(day, rows))


def cut_off(source: Path, monkeypatch: pytest.MonkeyPatch, day: date, days: int = 1) -> None:
    """Loads until the ledger is to be written."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(ledger, "record", die)
        with pytest.raises(KeyboardInterrupt):
            load(orders(source), day, days)


def trust(day: date, days: int = 1) -> ledger.Trust:
    return ledger.trust("orders", Interval(day, day + days * DAY))


def test_a_load_that_was_cut_off_is_seen_though_another_one_ended_after_it(
    source: Path, monkeypatch: pytest.MonkeyPatch
):
    for day in Interval(FIRST, FIRST + 3 * DAY).days():
        send(source, day)
    load(orders(source))
    cut_off(source, monkeypatch, NEXT)
    load(orders(source), NEXT + DAY)

    assert trust(FIRST).reason == IN_FLUX.format(NEXT)
    assert trust(NEXT + DAY).reason == IN_FLUX.format(NEXT)

    load(orders(source), NEXT)
    assert trust(FIRST, 3).trusted


def test_a_load_that_was_cut_off_is_seen_however_much_came_after_it(
    source: Path, monkeypatch: pytest.MonkeyPatch
):
    send(source, FIRST)
    load(orders(source))
    send(source, FIRST, 7)
    cut_off(source, monkeypatch, FIRST)
    for day in Interval(NEXT, NEXT + 20 * DAY).days():
        send(source, day)
        load(orders(source), day)

    assert trust(FIRST, 20).reason == IN_FLUX.format(FIRST)


def test_bytes_that_come_back_after_a_load_was_cut_off_are_loaded_again(
    source: Path, monkeypatch: pytest.MonkeyPatch
):
    send(source, FIRST)
    load(orders(source))
    send(source, FIRST, 7)
    cut_off(source, monkeypatch, FIRST)
    send(source, FIRST)

    assert load(orders(source)).changed

    assert trust(FIRST).trusted
    assert lake.read("orders").num_rows == 10


def test_of_two_loads_of_a_day_the_ledger_keeps_the_one_whose_rows_are_in_the_table(
    source: Path, monkeypatch: pytest.MonkeyPatch
):
    send(source, FIRST)
    record = ledger.record

    def overtaken(dataset: str, interval: Interval, entries: list[ledger.Entry]) -> None:
        monkeypatch.setattr(ledger, "record", record)
        send(source, FIRST, 7)
        load(orders(source))
        record(dataset, interval, entries)

    monkeypatch.setattr(ledger, "record", overtaken)
    load(orders(source))

    [entry] = ledger.entries("orders")
    assert (entry.rows_good, entry.table_version) == (7, 2)
    assert trust(FIRST).trusted
