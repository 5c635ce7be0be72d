"""Backfills of half a year, a file a day: told on the way, killed, and two at once."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from core import ledger
from core.intervals import Interval
from tests.conftest import Project, copied
from tests.flows.support import Server, alerts, contents, rows, until

HALF_YEAR = Interval(date(2025, 1, 1), date(2025, 7, 1))
CHUNKS = [Interval(date(2025, month, 1), date(2025, month + 1, 1)) for month in range(1, 7)]
ROWS, BAD_EVERY = 20, 5  # rows of a day; days with one that is bad
KILLS = int(os.environ.get("LONG_TEST_KILLS", "2"))
ROUNDS = int(os.environ.get("LONG_TEST_ROUNDS", "2"))
DECLARATION = """
from pandera.pandas import Check, Column, DataFrameSchema

from catalog.kinds import Dataset, File

dataset = Dataset(
    name="NAME",
    owner="web@example.com",
    source=File(path="data/NAME/{day}.csv"),
    schema=DataFrameSchema(
        {
            "visit": Column(str),
            "at": Column("datetime64[us, UTC]"),
            "minutes": Column(int, Check.ge(0)),
        }
    ),
    day="at",
    max_bad_share=0.1,
    KEY
)
"""
pytestmark = [pytest.mark.usefixtures("server"), pytest.mark.timeout(300 + 30 * (KILLS + ROUNDS))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project with half a year of visits in it."""
    project = copied(tmp_path_factory.mktemp("site") / "project")
    declare(project, "visits")
    for number, day in enumerate(HALF_YEAR.days()):
        lines = [f"{day:%m%d}{n:02},{day}T{n:02}:00:00Z,{n}" for n in range(ROWS)]
        if number % BAD_EVERY == 0:
            lines[0] = lines[0][:-1] + "-1"
        send(project, "visits", day, lines)
    return project


def declare(project: Project, name: str, key: str = "") -> None:
    text = DECLARATION.replace("NAME", name).replace("    KEY\n", key)
    (project.root / "catalog" / "datasets" / f"{name}.py").write_text(text)
    (project.root / "data" / name).mkdir()


def send(project: Project, name: str, day: date, lines: list[str]) -> None:
    text = "\n".join(["visit,at,minutes", *lines, ""])
    (project.root / "data" / name / f"{day}.csv").write_text(text)


def words(start: date = HALF_YEAR.start, end: date = HALF_YEAR.end) -> tuple[str, ...]:
    return "backfill", "visits", "--start", str(start), "--end", str(end)


