"""A real MLflow server for the tests: of an environment of its own, which `MLFLOW_PYTHON` names.

All of MLflow does not go with the project's libraries, so `make test` cannot install it:

    python -m venv .mlflow && .mlflow/bin/pip install mlflow
    MLFLOW_PYTHON=$PWD/.mlflow/bin/python make test

Without it the tests that need one are skipped.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

SECONDS = 120  # it may take to start


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Its address, while it runs with its database and artifacts in a folder."""
    python = os.environ.get("MLFLOW_PYTHON")
    if not python:
        pytest.skip("MLFLOW_PYTHON names no environment with an MLflow server")
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ("-m", "mlflow", "server", "--port", str(port), "--workers", "1")
    stores = ("--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "artifacts")
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [python, *words, *stores],
            cwd=folder,
            env={**os.environ, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _await(f"http://127.0.0.1:{port}", running, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(running.pid, signal.SIGTERM)
            running.wait(30)


def _await(address: str, running: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            urlopen(f"{address}/health", timeout=5).close()
            return
        except (URLError, OSError):
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
