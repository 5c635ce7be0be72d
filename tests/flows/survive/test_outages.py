"""A clock that jumps back, a Prefect server and a worker that die; only with LONG_TEST_KILLS.

Elsewhere: test_automations.py has workers die too, and asks whether people are told.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate

from tests.flows.support import free_port, is_up, until
from tests.flows.survive.flow_runs import Flow, Problems, day_by_day
from tests.flows.survive.outcomes import Outcomes
from tests.flows.survive.shop import opened
from tests.flows.survive.state import State, differences, state

TIMES = 5
BACK = 3 * 86_400  # seconds
ENDED = ("Completed", "Failed", "Crashed", "Cancelled")
pytestmark = [
    pytest.mark.timeout(3600),
    pytest.mark.skipif("LONG_TEST_KILLS" not in os.environ, reason="set LONG_TEST_KILLS: minutes"),
]


def test_a_clock_that_jumps_back_loses_and_doubles_nothing(
    daily: Flow, outcomes: Outcomes, tmp_path: Path
) -> None:
    compiler, library, clock = shutil.which("cc"), tmp_path / "clock.so", tmp_path / "seconds"
    if not compiler:
        pytest.skip("no C compiler to make a clock that can be set")
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    dice, problems, home = random.Random(0), Problems(), daily.home("clock")
    undisturbed = day_by_day(daily, TIMES)
    clock.write_text("0")
    with opened(tmp_path / "off", LD_PRELOAD=str(library), CLOCK=str(clock)) as shop:
        for number, (today, expected, seconds) in enumerate(undisturbed, 1):
            today = replace(today, shop=shop)
            run = today.start(home)
            time.sleep(dice.uniform(0, seconds))
            clock.write_text(str(-BACK * number))
            problems += [f"{today.words}: {run.said}"] if run.wait() else []
            problems += today.finish(expected, home, f"{today.words}, the clock set back")
    assert not problems, "\n".join(problems)
    what = "the clock jumping back by three days in the middle of each `daily`"
    outcomes.add(what, f"{TIMES} times", "it completes; all ends as undisturbed", "so it was")


@dataclass
class Restarted:
    """A Prefect server with a database of its own, that can be killed and started again."""

    folder: Path
    port: int
    running: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        words = [sys.executable, "-m", "prefect", "server", "start", "--no-ui"]
        env = {**os.environ, "PREFECT_HOME": str(self.folder)}
        with (self.folder / "server.log").open("ab") as log:
            self.running = subprocess.Popen(
                [*words, "--port", str(self.port)],
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(lambda: is_up(self.url), 120, "the server is up")

    def kill(self) -> None:
        if self.running:
            os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[Restarted]:
    folder = tmp_path / "server"
    folder.mkdir()
    server = Restarted(folder, free_port())
    server.start()
    yield server
    server.kill()


def test_a_server_restarted_midway_costs_at_most_a_run_again(
    daily: Flow, restarted: Restarted, outcomes: Outcomes, tmp_path: Path
) -> None:
    dice, problems, completed = random.Random(1), Problems(), 0
    home, undisturbed = daily.home("restarted"), day_by_day(daily, TIMES)
    with opened(tmp_path / "other", PREFECT_API_URL=restarted.url) as shop:
        for today, expected, seconds in undisturbed:
            today = replace(today, shop=shop)
            run = today.start(home)
            time.sleep(dice.uniform(0, seconds))
            restarted.kill()
            restarted.start()
            completed += run.wait() == 0
            problems += [run.said] if run.wait() not in (0, 1) else []
            problems += today.finish(expected, home, f"{today.words}, the server restarted")
    assert not problems, "\n".join(problems)
    outcomes.add(
        "the Prefect server killed and started again in the middle of `daily`",
        f"{TIMES} times",
        "the run completes or fails; run again it ends as undisturbed",
        f"{completed} completed, {TIMES - completed} failed; all ended as undisturbed",
    )


def test_a_worker_killed_midway_costs_at_most_a_run_again(daily: Flow, outcomes: Outcomes) -> None:
    times, root = 3, daily.shop.project.root
    home, undisturbed = daily.home("worker"), day_by_day(daily, times)
    env = {"DAYLOOP_HOME": str(home), "DAYLOOP_WEBHOOKS": f"{daily.told.url}/{daily.own(home)}"}
    deployment, problems = deployed(root), Problems()
    for today, expected, seconds in undisturbed:
        parameters = {"day": today.words.split()[-1]}
        landed = {*home.glob("landing/buys/*")}
        with worker(root, home, env):
            asked(deployment, parameters)
            until(lambda known=landed: {*home.glob("landing/buys/*")} != known, 120, "it has begun")
            time.sleep(random.uniform(0, seconds / 2))
        with worker(root, home, env):
            run = asked(deployment, parameters)
            until(lambda run=run: state_of(run) in ENDED, 120, "it has ended")
        problems += [] if state_of(run) == "Completed" else [state_of(run)]
        problems += today.finish(expected, home, f"{today.words}, the worker killed")
    assert not problems, "\n".join(problems)
    what = "the worker of a deployed `daily`, and the run in the middle of its work, killed"
    outcomes.add(what, f"{times} times", "the next run ends as undisturbed", "so it was")


def deployed(root: Path) -> UUID:
    """A deployment of `daily` in a pool of its own, to be run as often as one likes."""
    step = {"prefect.deployments.steps.set_working_directory": {"directory": str(root)}}
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="survive", type="process"))
        return client.create_deployment(
            client.create_flow_from_name("daily"),
            "survive",
            work_pool_name="survive",
            entrypoint="flows.daily.daily",
            pull_steps=[step],
        )


def asked(deployment: UUID, parameters: dict[str, str]) -> UUID:
    """A new run's id."""
    with get_client(sync_client=True) as client:
        return client.create_flow_run_from_deployment(deployment, parameters=parameters).id


def state_of(run: UUID) -> str | None:
    with get_client(sync_client=True) as client:  # it asks again where the server is busy
        return client.read_flow_run(run).state_name


@contextmanager
def worker(root: Path, home: Path, env: dict[str, str]) -> Iterator[None]:
    """A worker that is killed at the end, with all that it runs."""
    words = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "survive"]
    with home.with_name("worker.log").open("ab") as log:
        running = subprocess.Popen(
            words,
            cwd=root,
            env={**os.environ, **env},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield
        finally:
            running.kill()
            running.wait()
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def test_a_sqlite_server_is_enough_for_eight_at_once(
    daily: Flow, expected: State, server_folder: Path, outcomes: Outcomes
) -> None:
    log = server_folder / "server.log"
    before, problems, rounds = log.read_text().count("database is locked"), Problems(), 5
    for number in range(rounds):
        homes = [daily.home(f"{number}-{each}") for each in range(8)]
        running = [daily.start(home) for home in homes]
        for home, run in zip(homes, running, strict=True):
            problems += [f"status {run.status}\n{run.said}"] if run.wait() else []
            problems += differences(expected, state(home)) + daily.untold(home)
    locked = log.read_text().count("database is locked") - before
    assert not problems, "\n".join(problems)
    outcomes.add(
        "8 `daily` at once of 8 homes, one Prefect server on SQLite",
        f"{8 * rounds} runs",
        "no run fails by `database is locked`",
        f"none failed; {locked} such lines in the server's own log",
    )
