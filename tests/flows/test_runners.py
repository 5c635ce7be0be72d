"""Work on real clusters of two processes, Dask's and Ray's, one of which is killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.errors import UsageError
from tasks.runners import runner
from tests.conftest import Project
from tests.flows.support import Server, contents, free_port, models, until
from tests.flows.test_backfill import (  # noqa: F401  the fixtures are used by name
    CHUNKS,
    Undisturbed,
    site,
    undisturbed,
    words,
)

pytestmark = pytest.mark.timeout(600)
Start = Callable[..., "subprocess.Popen[bytes]"]


@dataclass(frozen=True)
class Cluster:
    """Two processes that work; the second has nothing else to do and may be killed.

    Attributes:
        setting: what `DAYLOOP_TASK_RUNNER` is to be.
    """

    setting: str
    second: "subprocess.Popen[bytes]"


@pytest.fixture(params=["dask", "ray"])
def cluster(
    site: Project,  # noqa: F811
    server: Server,
    home: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Cluster]:
    """A cluster whose processes know the project's folder and home."""
    kind: str = request.param
    pytest.importorskip(f"prefect_{kind}", reason=f"requirements-{kind}.txt is not installed")
    log = tmp_path / "cluster.log"
    environment = {**os.environ, "PYTHONPATH": str(site.root), "RAY_USAGE_STATS_ENABLED": "0"}

    def start(*words: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=tmp_path,
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        stack.callback(process.wait)
        stack.callback(kill, process)
        return process

    with log.open("wb") as file, ExitStack() as stack:
        yield {"dask": of_dask, "ray": of_ray}[kind](start, log, stack)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL for it and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def of_dask(start: Start, log: Path, stack: ExitStack) -> Cluster:
    address, main = f"127.0.0.1:{free_port()}", "distributed.cli.dask_"
    port = address.rpartition(":")[2]
    start(main + "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
    alone = ("--no-nanny", "--nthreads", "1", "--no-dashboard")
    _, second = (start(main + "worker", f"tcp://{address}", *alone) for _ in range(2))
    until(lambda: log.read_text().count("Register worker") >= 2, 120, "both workers are there")
    return Cluster(f"dask=tcp://{address}", second)


def of_ray(start: Start, log: Path, stack: ExitStack) -> Cluster:
    address, main = f"127.0.0.1:{free_port()}", "ray.scripts.scripts"
    # Its sockets are in there, and their paths must be short.
    folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
    own = ("start", "--num-cpus", "1", "--block")
    port = address.rpartition(":")[2]
    head = ("--head", "--port", port, "--include-dashboard", "false", "--temp-dir", folder)
    start(main, *own, *head)
    until(lambda: log.read_text().count("Ray runtime started") >= 1, 240, "the head is there")
    second = start(main, *own, "--address", address)
    until(lambda: log.read_text().count("Ray runtime started") >= 2, 240, "the second is there")
    return Cluster(f"ray={address}", second)


def test_a_backfill_on_a_cluster_ends_as_one_in_threads_also_when_a_worker_is_killed(
    site: Project,  # noqa: F811
    undisturbed: Undisturbed,  # noqa: F811
    cluster: Cluster,
    home: Path,
) -> None:
    running = site.start(*words(), DAYLOOP_TASK_RUNNER=cluster.setting)
    until(lambda: len(list(home.glob("tables/backfills/*.parquet"))) >= 2, 240, "it is under way")
    kill(cluster.second)
    assert cluster.second.wait() == -signal.SIGKILL
    assert running.wait(240) == 0
    assert contents(home) == undisturbed.contents


def test_a_worker_with_another_home_is_refused(
    site: Project,  # noqa: F811
    cluster: Cluster,
    home: Path,
    tmp_path: Path,
) -> None:
    other = {"DAYLOOP_TASK_RUNNER": cluster.setting, "DAYLOOP_HOME": str(tmp_path / "other")}
    done = site.run(*words(end=CHUNKS[1].end), **other)
    assert done.returncode == 2
    assert f"a worker of the cluster has DAYLOOP_HOME {home}, and this run " in done.stderr
    assert not home.exists()


@pytest.fixture(scope="module")
def searching(site: Project) -> Project:  # noqa: F811
    """The project whose forest is searched for."""
    searched = "estimator=forest, search={'max_depth': (4, 8)}, tries=2)"
    site.rewrite("catalog/models/churn.py", ("estimator=forest)", searched))
    return site


def test_candidates_fitted_on_a_cluster_are_those_fitted_in_threads(
    searching: Project,
    cluster: Cluster,
    history: Path,
    home: Path,
    tmp_path: Path,
) -> None:
    found = []
    with joblib_batches(cluster) as workers:
        for own, where in ((tmp_path / "threads", "threads"), (home, cluster.setting)):
            shutil.copytree(history, own)
            settings = {"DAYLOOP_HOME": str(own), "DAYLOOP_TASK_RUNNER": where}
            done = searching.run("retrain", "churn", "--as-of", "1998-01-01", **settings)
            assert done.returncode == 0, done.stderr
            found.append(models(own))
    assert found[0] == found[1]
    assert len(found[0]) == 3
    assert len(workers) == (2 if cluster.setting.startswith("dask") else 0)


@contextmanager
def joblib_batches(cluster: Cluster) -> Iterator[set[str]]:
    """Workers of Dask that in the meantime did what scikit-learn shared out: trees and folds."""
    workers: set[str] = set()
    kind, _, address = cluster.setting.partition("=")
    if kind != "dask":
        yield workers
        return
    from distributed import Client

    with Client(address) as client:
        client.get_task_stream()  # from here on it is kept
        yield workers
        tasks = client.get_task_stream()
    workers |= {task["worker"] for task in tasks if "batch_of_" in task["key"]}


def test_a_task_runner_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYLOOP_TASK_RUNNER", "spark")
    with pytest.raises(UsageError, match="'spark' is none of threads, dask, ray"):
        runner(2)
    monkeypatch.setenv("DAYLOOP_TASK_RUNNER", "ray")
    monkeypatch.setitem(sys.modules, "prefect_ray", None)
    with pytest.raises(UsageError, match=r"pip install -r requirements-ray\.txt"):
        runner(2)
