"""`make server`, as a person starts and ends it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT, Project
from tests.flows.support import free_port, until

OF_THE_OTHER = {  # server, which the other tests ask
    "PREFECT_API_URL",
    "PREFECT_API_AUTH_STRING",
    "PREFECT_SERVER_API_AUTH_STRING",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
}
pytestmark = pytest.mark.timeout(420)


def test_it_serves_a_worker_is_there_verbs_find_it_and_it_ends_whole(
    project: Project, tmp_path: Path
) -> None:
    (project.root / "deployments").mkdir()
    for name in ("server.py", "automations.py"):
        (project.root / "deployments" / name).write_text((ROOT / "deployments" / name).read_text())
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = {name: value for name, value in os.environ.items() if name not in OF_THE_OTHER}
    env |= {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_SERVER_API_PORT": str(port)}
    command = [sys.executable, "deployments/server.py"]
    log = tmp_path / "server.log"
    with log.open("w") as words:
        server = subprocess.Popen(
            command, cwd=project.root, env=env, stdout=words, stderr=words, start_new_session=True
        )
        try:
            until(lambda: "The page: " in log.read_text(), 300, "all of it is up")
            second = subprocess.run(
                command, cwd=project.root, env=env, capture_output=True, text=True
            )
            assert (second.returncode, "is taken" in second.stderr) == (1, True)
            deployments = httpx.post(f"{url}/deployments/filter", json={}, timeout=30).json()
            assert {"daily", "etl-sales", "retrain-churn"} <= {each["name"] for each in deployments}
            pool = f"{url}/work_pools/dayloop/workers/filter"
            until(lambda: httpx.post(pool, json={}, timeout=30).json(), 60, "the worker is there")

            done = subprocess.run(
                project.command("etl", "sales", "--day", "1998-04-01"),
                cwd=project.root,
                env=env,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
            wanted = {"flow_runs": {"name": {"any_": ["etl sales 1998-04-01"]}}}
            runs = httpx.post(f"{url}/flow_runs/filter", json=wanted, timeout=30).json()
            assert [run["state_name"] for run in runs] == ["Completed"]
        finally:
            server.send_signal(signal.SIGINT)
            status = server.wait(60)
    assert status == 0, log.read_text()
    assert not (project.root / ".dayloop" / "server").exists()
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{url}/health", timeout=5)
