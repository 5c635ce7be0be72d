"""Runs that cannot tell for themselves: killed, dead with their worker, never begun."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from deployments.automations import put, zombies
from tests.conftest import PARTS, ROOT
from tests.core.alerting.local_receiver import Server as Receiver
from tests.core.alerting.local_receiver import serve
from tests.flows.support import Server, alerts, program, until

pytestmark = pytest.mark.timeout(400)
DEPLOYED = {
    "dayloop reports crashed runs",
    "dayloop reports late runs",
    "dayloop retrains churn when due",
}


@dataclass(frozen=True)
class Setting:
    """A deployed copy of the project, a worker that only reports, and who is told."""

    server: Server
    root: Path
    home: Path
    receiver: Receiver
    env: dict[str, str]

    def run(self, name: str, queue: str | None = None, **parameters: str) -> str:
        """The id of a new run of a deployment."""
        with get_client(sync_client=True) as client:  # it asks again where the server is busy
            found = client.read_deployment_by_name(name)
            made = client.create_flow_run_from_deployment(
                found.id, parameters=parameters, work_queue_name=queue
            )
            return str(made.id)

    def read(self, run: str) -> dict[str, Any]:
        return self.server.read(f"flow_runs/{run}")

    def state(self, run: str) -> str:
        return self.read(run)["state_name"]

    def process_of(self, run: str) -> int:
        """The process of a run that waits for its source to come."""
        until(lambda: self.state(run) == "Running", 90, "the run has begun")
        until(lambda: self.tasks(run), 60, "its first task waits for the next try")
        return int(self.read(run)["infrastructure_pid"].rpartition(":")[2])

    def tasks(self, run: str) -> list[dict[str, Any]]:
        found = self.server.ask("task_runs/filter", flow_runs={"id": {"any_": [run]}})
        return [each for each in found if each["state_name"] == "AwaitingRetry"]

    def told(self, run: str) -> list[dict[str, Any]]:
        return [alert for alert in alerts(self.home) if alert["key"] == run]

    def told_once(self, run: str, seconds: float) -> dict[str, Any]:
        """The one alert about a run, once everything that could tell it again has ended."""
        until(lambda: self.told(run), seconds, "it is told")
        until(lambda: len(self.reports(run)) == 1, 30, "the automation has reported it")
        assert self.reports(run) == ["Completed"]
        [alert] = self.told(run)
        seen = [each.json for each in self.receiver.seen if run in each.json["run_url"]]
        assert [each["title"] for each in seen] == [alert["title"]]
        return alert

    def reports(self, run: str) -> list[str]:
        """The states of the ended runs of `report-run` about a run."""
        found = self.server.ask("flow_runs/filter", flows={"name": {"any_": ["report-run"]}})
        ours = [each for each in found if each["parameters"].get("run", "").endswith(run)]
        return [each["state_name"] for each in ours if each["end_time"]]


@contextmanager
def a_worker(setting: Setting, queue: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that may be killed with all that it runs."""
    with (setting.root.parent / f"{queue}.log").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "dayloop"]
            + ["--work-queue", queue],
            cwd=setting.root,
            env=setting.env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield running
        finally:
            kill(running)


