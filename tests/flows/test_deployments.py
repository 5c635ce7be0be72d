"""The deployments: what prefect.yaml says holds, and a real server and worker run it."""

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

import catalog
from flows.backfill import backfill
from flows.daily import daily
from flows.monitor import monitor
from flows.score import score
from tasks.decisions import DUE
from tests.conftest import ROOT, Project
from tests.core.alerting.local_receiver import Server as Receiver
from tests.flows.support import Server, alerts, program, rows, until

DECLARED = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
BY_NAME = {each["name"]: each for each in DECLARED}


def flow_of(deployment: dict[str, Any]) -> Flow[..., Any]:
    module, _, name = deployment["entrypoint"].rpartition(".")
    found = getattr(import_module(module), name)
    assert isinstance(found, Flow)
    return found


@pytest.mark.parametrize("name", BY_NAME)
def test_an_entrypoint_is_a_flow_that_takes_the_parameters(name: str):
    flow, given = flow_of(BY_NAME[name]), BY_NAME[name].get("parameters", {})

    assert set(given) <= set(inspect.signature(flow.fn).parameters)
    schema = parameter_schema(flow.fn).model_dump_for_openapi()
    validate(given, schema, raise_on_error=True, ignore_required=True)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_deployment_says_what_it_is_for_and_runs_in_the_pool(name: str):
    assert BY_NAME[name]["description"]
    assert BY_NAME[name]["tags"]
    assert BY_NAME[name]["work_pool"]["name"] == "dayloop"


