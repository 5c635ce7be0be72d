"""The scoring API, measured.

    python benchmarks/serving.py [--mlflow PYTHON]

Trains the churn model's candidates on the sample and serves each of them, beside what anybody
would write in ten minutes with FastAPI, and beside `mlflow models serve` where the Python of an
environment with MLflow is named. Needs what the tests need, and three minutes of a quiet machine.
"""

import argparse
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
ROW = {
    "recency_days": 40,
    "tenure_days": 200,
    "orders": 3,
    "spent": 80.5,
    "mean_order": 26.8,
    "largest_order": 40.0,
}
PREDICT = "/v1/models/churn/predict"
ASK = {"rows": [ROW]}
AS_OF = date(1998, 4, 1)
MB = 1_000_000


def train() -> dict[str, Any]:
    """Loads the sample and fits each candidate; their artifacts by name."""
    import catalog
    from core.intervals import Interval
    from core.load import loading
    from core.models import training
    from core.sources import landing

    model, sales = catalog.model("churn"), catalog.dataset("sales")
    interval = Interval(date(1997, 1, 1), AS_OF)
    loading.load(sales, interval, landing.land(sales, interval))
    planned = training.plan(model, {"sales": sales}, AS_OF)
    training.prepare(model, {"sales": sales}, planned)
    fits = {each.name: training.fit(model, each, planned) for each in model.candidates}
    return {name: fitted.artifact for name, fitted in fits.items()}


def promote(artifact: Any) -> int:
    """Makes it the champion; its version."""
    from core.models import registry

    number = registry.register("churn", artifact, by="bench", reason="to be measured")
    registry.promote("churn", number, by="bench", reason="to be measured")
    return number


def bare(path: str, sha256: str, port: int, jobs: int) -> None:
    """What anybody would write: FastAPI, numpy, `predict_proba`. Runs until it is killed."""
    import numpy as np
    import uvicorn
    from fastapi import FastAPI

    from core.models.artifacts import Artifact, load

    estimator, manifest = load(Artifact(path, sha256))
    if hasattr(estimator, "n_jobs"):
        estimator.n_jobs = jobs
    names, app = manifest["features"], FastAPI()

    def scores(rows: list[dict[str, float]]) -> dict[str, list[float]]:
        numbers = np.array([[row[name] for name in names] for row in rows])
        return {"scores": estimator.predict_proba(numbers)[:, 1].tolist()}

    @app.post("/def")
    def handler(rows: list[dict[str, float]]) -> dict[str, list[float]]:
        return scores(rows)

    @app.post("/async")
    async def async_handler(rows: list[dict[str, float]]) -> dict[str, list[float]]:
        return scores(rows)

    @app.get("/health")
    def health() -> str:
        return "ok"

    uvicorn.run(app, port=port, log_level="critical", access_log=False)


class Server:
    """A process that serves, and what it costs."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.pid, self.port = process.pid, port

    def cpu_seconds(self) -> float:
        """Used by it and its children."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        total = 0
        for pid in [self.pid, *map(int, children)]:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def peak_bytes(self) -> int:
        """The most memory that it has held."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) * 1024

    def connect(self) -> http.client.HTTPConnection:
        """A connection."""
        made = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        made.connect()
        made.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


@contextmanager
def started(command: list[str], port: int, path: str = "/health", **env: str) -> Iterator[Server]:
    """Runs a server until it has been measured."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603  programs of this file's own
        command, cwd=ROOT, env={**os.environ, **env}, stdout=quiet, stderr=quiet
    )
    try:
        while True:
            try:
                server = Server(process, port)
                connection = server.connect()
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    break
            except OSError:
                pass
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
            time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def api() -> Any:
    """The scoring API as a process."""
    port = free_port()
    words = [sys.executable, "-m", "flows", "serve", "churn", "--port", str(port)]
    return started(words, port, "/ready")