@dataclass(frozen=True)
class Undisturbed:
    """A backfill that nothing came between: what it left, and its seconds from the first file."""

    home: Path
    contents: dict[str, str]
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(
    server: Server, site: Project, tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    running = site.start(*words(), DAYLOOP_HOME=str(home))
    while running.poll() is None and not home.exists():
        time.sleep(0.001)
    began = time.monotonic()
    assert running.wait(240) == 0
    return Undisturbed(home, contents(home), time.monotonic() - began)


def test_a_backfill_says_how_far_it_is_and_how_long_it_will_take(
    site: Project, undisturbed: Undisturbed, home: Path
):
    done = site.run(*words(), PREFECT_LOGGING_LEVEL="INFO")

    assert done.returncode == 0, done.stderr
    told = re.findall(
        r"visits: (\d) of 6 chunks, (nearly done|about \d+:\d\d:\d\d left)", done.stderr
    )
    assert [number for number, _ in told] == ["2", "3", "4", "5", "6"]
    assert told[-1][1] == "nearly done"
    days, bad = len(HALF_YEAR), len(range(0, len(HALF_YEAR), BAD_EVERY))
    assert len(rows(home, "visits")) == days * ROWS - bad
    assert len(rows(home, "visits_quarantine")) == bad
    assert [row["rows_read"] for row in rows(home, "ledger")] == [ROWS] * days
    assert contents(home) == undisturbed.contents


def test_killed_at_random_moments_it_goes_on_where_it_was_and_ends_as_undisturbed(
    site: Project, undisturbed: Undisturbed, server: Server, tmp_path: Path
):
    dice, kills = random.Random(KILLS), 0
    while kills < KILLS:
        home, done, status, said = Path(tempfile.mkdtemp(dir=tmp_path), "home"), Finished(), -1, ""
        while status:
            seconds = dice.uniform(0, undisturbed.seconds) if kills < KILLS else 240
            status, said = killed(site, home, seconds)
            if status:
                kills, done = kills + 1, Finished.at(home)

        assert contents(home) == undisturbed.contents
        assert alerts(home) == []
        loads = {row["day"]: (row["run_id"], row["loaded_at"]) for row in rows(home, "ledger")}
        assert {day: loads[day] for day in done.loads} == done.loads
        if done.chunks:
            assert f"{len(done.chunks)} of 6 chunks were finished before" in said
        left = {f"load visits {chunk}" for chunk in CHUNKS if chunk not in done.chunks}
        until(lambda left=left: tasks_of_last_run(server) == left, 60, "only these were loaded")


def killed(site: Project, home: Path, seconds: float) -> tuple[int, str]:
    """Kills a backfill so long after it has begun to land, unless it ends before.

    Returns:
        Its status, 0 or that of a kill, and what it has said.
    """
    landing, log = home / "landing" / "visits", home.with_name("log")
    before = landing.stat().st_mtime_ns if landing.exists() else 0
    env = {**os.environ, "DAYLOOP_HOME": str(home), "TMPDIR": str(home.parent)}
    env["PREFECT_LOGGING_LEVEL"] = "INFO"
    with log.open("wb") as file:
        running = subprocess.Popen(
            site.command(*words()), cwd=site.root, env=env, stdout=file, stderr=file
        )
    while running.poll() is None and (not landing.exists() or landing.stat().st_mtime_ns == before):
        time.sleep(0.001)
    with suppress(subprocess.TimeoutExpired):
        running.wait(seconds)
    running.kill()
    said = log.read_text()
    assert running.wait() in (0, -signal.SIGKILL), said
    return running.returncode, said


@dataclass(frozen=True)
class Finished:
    """What a backfill had done when it was killed: its chunks, and by whom and when each day."""

    chunks: frozenset[Interval] = frozenset()
    loads: Mapping[date, tuple[str, datetime]] = field(default_factory=dict)

    @classmethod
    def at(cls, home: Path) -> "Finished":
        done = rows(home, "backfills")
        chunks = frozenset(Interval(row["chunk_start"], row["chunk_end"]) for row in done)
        loads = {row["day"]: (row["run_id"], row["loaded_at"]) for row in rows(home, "ledger")}
        days = [day for chunk in chunks for day in chunk.days()]
        return cls(chunks, {day: loads[day] for day in days})


def tasks_of_last_run(server: Server) -> set[str]:
    """The chunks that the last backfill has loaded."""
    [run] = server.ask(
        "flow_runs/filter",
        flows={"name": {"any_": ["backfill"]}},
        sort="START_TIME_DESC",
        limit=1,
    )
    tasks = server.ask("task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
    return {task["name"] for task in tasks if task["name"].startswith("load visits")}


FINISHED = """
import sys
from datetime import date

import catalog
from core.load import backfilling
from core.intervals import Interval

visits, interval = catalog.dataset("visits"), Interval(*map(date.fromisoformat, sys.argv[1:]))
for chunk in backfilling.chunks(visits, interval)[:6]:
    backfilling.finish(visits, interval, chunk)
"""


def test_cut_off_where_the_source_has_nothing_for_what_is_left_it_ends_well(
    site: Project, undisturbed: Undisturbed, server: Server, home: Path
):
    shutil.copytree(undisturbed.home, home)
    end = HALF_YEAR.end + timedelta(days=31)
    finish = [sys.executable, "-c", FINISHED, str(HALF_YEAR.start), str(end)]
    subprocess.run(finish, cwd=site.root, check=True)

    done = site.run(*words(end=end), "--json", PREFECT_LOGGING_LEVEL="INFO")

    assert done.returncode == 0, done.stderr
    assert "6 of 7 chunks were finished before" in done.stderr
    assert json.loads(done.stdout)["rows_read"] == len(HALF_YEAR) * ROWS
    assert contents(home) == undisturbed.contents


def test_two_backfills_of_overlapping_days_at_once_end_as_one(
    site: Project, undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    dice = random.Random(ROUNDS)
    for number in range(ROUNDS):
        home = tmp_path / str(number) / "home"
        middle = [HALF_YEAR.start + timedelta(days=dice.randrange(40, 140)) for _ in range(2)]
        ranges = [words(end=max(middle)), words(start=min(middle))]
        running = [site.start(*each, DAYLOOP_HOME=str(home)) for each in ranges]
        assert [each.wait(240) for each in running] == [0, 0]

        found = contents(home)
        found.pop("outbox", None)  # the last days of a shorter range may have been news
        assert found == undisturbed.contents
        monkeypatch.setenv("DAYLOOP_HOME", str(home))
        assert ledger.trust("visits", HALF_YEAR).reason == ""


def test_of_a_key_in_several_chunks_the_first_day_keeps_it(site: Project, home: Path):
    declare(site, "orders", '    key=("visit",),\n')
    for day in HALF_YEAR.days():
        if day.month == 2 or day.day == 1:  # the second chunk takes longest
            lines = [f"{day}-{n},{day},1" for n in range(ROWS)]
            lines += [f"again,{day},1"] if day.month > 1 and day.day in (1, 28) else []
            send(site, "orders", day, lines)

    done = site.run("backfill", "orders", *words()[2:])

    assert done.returncode == 0, done.stderr
    [kept] = [row for row in rows(home, "orders") if row["visit"] == "again"]
    assert kept["at"].date() == date(2025, 2, 1)
    assert {row["rule"] for row in rows(home, "orders_quarantine")} == {"key"}
    assert len(rows(home, "orders_quarantine")) == 5
