"""The log of requests: `<model>_requests`, what was asked and answered, written in batches.

At least once: a batch whose commit came through though its answer was lost is written again.
And at most a minute is lost with a process that is killed: nobody waits for the log.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain, groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core import lake
from core.intervals import Interval
from core.load.spool import MONTH, day_of
from core.serving.champion import Champion
from core.serving.metrics import Metrics
from core.serving.rows import Matrix, Rows

MOST_ROWS = 100_000  # that wait to be written
SCORE = "score"
SCHEMA = pa.schema(
    {
        "at": pa.timestamp("us", tz="UTC"),
        "day": pa.date32(),
        "entity": pa.string(),
        "score": pa.float64(),
        "model_version": pa.int64(),
        "features": pa.map_(pa.string(), pa.float64()),
        MONTH: pa.string(),
    }
)
log = logging.getLogger("dayloop")


def requests(model: str) -> str:
    """The name of a model's table of requests."""
    return f"{model}_requests"


@dataclass(frozen=True)
class Answered:
    """A request that was answered with scores."""

    champion: Champion
    rows: Rows
    scores: Matrix
    at: datetime


class RequestLog:
    """What was answered and is not written yet: one thread adds, another one flushes."""

    def __init__(self, model: str, metrics: Metrics) -> None:
        self._model, self._metrics = model, metrics
        self._waiting: list[Answered] = []
        self._rows, self._lost, self._lock = 0, 0, threading.Lock()

    def add(self, answered: Answered) -> None:
        """Keeps a request for the next flush; where too many wait, counts its rows as lost."""
        count = len(answered.scores)
        with self._lock:
            fits = self._rows + count <= MOST_ROWS
            if fits:
                self._waiting.append(answered)
                self._rows += count
            self._lost += 0 if fits else count
        if not fits:
            self._metrics.logged.labels("lost").inc(count)

    def flush(self) -> None:
        """Writes what waits, in one commit; what cannot be written goes on waiting."""
        with self._lock:
            batch, self._waiting = self._waiting, []
            lost, self._lost = self._lost, 0
        if lost:
            log.error("%s: %s rows were not logged, too many were waiting", self._model, lost)
        if not batch:
            return
        groups = groupby(batch, key=lambda answered: answered.champion)
        count = sum(len(answered.scores) for answered in batch)
        try:
            rows = pa.concat_tables(_table(champion, list(some)) for champion, some in groups)
            lake.append(requests(self._model), rows, partition_by=[MONTH])
        except Exception as error:  # a full disk, a busy table: answering goes on
            log.error("%s: %s rows wait to be logged: %s", self._model, count, error)
            with self._lock:
                self._waiting = batch + self._waiting
            return
        with self._lock:
            self._rows -= count
        self._metrics.logged.labels("written").inc(count)


def _table(champion: Champion, answered: list[Answered]) -> pa.Table:
    counts = [len(each.scores) for each in answered]
    moments = pa.array([each.at for each in answered], SCHEMA.field("at").type)
    at = moments.take(pa.array(np.repeat(np.arange(len(counts)), counts)))
    entities = [each.rows.entities for each in answered]
    numbers = np.concatenate([each.rows.numbers for each in answered])
    count, width = numbers.shape
    return pa.table(
        {
            "at": at,
            "day": day_of(at),
            "entity": pa.array(chain.from_iterable(entities), pa.string()),
            "score": np.concatenate([each.scores for each in answered]),
            "model_version": pa.repeat(champion.version, count),
            "features": pa.MapArray.from_arrays(
                pa.array(np.arange(count + 1) * width, pa.int32()),
                pa.array(champion.features * count, pa.string()),
                pa.array(numbers.ravel(), pa.float64(), from_pandas=True),
            ),
            MONTH: pc.strftime(at, "%Y-%m"),
        },
        schema=SCHEMA,
    )


def of_day(model: str, day: date, version: int) -> dict[str, Matrix]:
    """What a version was asked and answered on a day: numbers by feature, and `score`."""
    where = (*lake.days("day", Interval.of_day(day)), *lake.equal(model_version=version))
    rows = lake.read(requests(model), where)
    if rows is None or not rows.num_rows:
        return {}
    features = rows["features"].combine_chunks()
    names = pc.unique(features.keys).to_pylist()
    found = {name: pc.map_lookup(features, pa.scalar(name), "first") for name in names}
    return {name: column.to_numpy(zero_copy_only=False) for name, column in found.items()} | {
        SCORE: rows[SCORE].to_numpy()
    }
