"""What several processes at once do in the tests: started quickly, by a server that forks."""

import multiprocessing
import os
from collections.abc import Callable
from datetime import date
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from core import lake
from core.models import artifacts, gate, registry, training
from core.models.artifacts import Artifact
from tests.core import synthetic

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["workers", "pytest"])
HERE = Path(__file__)
COUNTS = pa.schema({"key": pa.string(), "value": pa.int64()})


def _serve() -> None:
    # The server looks for what it preloads on the path of its environment only.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parent), str(HERE.parents[2])]))
        forkserver.ensure_running()


def together(target: Callable[..., None], arguments: list[tuple[Any, ...]]) -> list[int | None]:
    """Runs the target once for each arguments, all at once; returns the exit codes."""
    _serve()
    home = os.environ["DAYLOOP_HOME"]
    running = [context.Process(target=_at_home, args=(home, target, a)) for a in arguments]
    for process in running:
        process.start()
    for process in running:
        process.join(100)
    return [process.exitcode for process in running]


def start(target: Callable[..., None], *arguments: Any) -> Any:
    _serve()
    process = context.Process(target=_at_home, args=(os.environ["DAYLOOP_HOME"], target, arguments))
    process.start()
    return process


def _at_home(home: str, target: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ["DAYLOOP_HOME"] = home
    target(*arguments)


def count_up(key: str, times: int) -> None:
    def one_more(rows: pa.Table) -> pa.Table:
        value = rows["value"][0].as_py() if rows.num_rows else 0
        return pa.table({"key": [key], "value": [value + 1]}, schema=COUNTS)

    for _ in range(times):
        lake.change("counts", lake.equal(key=key), one_more, schema=COUNTS)


def create(number: int) -> None:
    lake.create(f"new{number}", COUNTS)


def replace_for_ever(begun: Any, first: int, rows: int) -> None:
    for value in range(first, first + 10_000):
        table = pa.table({"key": ["mine"] * rows, "value": [value] * rows}, schema=COUNTS)
        begun.set()
        lake.replace("killed", table.to_reader, lake.equal(key="mine"), schema=COUNTS)


def register(model: str, number: int) -> None:
    registry.register(model, Artifact(f"models/{model}/{number}", "0"), by="gate", reason="test")


def promote(model: str, version: int, over: int | None) -> None:
    try:
        registry.promote(model, version, by="gate", reason="test", over=over)
    except registry.ModelRefused:
        os._exit(3)


def save(model: str, fingerprint: str, weight: int) -> None:
    artifacts.save(model, fingerprint, {"weight": weight}, {"seconds": weight})


def promote_for_ever(told: Any, model: str, versions: int) -> None:
    while True:
        serving = registry.champion(model)
        number = serving.number % versions + 1 if serving else 1
        registry.promote(model, number, by="gate", reason="test")
        told.value += 1


def retrain(folder: Path, as_of: date) -> None:
    """A retraining as its flow does it: fitted, judged, registered and promoted."""
    model, shop = synthetic.model(), synthetic.dataset(folder, synthetic.buys())
    planned = training.plan(model, {"buys": shop}, as_of)
    training.prepare(model, {"buys": shop}, planned)
    fitted = [training.fit(model, candidate, planned) for candidate in model.candidates]
    challenger, reason = gate.choose(model, fitted, planned)
    serving = registry.champion(model.name)
    over = serving.number if serving else 0
    artifact = challenger.artifact
    registry.register(model.name, artifact, by="gate", reason=reason, promote_over=over)
