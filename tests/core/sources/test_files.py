"""Files by name, by day and by pattern, here and on a real S3 server; a source of one's own."""

import gzip
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer
from pandera.pandas import Column, DataFrameSchema

from catalog.kinds import Arrival, Dataset, File, Source
from core import home as places
from core import lake
from core.errors import SourceEmpty, SourceUnreachable
from core.intervals import DAY, Interval
from core.load import loading
from core.sources import files, landing

FIRST = date(2026, 1, 30)
SCHEMA = DataFrameSchema({"id": Column(str), "at": Column("datetime64[us, UTC]")})


def declare(source: Source) -> Dataset:
    return Dataset(name="orders", owner="me", source=source, schema=SCHEMA, day="at", min_rows=0)


def text(*ids: str, day: date = FIRST) -> bytes:
    return "\n".join(["id,at", *(f"{each},{day}" for each in ids), ""]).encode()


def load(source: Source, days: int = 1) -> list[str]:
    interval, declared = Interval(FIRST, FIRST + days * DAY), declare(source)
    loading.load(declared, interval, landing.land(declared, interval))
    rows = lake.read("orders")
    return [] if rows is None else sorted(rows["id"].to_pylist())


def test_a_pattern_takes_every_file_that_matches_in_order(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, id_ in (("orders-b", "2"), ("orders-a", "1"), ("orders-bb", "3"), ("other", "4")):
        (folder / f"{name}.csv").write_bytes(text(id_))
    (folder / "orders-c.csv.part").write_bytes(text("5"))
    assert load(File(path=f"{folder}/orders-?.csv")) == ["1", "2"]
    assert load(File(path=f"{folder}/o*.csv")) == ["1", "2", "3", "4"]


def test_several_files_of_one_day_are_one_day(home: Path, tmp_path: Path) -> None:
    for shop in ("east", "west"):
        for number in range(2):
            day = FIRST + number * DAY
            (tmp_path / f"{shop}-{day}.csv").write_bytes(text(f"{shop}{number}", day=day))
    source = File(path=f"{tmp_path}/*-{{day}}.csv")
    assert load(source, days=2) == ["east0", "east1", "west0", "west1"]
    again = declare(source)
    interval = Interval(FIRST, FIRST + 2 * DAY)
    assert not loading.load(again, interval, landing.land(again, interval)).changed


def test_days_without_a_file_are_left_out_and_none_at_all_is_said(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / f"o-{FIRST + DAY}.csv").write_bytes(text("1", day=FIRST + DAY))
    source = File(path=f"{tmp_path}/o-{{day}}.csv")
    assert load(source, days=3) == ["1"]
    with pytest.raises(SourceEmpty, match=r"there is no file .*o-2026-01-30.csv; ask upstream"):
        landing.land(declare(source), Interval.of_day(FIRST))


def test_a_file_that_changes_while_it_is_read_is_not_landed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "o.csv"
    file.write_bytes(text(*map(str, range(1000))))
    monkeypatch.setattr(files, "CHUNK_BYTES", 1000)
    declared = declare(File(path=str(file)))
    (arrival,) = files.pull(declared.source, Interval.of_day(FIRST), str)  # type: ignore[arg-type]
    chunks = iter(arrival.chunks)
    next(chunks)
    os.truncate(file, 500)
    with pytest.raises(SourceUnreachable, match="changed while it was read"):
        list(chunks)
    assert places.listing("landing/orders") == ()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    running = ThreadedMotoServer(port=0)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


def test_files_may_lie_on_an_object_store(
    home: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3,
    }.items():
        monkeypatch.setenv(name, value)
    httpx.put(f"{s3}/upstream").raise_for_status()
    for name in ("east", "west"):
        body = gzip.compress(text(name))
        httpx.put(f"{s3}/upstream/out/{name}-{FIRST}.csv.gz", content=body).raise_for_status()
    assert load(File(path="s3://upstream/out/*-{day}.csv.gz")) == ["east", "west"]
    assert load(File(path=f"s3://upstream/out/east-{FIRST}.csv.gz")) == ["east"]
    landed = places.listing("landing/orders")
    assert len(landed) == 2
    assert all(name.endswith(".csv.gz") for name in landed)
    with pytest.raises(SourceEmpty, match="there is no file s3://upstream/out/x-"):
        load(File(path="s3://upstream/out/x-{day}.csv.gz"))
    with pytest.raises(SourceUnreachable):
        load(File(path="s3://nowhere/out/*-{day}.csv.gz"))


@dataclass(frozen=True, kw_only=True)
class Counter(Source):
    """A source of one's own: a class with one method."""

    upto: int

    def pull(self, start: date, end: date, secret: Callable[[str], str]) -> Iterator[Arrival]:
        lines = [f'{{"id": "{n}", "at": "{start}"}}\n'.encode() for n in range(self.upto)]
        yield Arrival(f"counter {start}.jsonl", lines)
        if secret("DOWN") == "yes":
            raise ConnectionResetError(104, "Connection reset by peer")


def test_another_kind_of_source_is_a_class_with_one_method(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOWN", "no")
    assert load(Counter(upto=3)) == ["0", "1", "2"]
    monkeypatch.setenv("DOWN", "yes")
    with pytest.raises(SourceUnreachable, match="orders 2026-01-30: Connection reset by peer"):
        load(Counter(upto=3))


def test_a_time_long_ago_asks_nobody(home: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceEmpty):
        landing.land(
            declare(File(path=f"{tmp_path}/x-*-{{day}}.csv")),
            Interval(FIRST - timedelta(days=9000), FIRST),
        )
