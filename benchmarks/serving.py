"""The scoring API beside what anybody would write with FastAPI, and beside MLflow's.

    python -m benchmarks.serving [--mlflow PYTHON]

Trains the churn model's candidates on the sample, serves each of them, and writes the figures into
benchmarks/README.md: one row at a time, and as many as come of eight callers. `PYTHON` is one of an
environment with all of MLflow and the scikit-learn of this one. That giants, half-sent requests
and swaps do no harm is for tests/core/serving to show.
"""

import argparse
import json
import os
import tempfile
import threading
import time
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.run import table, write
from benchmarks.servers import Server, api, caller, mlflow, plain

ROW = {
    "recency_days": 40,
    "tenure_days": 200,
    "orders": 3,
    "spent": 80.5,
    "mean_order": 26.8,
    "largest_order": 40.0,
}
PREDICT, ASK = "/v1/models/churn/predict", {"rows": [ROW]}
AS_OF = date(1998, 4, 1)
CALLERS, SECONDS, ROUNDS = 8, 4.0, 3
ONE_BY_ONE, TURNS = 200, 5
Asked = tuple[Server, str, Any]  # who, where and what


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


def promote(artifact: Any) -> None:
    """Makes it the champion."""
    from core.models import registry

    number = registry.register("churn", artifact, by="bench", reason="to be measured")
    registry.promote("churn", number, by="bench", reason="to be measured")


def latency(servers: dict[str, Asked]) -> dict[str, list[float]]:
    """Median and 95th percentile of one row at a time in ms, by turns, and CPU ms."""
    seconds: dict[str, list[float]] = {name: [] for name in servers}
    used = dict.fromkeys(servers, 0.0)
    for _ in range(TURNS):
        for name, (server, path, said) in servers.items():
            ask, before = caller(server.port, path, said), server.cpu_seconds()
            for _ in range(ONE_BY_ONE):
                begun = time.perf_counter()
                ask()
                seconds[name].append(time.perf_counter() - begun)
            used[name] += server.cpu_seconds() - before
    ms = {name: sorted(1000 * each for each in costs) for name, costs in seconds.items()}
    return {
        name: [median(each), each[len(each) * 95 // 100], 1000 * used[name] / len(each)]
        for name, each in ms.items()
    }


def throughput(servers: dict[str, Asked]) -> dict[str, list[float]]:
    """Answers a second to eight callers, by turns, and for each CPU second of the server's."""
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
    for _ in range(ROUNDS):
        for name, (server, path, said) in servers.items():
            before, begun = server.cpu_seconds(), time.perf_counter()
            count = _answers(server.port, path, said)
            wall, cpu = time.perf_counter() - begun, server.cpu_seconds() - before
            rates[name].append((count / wall, count / cpu))
    return {name: [*map(median, zip(*each, strict=True))] for name, each in rates.items()}


def _answers(port: int, path: str, said: Any) -> int:
    counts, end = [0] * CALLERS, time.perf_counter() + SECONDS

    def call(number: int) -> None:
        ask = caller(port, path, said)
        while time.perf_counter() < end:
            ask()
            counts[number] += 1

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def main(python: str | None, home: Path) -> None:
    """Measures and writes."""
    one, many = [], []
    for name, artifact in train().items():
        promote(artifact)
        with api() as ours, plain(artifact) as theirs:
            servers = {
                "this API": (ours, PREDICT, ASK),
                "async def": (theirs, "/async", [ROW]),
                "def": (theirs, "/def", [ROW]),
            }
            said = [json.loads(caller(who.port, *what)()) for who, *what in servers.values()]
            assert all(each["scores"] == said[0]["scores"] for each in said), "not the same bits"
            one += [[name, who, *map(_s, each)] for who, each in latency(servers).items()]
            if python:
                with mlflow(python, artifact, home) as other:
                    ways = {"this API": servers["this API"], "def": servers["def"]}
                    ways["MLflow"] = (other, "/invocations", {"dataframe_records": [ROW]})
                    rates = throughput(ways)
                of = [a / b for a, b in zip(rates["this API"], rates["MLflow"], strict=True)]
                many += [[name, who, *map(_s, each)] for who, each in rates.items()]
                many += [[name, "this API / MLflow", *map(_s, of)]]
    _put("one row", [["model", "server", "median ms", "p95 ms", "CPU ms"], *one])
    if many:
        _put("eight callers", [["model", "server", "answers a second", "a CPU second"], *many])


def _s(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2f}"


def _put(what: str, rows: list[list[str]]) -> None:
    print(f"\n{what}\n{table(rows)}", flush=True)
    write("serving", what, table(rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", help="the Python of an environment with MLflow")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dayloop-") as folder:
        os.environ["DAYLOOP_HOME"] = folder
        main(given.mlflow, Path(folder))
