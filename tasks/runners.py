"""Where concurrent tasks run: threads of this process, or a cluster that is there already."""

import os
from importlib import import_module
from typing import Any, cast

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from core import home
from core.errors import UsageError

SETTING = "DAYLOOP_TASK_RUNNER"
Runner = TaskRunner[Any]


def runner(at_once: int) -> Runner:
    """The task runner that `DAYLOOP_TASK_RUNNER` names, for so many tasks at once.

    `threads` where it is not set; `dask` or `ray` for a cluster of this machine's own,
    `dask=tcp://host:8786` or `ray=ray://host:10001` for one that is there. Tasks pass
    references only, so all that a cluster needs is this project and an address of
    `DAYLOOP_HOME` that its workers see.

    Raises:
        UsageError: it names something else, or what it names is not installed.
    """
    kind, _, address = os.environ.get(SETTING, "threads").partition("=")
    if kind not in ("threads", "dask", "ray"):
        raise UsageError(f"{SETTING}: '{kind}' is none of threads, dask, ray")
    if kind == "threads":
        return ThreadPoolTaskRunner(max_workers=at_once)
    try:
        module: Any = import_module(f"prefect_{kind}")
    except ImportError as error:
        needed = f"pip install -r requirements-{kind}.txt"
        raise UsageError(f"{SETTING}={kind} needs {needed}") from error
    if kind == "ray":
        return cast(Runner, module.RayTaskRunner(address=address or None))
    own = {"n_workers": at_once, "threads_per_worker": 1, "dashboard_address": None}
    where = {"address": address} if address else {"cluster_kwargs": own}
    return cast(Runner, module.DaskTaskRunner(**where))


def require_home(address: str) -> None:
    """Keeps a cluster's worker from working in another home than the run that asks it to.

    Raises:
        UsageError: its environment has another one.
    """
    if home.address() != address:
        raise UsageError(
            f"a worker of the cluster has DAYLOOP_HOME {home.address()}, and this run {address}; "
            "start the workers with the same one"
        )
