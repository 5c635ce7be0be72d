"""Real parts for the tests of flows: a Prefect server, a process worker, and ways to look."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
from deltalake import DeltaTable

# When and by whose hand, not what: two runs that do the same differ in these.
VOLATILE = {
    "at",
    "loaded_at",
    "recorded_at",
    "run_id",
    "seconds",
    "peak_mb",
    "latency_ms",
    "code_version",
    "table_version",
    "sha256",  # the registry's: of a manifest, which holds the seconds of the fit
}


PASSWORD = "loop:s3cret-of-the-server"  # that every Prefect server of the tests asks for


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} seconds: {what}"
        time.sleep(0.1)
    return found


@contextmanager
def program(log: Path, *words: str, cwd: Path | None = None, **env: str) -> Iterator[None]:
    """A `prefect` command that runs until it is told to end."""
    with log.open("wb") as file:
        running = subprocess.Popen(
            [sys.executable, "-m", "prefect", *words],
            cwd=cwd,
            env={**os.environ, **env},
            stdout=file,
            stderr=subprocess.STDOUT,
            # A shell's background job ignores SIGINT, and so would all that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            yield
        finally:
            running.send_signal(signal.SIGINT)
            try:
                running.wait(30)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


@dataclass(frozen=True)
class Server:
    """A Prefect server of this test session; the environment points at it."""

    url: str

    def ask(self, path: str, **body: Any) -> Any:
        """Posts to its API."""
        return self._answered("POST", path, json=body).json()

    def read(self, path: str) -> Any:
        """Gets from its API."""
        return self._answered("GET", path).json()

    def remove(self, path: str) -> None:
        """Deletes by its API."""
        self._answered("DELETE", path)

    def _answered(self, method: str, path: str, **given: Any) -> httpx.Response:
        name, _, password = PASSWORD.partition(":")
        for _ in range(10):
            answer = httpx.request(
                method, f"{self.url}/{path}", auth=(name, password), timeout=60, **given
            )
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:  # SQLite is locked
                break
            time.sleep(1)
        return answer.raise_for_status()

    def prefect(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The `prefect` command line, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "prefect", *words],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=240,
        )


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def rows(home: Path, table: str) -> list[dict[str, Any]]:
    """A table's rows; none where there is no table."""
    folder = home / "tables" / table
    return DeltaTable(folder).to_pyarrow_table().to_pylist() if folder.exists() else []


def contents(home: Path) -> dict[str, str]:
    """For each table with rows, a hash of what it says, whatever the order of its rows."""
    found = {}
    for folder in sorted((home / "tables").iterdir()):
        lines = sorted(
            json.dumps({k: v for k, v in row.items() if k not in VOLATILE}, default=str)
            for row in rows(home, folder.name)
        )
        if lines:
            found[folder.name] = sha256("\n".join(lines).encode()).hexdigest()
    return found


def versions(home: Path) -> dict[str, int]:
    """For each table, how many commits it has had."""
    return {t.name: DeltaTable(t).version() for t in sorted((home / "tables").iterdir())}


def models(home: Path) -> dict[str, Any]:
    """For each artifact, the hash of its model's bytes and its manifest without the seconds."""
    found = {}
    for manifest in sorted(home.glob("models/*/*/manifest.json")):
        known = json.loads(manifest.read_text())
        stored = manifest.with_name("model.joblib").read_bytes()
        assert known["files"]["model.joblib"]["sha256"] == sha256(stored).hexdigest()
        path = str(manifest.parent.relative_to(home))
        found[path] = {k: v for k, v in known.items() if k not in VOLATILE}
        found[path]["plan"] = {k: v for k, v in known["plan"].items() if k != "table_versions"}
    return found


def alerts(home: Path) -> list[dict[str, Any]]:
    """The alerts of the outbox, in the order they were recorded."""
    opened = [row for row in rows(home, "outbox") if row["alert"]]
    return [json.loads(row["alert"]) for row in sorted(opened, key=lambda row: row["at"])]
