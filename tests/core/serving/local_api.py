"""The scoring API for the tests: a real server on a port of its own, and models to serve."""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from catalog.kinds import Model
from core.models import registry, training
from core.models.artifacts import Artifact
from core.serving import http as serving_http
from core.serving.app import Api
from tests.core import synthetic

WHO = {"by": "ann", "reason": "test"}
ROW = {"recency": 3.0, "count": 4, "spent": 81.5}
PATH = "/v1/models/returns/predict"


def forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=20, max_depth=5, n_jobs=-1, random_state=seed)


def boosting(seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=10, random_state=seed)


def by_name(seed: int) -> Any:
    """A pipeline that asks for columns by their names: it takes nothing but a frame."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    columns = ColumnTransformer([("some", StandardScaler(), ["spent", "recency"])])
    return make_pipeline(columns, LogisticRegression(random_state=seed))


ESTIMATORS = {
    "logistic": synthetic.logistic,
    "forest": forest,
    "boosting": boosting,
    "by_name": by_name,
    "stump": synthetic.stump,
}


def shop(folder: Path) -> dict[str, Artifact]:
    """Loads the shop into the home and fits one of each."""
    folder.mkdir()
    declared = synthetic.dataset(folder, synthetic.buys())
    synthetic.load(declared)
    return {name: fit(declared, name) for name in ESTIMATORS}


def fit(declared: Any, name: str) -> Artifact:
    chosen = synthetic.candidate(ESTIMATORS[name], name)
    model: Model = synthetic.model(candidates=(chosen,))
    planned = training.plan(model, {"buys": declared}, synthetic.START + timedelta(days=40))
    training.prepare(model, {"buys": declared}, planned)
    return training.fit(model, chosen, planned).artifact


def promote(artifact: Artifact) -> int:
    """Registers it where it is not, and makes it the champion."""
    number = registry.register("returns", artifact, **WHO)
    registry.promote("returns", number, **WHO)
    return number


class Client(httpx.Client):
    """Talks to one API."""

    api: Api
    port: int

    def predict(self, *rows: Any, **options: Any) -> httpx.Response:
        return self.post(PATH, json={"rows": list(rows)}, **options)

    def wait_for(self, version: int | None) -> None:
        """Until that one serves."""
        while self.get("/ready").json()["version"] != version:
            time.sleep(0.02)

    def wait_until_up(self, process: subprocess.Popen[bytes]) -> None:
        """Until the process answers."""
        while process.poll() is None:
            with suppress(httpx.TransportError):
                if self.get("/ready").status_code == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(process.communicate())

    def count(self, name: str) -> float:
        """A metric's value, labels and all in its name."""
        lines = self.get("/metrics").text.splitlines()
        return float(next((line.split()[-1] for line in lines if line.startswith(name)), "0"))

    def raw(self, data: bytes) -> socket.socket:
        """A connection over which these bytes were sent."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        made.sendall(data)
        return made


@contextmanager
def serve(**options: Any) -> Iterator[Client]:
    """Runs the API in a thread, looking at the registry ten times a second."""
    api = Api("returns", **{"look_seconds": 0.1, **options})
    server = serving_http.server(api.app(), host="127.0.0.1", port=0, stop_seconds=5)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            client.api, client.port = api, port
            yield client
    finally:
        server.should_exit = True
        thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def body(*rows: Any) -> bytes:
    return json.dumps({"rows": list(rows)}).encode()


def head(length: int, *lines: str) -> bytes:
    """The head of a request to predict."""
    said = [f"POST {PATH} HTTP/1.1", "host: api", "content-type: application/json"]
    return "\r\n".join([*said, f"content-length: {length}", *lines, "\r\n"]).encode()
