"""Every row of any file is accounted for: in the table, or in quarantine with its reason."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera.pandas import Column, DataFrameSchema

from catalog.kinds import Dataset, File, Reference
from core import lake, ledger
from core.errors import SourceEmpty
from core.intervals import DAY, Interval
from core.load import loading, recording, requeue
from core.sources import landing
from tests.core.load.accounted import PEOPLE, SCHEMA, rows
from tests.core.load.accounts import Sent, expected, found

DAYS = Interval(date(2026, 1, 30), date(2026, 2, 3))  # across the end of a month
AROUND = [DAYS.start - DAY, *DAYS.days(), DAYS.end]
ROUNDS = int(os.environ.get("LONG_TEST_ROUNDS", "1"))
SOME = settings(
    max_examples=12 * ROUNDS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples have homes of their own; what they set is undone."""
    monkeypatch.setenv("DAYLOOP_HOME", "")


@contextmanager
def empty_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DAYLOOP_HOME"] = f"{folder}/home"
        yield Path(folder)


def send(folder: Path, files: Sequence[Sent]) -> None:
    for number, file in enumerate(files):
        name = f"{file.day or number}.{file.kind}"
        (folder / name).write_bytes(file.data)


def declare(folder: Path, files: Sequence[Sent], *, related: bool, share: float) -> Dataset:
    name = "{day}" if files[0].day else "?"
    return Dataset(
        name="orders",
        owner="me",
        source=File(path=f"{folder}/{name}.{files[0].kind}"),
        schema=SCHEMA,
        day="at",
        max_bad_share=share,
        min_rows=0,
        key=("id",) if related else (),
        references=(Reference(column="who", dataset="people", to="id"),) if related else (),
    )


def load(declared: Dataset, within: Interval) -> recording.Loaded:
    return loading.load(declared, within, landing.land(declared, within))


def load_people(folder: Path) -> None:
    lines = [f"{who},{day}" for day in DAYS.days() for who in PEOPLE]
    (folder / "people.csv").write_text("\n".join(["id,at", *lines]) + "\n")
    schema = DataFrameSchema({"id": Column(str), "at": Column("datetime64[us, UTC]")})
    source = File(path=f"{folder}/people.csv")
    load(Dataset(name="people", owner="me", source=source, schema=schema, day="at"), DAYS)


@st.composite
def sent(draw: st.DrawFn) -> list[Sent]:
    """Files of one day each, or one or two of many days."""
    kind, repeated = draw(st.sampled_from(["csv", "jsonl"])), draw(st.booleans())
    made = rows(AROUND, repeated, kind).map(tuple)
    if draw(st.booleans()):
        return [Sent(found, kind) for found in draw(st.lists(made, min_size=1, max_size=2))]
    days = sorted(draw(st.sets(st.sampled_from([*DAYS.days()]), min_size=1)))
    return [Sent(draw(made), kind, day) for day in days]


@SOME
@given(files=sent(), related=st.booleans(), share=st.sampled_from([0.2, 0.99]))
def test_every_row_is_in_the_table_or_in_quarantine_and_loading_again_changes_nothing(
    files: list[Sent], related: bool, share: float
) -> None:
    with empty_home() as folder:
        send(folder, files)
        load_people(folder)
        declared = declare(folder, files, related=related, share=share)
        wanted = expected(files, DAYS, related=related, share=share)

        loaded = load(declared, DAYS)

        assert found("orders") == wanted
        version = lake.version("orders")
        again = load(declared, DAYS)
        if not loaded.refused:
            assert not again.changed
            assert lake.version("orders") == version
        requeued = requeue.requeue(declared, DAYS)
        assert (requeued.released, requeued.held) == (0, 0)
        assert found("orders") == wanted


@SOME
@given(files=sent(), related=st.booleans(), data=st.data())
def test_days_loaded_one_by_one_or_in_any_stretches_end_as_those_loaded_in_one_go(
    files: list[Sent], related: bool, data: st.DataObject
) -> None:
    stretches = data.draw(_stretches(shuffled=not related))
    wanted = expected(files, DAYS, related=related, share=0.99)
    with empty_home() as folder:
        send(folder, files)
        load_people(folder)
        declared = declare(folder, files, related=related, share=0.99)
        for stretch in stretches:
            with suppress(SourceEmpty):  # there is no file for any of its days
                load(declared, stretch)
        assert found("orders") == wanted
        pieces = [entry.content for entry in ledger.entries("orders")]
    with empty_home() as folder:
        send(folder, files)
        load_people(folder)
        load(declare(folder, files, related=related, share=0.99), DAYS)
        assert pieces == [entry.content for entry in ledger.entries("orders")]


@st.composite
def _stretches(draw: st.DrawFn, shuffled: bool) -> list[Interval]:
    """The days in pieces; in order where that decides which row of a key is kept."""
    cuts = sorted({DAYS.start, DAYS.end, *draw(st.sets(st.sampled_from([*DAYS.days()])))})
    pieces = [Interval(start, end) for start, end in pairwise(cuts)]
    return draw(st.permutations(pieces)) if shuffled else pieces
