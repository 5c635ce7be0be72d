"""The servers that are measured: the scoring API, bare FastAPI, MLflow's; and one who asks them."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any


class Server:
    """A process that serves, and what it costs."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid, self.port = pid, port

    def cpu_seconds(self) -> float:
        """Used by it and those that it has started."""
        total, pids = 0, [self.pid]
        for pid in pids:
            pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")


def caller(port: int, path: str, said: Any = None) -> Callable[[], bytes]:
    """Asks the same again and again over one connection; the caller's own cost is kept small."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=120)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = json.dumps(said).encode() if said else b""
    head = f"{'POST' if said else 'GET'} {path} HTTP/1.1\r\nhost: bench\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    request = head.encode() + body

    def ask() -> bytes:
        connection.sendall(request)
        answer = length = b""
        while not length or len(answer.partition(b"\r\n\r\n")[2]) < int(length):
            if not (some := connection.recv(65_536)):
                raise ConnectionError
            answer += some
            found = re.search(rb"content-length: (\d+)(?s:.*?)\r\n\r\n", answer, re.IGNORECASE)
            length = found[1] if found else b""
        assert answer.split()[1] == b"200", answer
        return answer.partition(b"\r\n\r\n")[2]

    return ask


@contextmanager
def started(command: list[str], port: int, path: str, **env: str) -> Iterator[Server]:
    """Runs a server until it has been measured."""
    process = subprocess.Popen(  # noqa: S603  programs of this file's own
        command,
        env={**os.environ, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while process.poll() is None:
            try:
                caller(port, path)()
                break
            except (OSError, AssertionError):
                time.sleep(0.1)
        else:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        yield Server(process.pid, port)
    finally:
        os.killpg(process.pid, signal.SIGTERM)  # MLflow's parent would leave its child behind
        process.wait()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def api() -> AbstractContextManager[Server]:
    """The scoring API as a process."""
    port = free_port()
    words = [sys.executable, "-m", "flows", "serve", "churn", "--port", str(port)]
    return started(words, port, "/ready")


def plain(artifact: Any) -> AbstractContextManager[Server]:
    """The bare handlers as a process."""
    port = free_port()
    words = [sys.executable, "-W", "ignore", "-m", "benchmarks.bare_api"]
    return started([*words, artifact.path, artifact.sha256, str(port)], port, "/health")


SAVE = """
import sys, joblib, mlflow.sklearn as flavour
model, folder = joblib.load(sys.argv[1]), sys.argv[2]
how = {"pyfunc_predict_fn": "predict_proba", "serialization_format": "cloudpickle"}
flavour.save_model(model, folder, pip_requirements=["scikit-learn"], **how)
"""


def mlflow(python: str, artifact: Any, home: Path) -> AbstractContextManager[Server]:
    """The same model by `mlflow models serve`, as a process."""
    folder, port = Path(tempfile.mkdtemp(dir=home), "model"), free_port()
    stored = str(home / artifact.path / "model.joblib")
    env = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true"}
    env["PATH"] = str(Path(python).parent) + os.pathsep + os.environ["PATH"]
    save = [python, "-W", "ignore", "-c", SAVE, stored, str(folder)]
    subprocess.run(save, check=True, env={**os.environ, **env})  # noqa: S603
    words = [python, "-m", "mlflow", "models", "serve", "-m", str(folder)]
    words += ["--env-manager", "local", "--port", str(port)]
    return started(words, port, "/ping", **env)