def kill(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    with suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def setting(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    folder = tmp_path_factory.mktemp("automations")
    root = folder / "project"
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        root.mkdir(exist_ok=True)
        copy(ROOT / part, root / part)
    text = (root / "prefect.yaml").read_text()
    assert "schedule_after: 300" in text
    (root / "prefect.yaml").write_text(text.replace("schedule_after: 300", "schedule_after: 3"))
    remove_all(server)  # of other tests
    with serve() as receiver:
        env = {
            **os.environ,
            "DAYLOOP_HOME": str(folder / "home"),
            "DAYLOOP_WEBHOOKS": receiver.url,
        }
        found = Setting(server, root, folder / "home", receiver, env)
        pool = ("work-pool", "create", "dayloop", "--type", "process", "--overwrite")
        deploy = ("--no-prompt", "deploy")
        for words in (pool, (*deploy, "--all"), (*deploy, "--name", "report-run")):
            done = server.prefect(*words, cwd=root)
            assert done.returncode == 0, done.stdout + done.stderr
        log = folder / "report.log"
        queue = ("worker", "start", "--pool", "dayloop", "--work-queue", "report-run")
        only = {name: env[name] for name in ("DAYLOOP_HOME", "DAYLOOP_WEBHOOKS")}
        try:
            with program(log, *queue, cwd=root, **only):
                yield found
        finally:
            remove_all(server)


def remove_all(server: Server) -> None:
    for kind in ("automations", "deployments"):
        for each in server.ask(f"{kind}/filter"):
            server.remove(f"{kind}/{each['id']}")


def automations(server: Server) -> list[dict[str, Any]]:
    return server.ask("automations/filter")


@dataclass(frozen=True)
class Runs:
    ended: str
    dead: str
    dead_ad_hoc: str
    late: str


@pytest.fixture(scope="module")
def runs(setting: Setting) -> Runs:
    """A run that has ended well, one that died with its worker, one that nobody begins."""
    done = subprocess.run(
        [sys.executable, "deployments/automations.py"],
        cwd=ROOT,
        env=setting.env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "dayloop marks dead runs as crashed: made\n"
    quick = zombies()
    quick.trigger.within = timedelta(seconds=45)  # the next sign of life comes after 30
    assert put(quick) == "up to date"
    late = setting.run("retrain/retrain-churn", queue="nobody")
    with a_worker(setting, "default") as worker:
        ended = setting.run("etl/etl-sales", day="1998-04-01")
        until(lambda: setting.state(ended) == "Completed", 90, "a run ends well")
        (setting.root / "data" / "cdnow.csv.gz").unlink()  # the next one waits five minutes for it
        dead = setting.run("etl/etl-sales", day="1998-04-02")
        process = setting.process_of(dead)
        kill(worker)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return Runs(ended, dead, killed_at_a_terminal(setting), late)


def killed_at_a_terminal(setting: Setting) -> str:
    """The id of a run of `python -m flows` that waited for its source and was killed."""
    name = "etl sales 1998-04-05"
    running = subprocess.Popen(
        [sys.executable, "-m", "flows", "etl", "sales", "--day", "1998-04-05"],
        cwd=setting.root,
        env={**setting.env, "DAYLOOP_RETRY_SECONDS": "300"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        found: list[dict[str, Any]] = []

        def waits() -> bool:
            found[:] = setting.server.ask("flow_runs/filter", flow_runs={"name": {"any_": [name]}})
            return bool(found and setting.tasks(found[0]["id"]))

        until(waits, 90, "it waits for its source")
    finally:
        running.kill()
        running.wait()
    return str(found[0]["id"])


def test_deployed_again_they_are_the_same_four(setting: Setting, runs: Runs):
    names = sorted(each["name"] for each in automations(setting.server))

    assert names == sorted([*DEPLOYED, zombies().name])


def test_a_run_whose_process_is_killed_is_told_once(setting: Setting, runs: Runs):
    with a_worker(setting, "default"):
        # Not etl-sales: the dead run has its turn until it is marked crashed.
        run = setting.run("backfill/backfill-sales", start="1998-04-03", end="1998-04-04")
        os.kill(setting.process_of(run), signal.SIGKILL)

        alert = setting.told_once(run, 60)

    assert (alert["kind"], alert["severity"]) == ("failed_flow", "page")
    assert alert["subject"] == "backfill sales 1998-04-03 1998-04-04"
    assert alert["owner"] == "shop@example.com"
    days = "--start 1998-04-03 --end 1998-04-04"
    assert alert["todo"] == f"python -m flows backfill sales {days}"
    assert "SIGKILL" in alert["title"]


def test_a_run_that_nobody_begins_is_told_once(setting: Setting, runs: Runs):
    alert = setting.told_once(runs.late, 90)

    assert setting.state(runs.late) == "Late"
    assert alert["kind"] == "late_run"
    assert alert["subject"] == "retrain retrain-churn"
    assert alert["owner"] == "crm@example.com"
    assert alert["todo"] == "prefect worker start --pool dayloop"


def test_a_run_that_died_with_its_worker_is_marked_crashed_and_told_once(
    setting: Setting, runs: Runs
):
    alert = setting.told_once(runs.dead, 120)

    assert setting.state(runs.dead) == "Crashed"
    assert alert["subject"] == "etl sales 1998-04-02"
    assert "no sign of life" in alert["title"]


def test_a_run_at_a_terminal_that_is_killed_is_marked_crashed_and_told_once(
    setting: Setting, runs: Runs
):
    alert = setting.told_once(runs.dead_ad_hoc, 120)

    assert setting.state(runs.dead_ad_hoc) == "Crashed"
    assert alert["subject"] == "etl sales 1998-04-05"
    assert alert["todo"] == "python -m flows etl sales --day 1998-04-05"


def test_a_run_that_ended_well_is_neither_changed_nor_told(setting: Setting, runs: Runs):
    assert setting.state(runs.ended) == "Completed"
    assert setting.told(runs.ended) == []