@pytest.mark.parametrize(
    ("kind", "template", "variables"),
    [
        ("docker", (), {"image": "dayloop", "volumes": ["dayloop:/srv/dayloop"]}),
        (
            "kubernetes",
            ("--base-job-template", str(ROOT / "deployments" / "kubernetes.json")),
            {"image": "registry.example.com/dayloop:1"},
        ),
    ],
)
def test_it_deploys_to_other_kinds_of_pools(
    project: Project,
    server: Server,
    kind: str,
    template: tuple[str, ...],
    variables: dict[str, Any],
):
    project.rewrite(
        "prefect.yaml",
        ("    <<: *process\n    name: dayloop", f"    <<: *{kind}\n    name: dayloop-{kind}"),
        ("# pull:\n#   - ", "pull:\n  - "),
    )
    made = server.prefect("work-pool", "create", f"dayloop-{kind}", "--type", kind, *template)
    assert made.returncode == 0, made.stdout + made.stderr
    done = server.prefect("--no-prompt", "deploy", "--name", "etl-sales", cwd=project.root)
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = {"name": {"any_": [f"dayloop-{kind}"]}}
    [found] = server.ask("deployments/filter", work_pools=wanted)
    assert variables.items() <= found["job_variables"].items()
    assert found["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    [step] = found["pull_steps"]
    assert step["prefect.deployments.steps.set_working_directory"] == {"directory": "/app"}


@pytest.mark.parametrize(
    ("verb", "parameter", "name"),
    [(verb, "dataset", name) for name in catalog.dataset_names() for verb in ("etl", "backfill")]
    + [
        (verb, "model", name)
        for name in catalog.model_names()
        for verb in ("retrain", "score", "monitor")
    ],
)
def test_every_dataset_and_model_is_deployed(verb: str, parameter: str, name: str):
    assert f"{verb}-{name}" in BY_NAME, f"add a stanza {verb}-{name} to prefect.yaml"
    found = BY_NAME[f"{verb}-{name}"]
    assert found["entrypoint"] == f"flows.{verb}.{verb}"
    assert found["parameters"] == {parameter: name}


@pytest.mark.parametrize("name", catalog.model_names())
def test_every_model_is_retrained_when_its_monitor_asks_for_it(name: str):
    [trigger] = BY_NAME[f"retrain-{name}"]["triggers"]
    assert trigger["expect"] == [DUE]
    assert trigger["match"] == {"prefect.resource.id": f"dayloop://models/{name}"}


def test_the_loop_runs_every_morning_and_never_beside_itself():
    daily = BY_NAME["daily"]

    [schedule] = daily["schedules"]
    assert (schedule["cron"], schedule["timezone"]) == ("0 6 * * *", "UTC")
    assert daily["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


@pytest.fixture(scope="module")
def deployed(server: Server) -> dict[str, Any]:
    """What the server has after the two commands of deployments/README.md."""
    pool = ("work-pool", "create", "dayloop", "--type", "process", "--overwrite")
    for words in (pool, ("--no-prompt", "deploy", "--all")):
        done = server.prefect(*words, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
    return {each["name"]: each for each in server.ask("deployments/filter")}


def test_deploy_all_asks_nothing_and_deploys_all(deployed: dict[str, Any]):
    assert set(deployed) == set(BY_NAME)
    assert deployed["daily"]["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert deployed["etl-sales"]["parameters"] == {"dataset": "sales"}


def test_the_loop_does_not_wait_behind_late_deliveries(deployed: dict[str, Any], server: Server):
    queues = server.ask("work_pools/dayloop/queues/filter")

    priority = {each["name"]: each["priority"] for each in queues}
    assert priority[deployed["daily"]["work_queue_name"]] < priority["deliver"]
    assert deployed["deliver"]["work_queue_name"] == "deliver"


def test_the_scheduler_creates_runs(deployed: dict[str, Any], server: Server):
    """With sqlalchemy 2.1 it created none, and said so only in the server's log."""

    def scheduled(name: str) -> int:
        return server.ask(
            "flow_runs/count",
            flow_runs={"state": {"type": {"any_": ["SCHEDULED"]}}},
            deployments={"id": {"any_": [deployed[name]["id"]]}},
        )

    assert until(lambda: scheduled("daily"), 60, "runs of daily are scheduled") >= 3
    assert until(lambda: scheduled("deliver"), 60, "runs of deliver are scheduled") >= 3
    assert scheduled("etl-sales") == 0


@contextmanager
def a_worker(log: Path, **env: str) -> Iterator[None]:
    """A process worker; not for the queue `deliver`, whose runs each minute take their time."""
    words = ("worker", "start", "--pool", "dayloop", "--work-queue", "default")
    with program(log, *words, cwd=log.parent, **env):
        yield


def test_a_worker_runs_the_day_and_the_webhook_arrives(
    deployed: dict[str, Any], server: Server, trained: Path, receiver: Receiver, tmp_path: Path
):
    with a_worker(tmp_path / "worker.log", DAYLOOP_WEBHOOKS=receiver.url):
        run = ("deployment", "run", "daily/daily")
        done = server.prefect(*run, "--param", "day=1998-04-01", "--watch")
        assert done.returncode == 0, done.stdout + (tmp_path / "worker.log").read_text()

        assert {row["day"] for row in rows(trained, "churn_predictions")} == {date(1998, 4, 2)}
        drift = next(seen.json for seen in receiver.seen if seen.json["kind"] == "drift")
        assert drift["subject"] == "churn version 1"
        ids = {"id": {"any_": [deployed["daily"]["id"]]}}
        runs = server.ask("flow_runs/filter", deployments=ids)
        [ours] = [each for each in runs if each["state_type"] == "COMPLETED"]
        assert ours["id"] in drift["run_url"]
        assert "churn 1998-04-02: ignore: " in the_log_of(ours["id"], server)

        # A run that begins late loads the day it was meant for, not yesterday.
        late = server.prefect(*run, "--start-at", "1998-04-03 06:00 UTC")
        assert late.returncode == 0, late.stdout + late.stderr
        second = [date(1998, 4, 2)]
        until(lambda: days(trained)[-1:] == second, 120, "the late run loads 2 April 1998")
        done = {"state": {"type": {"any_": ["COMPLETED"]}}}
        until(lambda: server.ask("flow_runs/count", flow_runs=done) >= 2, 60, "it ends")


def days(home: Path) -> list[date]:
    return sorted(row["day"] for row in rows(home, "ledger"))


def the_log_of(run: str, server: Server) -> str:
    def written() -> str:
        found = server.ask("logs/filter", logs={"flow_run_id": {"any_": [run]}})
        ours = [line["message"] for line in found if line["name"] == "dayloop"]
        return "\n".join(ours)

    return until(written, 20, "the loop's own lines are in the run's log")


def test_a_retraining_that_is_triggered_and_dailys_own_are_one(
    deployed: dict[str, Any], server: Server, trained: Path, tmp_path: Path
):
    """`monitor` calls for it on 8 April, when the cool-down is over; `daily` comes upon it too."""
    day = date(1998, 4, 8)
    backfill("sales", date(1998, 4, 1), day)
    score("churn", day)
    of_churn = {"id": {"any_": [deployed["retrain-churn"]["id"]]}}

    def runs() -> list[dict[str, Any]]:
        return server.ask("flow_runs/filter", deployments=of_churn)

    known = {each["id"] for each in runs()}

    monitor("churn", day)

    ours = until(lambda: [r for r in runs() if r["id"] not in known], 30, "the event triggers it")
    with a_worker(tmp_path / "worker.log"):
        until(lambda: state(server, ours[0]["id"]) == "Running", 90, "a worker has begun it")
        done = daily(date(1998, 4, 7))
        until(lambda: state(server, ours[0]["id"]) == "Completed", 120, "it ends")

    assert [run["parameters"] for run in ours] == [{"model": "churn", "as_of": str(day)}]
    assert [run["id"] for run in runs() if run["id"] not in known] == [ours[0]["id"]]
    [churn] = done.models
    assert churn.decision and churn.decision.action == "retrain" and churn.trained
    fitted = [row for row in rows(trained, "runs") if row["as_of"] == day]
    assert len(fitted) == 3
    lines = [line for line in the_log_of(ours[0]["id"], server).splitlines() if ", known" in line]
    ours_known = sum(each.reused for each in churn.trained.candidates)
    assert sorted([len(lines), ours_known]) == [0, 3]  # one of the two has fitted, all of them
    registered = [e for e in rows(trained, "registry") if e["event"] == "registered"]
    assert [event["version"] for event in registered] == [1, 2]
    [decision] = [row for row in rows(trained, "decisions") if row["day"] == day]
    assert decision["action"] == "retrain"


def state(server: Server, run: str) -> str:
    return server.read(f"flow_runs/{run}")["state_name"]


def test_webhooks_come_from_the_secret_block_where_no_variable_is_set(
    server: Server, home: Path, receiver: Receiver
):
    from prefect.blocks.system import Secret

    from core.errors import NotTrained
    from flows.retrain import retrain
    from tasks.alerting import BLOCK

    assert BLOCK == "dayloop-webhooks"
    assert "DAYLOOP_WEBHOOKS" not in os.environ
    Secret(value=receiver.url).save(BLOCK, overwrite=True)
    try:
        with pytest.raises(NotTrained):
            retrain("churn", date(1998, 4, 1))
    finally:
        Secret.delete(BLOCK)

    assert [seen.json["kind"] for seen in receiver.seen] == ["failed_flow"]
    assert len(alerts(home)) == 1
