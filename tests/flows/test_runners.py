"""Work on a real Dask cluster of two processes, one of which is killed."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.errors import UsageError
from tasks.runners import runner
from tests.conftest import Project
from tests.flows.support import Server, contents, free_port, models, until
from tests.flows.test_backfill import (  # noqa: F401  the fixtures are used by name
    Undisturbed,
    site,
    undisturbed,
    words,
)

pytest.importorskip("prefect_dask", reason="requirements-dask.txt is not installed")
pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Cluster:
    address: str
    log: Path
    workers: "list[subprocess.Popen[bytes]]"


@pytest.fixture
def cluster(
    site: Project,  # noqa: F811
    server: Server,
    home: Path,
    tmp_path: Path,
) -> Iterator[Cluster]:
    """A scheduler and two workers, each a process, that know the project's folder and home."""
    log, address = tmp_path / "dask.log", f"tcp://127.0.0.1:{free_port()}"
    environment = {**os.environ, "PYTHONPATH": str(site.root)}

    def start(*command: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + command[0], *command[1:]],
            cwd=tmp_path,
            env=environment,
            stdout=file,
            stderr=file,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        return process

    with log.open("wb") as file, ExitStack() as stack:
        port = address.rpartition(":")[2]
        start("dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        alone = ("--no-nanny", "--nthreads", "1", "--no-dashboard")
        workers = [start("dask_worker", address, *alone) for _ in range(2)]
        until(lambda: log.read_text().count("Register worker") >= 2, 120, "both workers are there")
        yield Cluster(address, log, workers)


def test_a_backfill_on_a_cluster_ends_as_one_in_threads_also_when_a_worker_is_killed(
    site: Project,  # noqa: F811
    undisturbed: Undisturbed,  # noqa: F811
    cluster: Cluster,
    home: Path,
) -> None:
    running = site.start(*words(), DAYLOOP_TASK_RUNNER=f"dask={cluster.address}")
    until(lambda: len(list(home.glob("tables/backfills/*.parquet"))) >= 2, 240, "it is under way")
    cluster.workers[0].send_signal(signal.SIGKILL)
    assert running.wait(240) == 0
    assert contents(home) == undisturbed.contents
    assert re.search(r"Remove worker", cluster.log.read_text())


def test_candidates_fitted_on_a_cluster_are_those_fitted_in_threads(
    site: Project,  # noqa: F811
    cluster: Cluster,
    history: Path,
    home: Path,
    tmp_path: Path,
) -> None:
    found = []
    for own, where in ((tmp_path / "threads", "threads"), (home, f"dask={cluster.address}")):
        shutil.copytree(history, own)
        settings = {"DAYLOOP_HOME": str(own), "DAYLOOP_TASK_RUNNER": where}
        done = site.run("retrain", "churn", "--as-of", "1998-01-01", **settings)
        assert done.returncode == 0, done.stderr
        found.append(models(own))
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_a_task_runner_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYLOOP_TASK_RUNNER", "spark")
    with pytest.raises(UsageError, match="'spark' is none of threads, dask, ray"):
        runner(2)
    monkeypatch.setenv("DAYLOOP_TASK_RUNNER", "ray")
    monkeypatch.setitem(sys.modules, "prefect_ray", None)
    with pytest.raises(UsageError, match=r"pip install -r requirements-ray\.txt"):
        runner(2)