def plain(artifact: Any, jobs: int = 1) -> Any:
    """The bare handlers as a process."""
    port = free_port()
    words = ["bare", artifact.path, artifact.sha256, str(port), str(jobs)]
    return started([sys.executable, "-W", "ignore", __file__, *words], port)


def ask(connection: http.client.HTTPConnection, path: str, said: Any) -> tuple[int, Any]:
    """One request: its status and answer."""
    connection.request("POST", path, json.dumps(said), {"content-type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def timed(servers: dict[str, tuple[Server, str, Any]], blocks: int, block: int = 200) -> None:
    """Medians of one row at a time, the servers by turns."""
    seconds: dict[str, list[float]] = {name: [] for name in servers}
    used = dict.fromkeys(servers, 0.0)
    for _ in range(blocks):
        for name, (server, path, said) in servers.items():
            connection, before = server.connect(), server.cpu_seconds()
            for _ in range(block):
                begun = time.perf_counter()
                status, _ = ask(connection, path, said)
                seconds[name].append(time.perf_counter() - begun)
                assert status == 200, (name, status)
            used[name] += server.cpu_seconds() - before
            connection.close()
    first = statistics.median(next(iter(seconds.values())))
    for name, each in seconds.items():
        each.sort()
        median, p95 = statistics.median(each), each[int(len(each) * 0.95)]
        print(
            f"  {name:34} median {median * 1e3:6.2f} ms  p95 {p95 * 1e3:7.2f} ms  "
            f"cpu {used[name] / len(each) * 1e3:6.2f} ms  {median / first:5.2f} of the API's"
        )


def latency(models: dict[str, Any]) -> None:
    """One row: the API beside the bare handlers, and these with one thread and with all."""
    for name, artifact in models.items():
        print(f"one row, {name}")
        promote(artifact)
        with api() as ours, plain(artifact) as one, plain(artifact, -1) as many:
            servers = {
                "this API": (ours, PREDICT, ASK),
                "async def, n_jobs=1": (one, "/async", [ROW]),
                "def, n_jobs=1": (one, "/def", [ROW]),
            }
            if name == "random_forest":
                servers["async def, n_jobs=-1"] = (many, "/async", [ROW])
            timed(servers, blocks=5)
            same = ask(ours.connect(), PREDICT, ASK)[1]["scores"]
            assert same == ask(one.connect(), "/async", [ROW])[1]["scores"], "not the same bits"


def swaps(
    models: dict[str, Any], requests: int = 10_000, rounds: int = 50, threads: int = 4
) -> None:
    """Requests without a pause while champions change."""
    artifacts = list(models.values())
    statuses: Counter[Any] = Counter()
    promote(artifacts[0])
    with api() as server:
        stop = threading.Event()

        def client() -> None:
            connection = server.connect()
            while not stop.is_set():
                status, said = ask(connection, PREDICT, ASK)
                statuses[status, said["version"]] += 1

        workers = [threading.Thread(target=client) for _ in range(threads)]
        for worker in workers:
            worker.start()
        waits, connection = [], server.connect()
        for number in range(1, rounds + 1):
            version, begun = promote(artifacts[number % len(artifacts)]), time.perf_counter()
            while True:
                connection.request("GET", "/ready")
                if json.loads(connection.getresponse().read())["version"] == version:
                    break
                time.sleep(0.01)
            waits.append(time.perf_counter() - begun)
            while sum(statuses.values()) < number * requests / rounds:
                time.sleep(0.01)
        stop.set()
        for worker in workers:
            worker.join()
    print(f"{sum(statuses.values()):,} requests over {rounds} swaps: {dict(statuses)}")
    print(f"  a swap took {statistics.median(waits):.1f} s, {max(waits):.1f} s at most")


def giant() -> None:
    """100 MB, said and unsaid, on eight connections at once."""
    with api() as server:
        ask(server.connect(), PREDICT, ASK)
        before, begun = server.peak_bytes(), time.perf_counter()
        statuses: Counter[int] = Counter()

        def send(declared: bool) -> None:
            connection = server.connect()
            body = b" " * 100 * MB if declared else iter([b" " * MB] * 100)
            headers = {"content-type": "application/json"}
            connection.request("POST", PREDICT, body, headers, encode_chunked=not declared)
            statuses[connection.getresponse().status] += 1

        senders = [threading.Thread(target=send, args=(n % 2 == 0,)) for n in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        grown, seconds = (server.peak_bytes() - before) / MB, time.perf_counter() - begun
    print(f"8 bodies of 100 MB: {dict(statuses)}, {grown:.1f} MB more memory, {seconds:.1f} s")


def half_sent(count: int = 300) -> None:
    """Requests that never end, and how long they hold their connections."""
    with api() as server:
        begun, held = time.perf_counter(), []
        for number in range(count):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            head = f"POST {PREDICT} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
            half = [b"POST", head.encode(), f"{head}content-length: 99\r\n\r\n{{".encode()]
            connection.sendall(half[number % 3])
            held.append(connection)
        meanwhile = ask(server.connect(), PREDICT, ASK)[0]
        for connection in held:
            while True:
                try:
                    if not connection.recv(1 << 16):
                        break
                except OSError:
                    break
        seconds = time.perf_counter() - begun
        after = ask(server.connect(), PREDICT, ASK)[0]
    print(f"{count} half-sent requests: all ended after {seconds:.1f} s")
    print(f"  another request got {meanwhile} meanwhile, {after} after")


def throughput(server: Server, path: str, said: Any, seconds: float, threads: int = 8) -> float:
    """Answers a second to so many callers."""
    counts, end = [0] * threads, time.perf_counter() + seconds

    def client(number: int) -> None:
        connection = server.connect()
        while time.perf_counter() < end:
            assert ask(connection, path, said)[0] == 200
            counts[number] += 1

    workers = [threading.Thread(target=client, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / seconds


SAVE = """
import sys, joblib, mlflow.sklearn as flavour
model, folder = joblib.load(sys.argv[1]), sys.argv[2]
how = {"pyfunc_predict_fn": "predict_proba", "serialization_format": "cloudpickle"}
flavour.save_model(model, folder, **how)
"""


def against_mlflow(python: str, models: dict[str, Any], home: Path) -> None:
    """The same models by `mlflow models serve`."""
    for name, artifact in models.items():
        promote(artifact)
        folder, port = home / f"mlflow-{name}", free_port()
        subprocess.run(  # noqa: S603
            [python, "-c", SAVE, str(home / artifact.path / "model.joblib"), str(folder)],
            check=True,
            capture_output=True,
        )
        serve = [python, "-m", "mlflow", "models", "serve", "-m", str(folder)]
        serve += ["--env-manager", "local", "--port", str(port)]
        path = str(Path(python).parent) + os.pathsep + os.environ["PATH"]
        with ExitStack() as stack:
            theirs = stack.enter_context(started(serve, port, "/ping", PATH=path))
            ours = stack.enter_context(api())
            records = {"dataframe_records": [ROW]}
            rates: dict[str, list[float]] = {"ours": [], "theirs": []}
            for _ in range(3):
                rates["ours"].append(throughput(ours, PREDICT, ASK, 4))
                rates["theirs"].append(throughput(theirs, "/invocations", records, 4))
        fast, slow = (statistics.median(each) for each in rates.values())
        print(f"{name}: {fast:.0f} a second, MLflow {slow:.0f}: {fast / slow:.1f} times as many")


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", help="the Python of an environment with MLflow")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder:
        os.environ["DAYLOOP_HOME"] = folder
        models = train()
        latency(models)
        swaps(models)
        giant()
        half_sent()
        if chosen.mlflow:
            against_mlflow(chosen.mlflow, models, Path(folder))


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        bare(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
