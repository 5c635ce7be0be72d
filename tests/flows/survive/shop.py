"""A tiny shop: a copy of the project whose catalog is one dataset and one model of seconds."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from core.intervals import Interval
from tests.conftest import Project, copied
from tests.flows.support import until

HERE = Path(__file__).parent
DAYS = Interval(date(2026, 1, 20), date(2026, 3, 1))
START, END = date(2026, 1, 20), date(2026, 2, 10)  # of the history; two months, so two chunks
CUSTOMERS, BAD_EVERY = 40, 4  # days with one that is bad
DATASET = """
import os

from pandera.pandas import Check, Column, DataFrameSchema

from catalog.kinds import Dataset, File, Http

URL = os.environ.get("SHOP_URL")
dataset = Dataset(
    name="buys",
    owner="shop@example.com",
    source=Http(url=URL + "/{day}", format="csv", deadline_seconds=2)
    if URL
    else File(path="data/buys/{day}.csv"),
    schema=DataFrameSchema(
        {
            "buy": Column(str),
            "customer": Column(int),
            "at": Column("datetime64[us, UTC]"),
            "amount": Column(float, Check.in_range(0, int(os.environ.get("MOST", "1000")))),
        }
    ),
    day="at",
    key=("buy",),
    max_bad_share=0.3,
)
"""
MODEL = """
import pandas as pd

from catalog.kinds import Candidate, Drift, Gate, Model, Retrain


def features(as_of, buys):
    each = buys.groupby("customer")
    return pd.DataFrame(
        {
            "recency": (as_of - each["at"].max()).dt.days,
            "count": each.size(),
            "spent": each["amount"].sum(),
        }
    )


def label(entities, buys):
    return pd.Series(entities.isin(buys["customer"]), index=entities)


def logistic(seed):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(random_state=seed))


def tree(seed):
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=3, random_state=seed)


model = Model(
    name="returns",
    owner="crm@example.com",
    entity="customer",
    inputs={"buys": ("customer", "at", "amount")},
    features=features,
    label=label,
    horizon_days=5,
    candidates=(
        Candidate(name="logistic", estimator=logistic),
        Candidate(name="tree", estimator=tree),
    ),
    gate=Gate(
        floor=0.0, margin=0.9, min_positives=2, slice_margin=1.0, max_calibration_error=1.0,
        suspicious_auc=1.0,
    ),
    retrain=Retrain(every_days=3, on_drifted=0, on_decay=False, on_estimated_drop=False,
        cooldown_days=1),
    drift=Drift(min_rows=20, alpha=0.05),
)
"""


def made(root: Path) -> Project:
    """The project with this catalog, and six weeks of files."""
    project = copied(root)
    for kind, name, text in (("datasets", "buys", DATASET), ("models", "returns", MODEL)):
        for other in (root / "catalog" / kind).glob("[!_]*.py"):
            other.unlink()
        (root / "catalog" / kind / f"{name}.py").write_text(text)
    (root / "data" / "buys").mkdir()
    dice = random.Random(0)
    chance = [dice.betavariate(2, 3) for _ in range(CUSTOMERS)]
    for number, day in enumerate(DAYS.days()):
        lines = ["buy,customer,at,amount"]
        for customer in range(CUSTOMERS):
            if dice.random() < chance[customer]:
                amount = round(dice.gammavariate(2, 10) + number, 2)
                lines.append(f"{day}-{customer},{customer},{day}T10:00:00Z,{amount}")
        if number % BAD_EVERY == 0:
            lines.append(f"{day}-bad,1,{day}T11:00:00Z,-1")
        (root / "data" / "buys" / f"{day}.csv").write_text("\n".join([*lines, ""]))
    return project


def days(count: int, start: date = END) -> list[date]:
    return [start + timedelta(days=number) for number in range(count)]


@dataclass
class Run:
    """A process of the zygote's."""

    pid: int
    log: Path
    stream: socket.SocketIO
    status: int | None = None

    def wait(self) -> int:
        """How it ended, as of a Popen."""
        if self.status is None:
            self.status = int(self.stream.readline())
            self.stream.close()
        return self.status

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    @property
    def said(self) -> str:
        return self.log.read_text()


@dataclass(frozen=True)
class Shop:
    """The project, and processes in it that need not import anything first."""

    project: Project
    socket: Path

    def start(self, home: Path, *steps: str, **env: str) -> Run:
        """`python -m flows` with the words of each step, one after the other."""
        home.parent.mkdir(parents=True, exist_ok=True)
        log = home.with_name("log")
        asked = {
            "steps": [step.split("|") if "|" in step else step.split() for step in steps],
            "env": {"DAYLOOP_HOME": str(home), "TMPDIR": str(home.parent), **env},
            "log": str(log),
        }
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(240)
        connection.connect(str(self.socket))
        connection.sendall(json.dumps(asked).encode() + b"\n")
        stream = connection.makefile("r")
        connection.close()
        return Run(int(stream.readline()), log, stream)

    def run(self, home: Path, *steps: str, **env: str) -> Run:
        """The same, to its end."""
        run = self.start(home, *steps, **env)
        run.wait()
        return run

    def require(self, home: Path, *steps: str, **env: str) -> None:
        """The same; it must succeed."""
        done = self.run(home, *steps, **env)
        assert done.status == 0, done.said


@contextmanager
def opened(folder: Path, **env: str) -> Iterator[Shop]:
    """A shop in a folder, and its zygote with what is set in its environment."""
    project, address = made(folder / "project"), folder / "zygote"
    command = [sys.executable, str(HERE / "zygote.py"), str(address)]
    with (folder / "zygote.log").open("wb") as log:
        running = subprocess.Popen(
            command, cwd=project.root, env={**os.environ, **env}, stdout=log, stderr=log
        )
        try:
            up = until(lambda: address.exists() or running.poll(), 120, "all of it is imported")
            assert up is True, (folder / "zygote.log").read_text()
            yield Shop(project, address)
        finally:
            running.kill()
            running.wait()
