"""Run in a copy of the project: imports all of it once, then forks a process for each request.

A request is a connection to the socket: JSON with `steps` (verbs with their words), `env` and
`log`; the answer is the process's id, and its status when it has ended. Nothing may run here
before a fork that starts threads, as delta-rs and Arrow do.
"""

import atexit
import gc
import json
import os
import socket
import sys
import tempfile
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

LATER = [
    "anyio._backends._asyncio",
    "core.models.card",
    "core.page.rendering",
    "core.serving.log",
    "core.sources.files",
    "deltalake.fs",
    "encodings.idna",
    "flows.show_data",
    "flows.show_diagnosis",
    "flows.show_models",
    "flows.show_runs",
    "httpx",
    "hypothesis.extra.pandas",
    "jinja2",
    "joblib.numpy_pickle",
    "matplotlib.backends.backend_svg",
    "matplotlib.pyplot",
    "pandera.accessors.pandas_accessor",
    "pandera.backends.pandas.array",
    "pandera.backends.pandas.container",
    "pandera.strategies.pandas_strategies",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.telemetry.run_telemetry",
    "prefect.utilities.visualization",
    "pyarrow.acero",
    "sklearn.calibration",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.pipeline",
    "sklearn.tree",
]


def main(address: str) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            serve(connection)
        connection.close()
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def serve(connection: socket.socket) -> None:
    """Runs one request; in the process that carries it out it ends as a command does."""
    with connection, connection.makefile("rw") as stream:
        asked = json.loads(stream.readline())
        pid = os.fork()
        if pid == 0:
            status = carry_out(asked)
            atexit._run_exitfuncs()
            os._exit(status)  # to take all that was imported apart again takes most of a second
        print(pid, file=stream, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=stream, flush=True)
    os._exit(0)


def carry_out(asked: dict[str, Any]) -> int:
    import catalog
    from core import faults
    from flows import __main__ as command

    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(asked["env"])
    sys.modules.pop("catalog.datasets.buys")  # it asks the environment
    catalog.dataset.cache_clear()
    command._reported = lambda words: nullcontext()  # each tag is a request for each task
    tempfile.tempdir = None  # it is in TMPDIR
    status = next(filter(None, map(command.main, asked["steps"])), 0)
    if "SEEN" in os.environ:
        Path(os.environ["SEEN"]).write_text("\n".join(faults.seen))
    return status


def imported() -> None:
    """What any verb would import, and when it draws and sends."""
    from flows.__main__ import _quiet_prefect

    _quiet_prefect()
    import catalog

    verbs = [f"flows.{file.stem}" for file in Path("flows").glob("[!_]*.py")]
    for name in ["flows.__main__", *verbs, *LATER]:
        import_module(name)
    catalog.dataset("buys")
    catalog.model("returns")


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    imported()
    gc.freeze()
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):  # a second a flow
        main(sys.argv[1])
