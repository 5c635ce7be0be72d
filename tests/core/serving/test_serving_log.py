"""The log of requests: asked and answered, in a table, and nothing lost in silence."""

from datetime import UTC, datetime

import numpy as np
import pytest

from catalog.kinds import Drift
from core import lake
from core.errors import LakeBusy
from core.models import artifacts
from core.models.artifacts import Artifact
from core.serving import log as serving_log
from core.serving.champion import Champion, load
from core.serving.log import Answered, RequestLog
from core.serving.metrics import Metrics
from core.serving.rows import Rows
from core.watch import drift
from core.watch.sketch import Sketch
from tests.core.serving.local_api import ROW, promote, serve

TABLE = "returns_requests"


def test_what_was_answered_is_written_when_it_stops(fitted: dict[str, Artifact]) -> None:
    promote(fitted["logistic"])
    before = datetime.now(UTC)
    with serve(log_requests=True) as client:
        scores = client.predict({**ROW, "entity": "4711"}, ROW).json()["scores"]
        client.predict({**ROW, "spent": "x"})
        client.wait_for(promote(fitted["forest"]))
        scores += client.predict(ROW).json()["scores"]
        assert lake.read(TABLE) is None

    rows = sorted(lake.read(TABLE).to_pylist(), key=lambda row: row["at"])
    assert [row["entity"] for row in rows] == ["4711", None, None]
    assert [row["score"] for row in rows] == scores
    assert [row["model_version"] for row in rows] == [1, 1, 2]
    assert all(dict(row["features"]) == ROW for row in rows)
    assert all(before <= row["at"] <= datetime.now(UTC) for row in rows)


def test_without_the_switch_nothing_is_written(fitted: dict[str, Artifact]) -> None:
    promote(fitted["logistic"])
    with serve() as client:
        client.predict(ROW)
    assert lake.read(TABLE) is None


@pytest.fixture
def champion(fitted: dict[str, Artifact]) -> Champion:
    return load("returns", promote(fitted["logistic"]), fitted["logistic"])


def answered(champion: Champion, rows: int, day: int = 1) -> Answered:
    random = np.random.default_rng(day)
    numbers = Rows(random.gamma(2, 10, (rows, 3)), ["a"] * rows)
    scores = champion.scores(numbers.numbers)
    return Answered(champion, numbers, scores, datetime(2024, 5, day, 23, 59, tzinfo=UTC))


def logged(metrics: Metrics, outcome: str) -> float:
    return metrics.logged.labels(outcome)._value.get()


def test_each_flush_is_one_commit_of_all_that_waits(champion: Champion) -> None:
    log = RequestLog("returns", Metrics())
    for number in (1, 2):
        log.add(answered(champion, 3))
        log.add(answered(champion, 2))
        log.flush()
        log.flush()
        assert lake.version(TABLE) == number
    assert lake.read(TABLE).num_rows == 10


def test_what_cannot_be_written_goes_on_waiting(
    champion: Champion, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, real = Metrics(), lake.append
    log = RequestLog("returns", metrics)

    def busy(*_: object, **__: object) -> int:
        raise LakeBusy("table returns_requests: other writers kept changing it")

    monkeypatch.setattr(lake, "append", busy)
    log.add(answered(champion, 3))
    log.flush()
    assert "3 rows wait to be logged: table returns_requests" in caplog.text
    monkeypatch.setattr(lake, "append", real)
    log.add(answered(champion, 2, day=2))
    log.flush()

    assert (
        sorted(lake.read(TABLE)["day"].to_pylist())
        == [datetime(2024, 5, 1).date()] * 3 + [datetime(2024, 5, 2).date()] * 2
    )
    assert (logged(metrics, "written"), logged(metrics, "lost")) == (5, 0)


def test_what_finds_no_room_is_counted_and_told(
    champion: Champion, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serving_log, "MOST_ROWS", 5)
    metrics = Metrics()
    log = RequestLog("returns", metrics)
    for _ in range(3):
        log.add(answered(champion, 2))
    log.flush()

    assert (logged(metrics, "written"), logged(metrics, "lost")) == (4, 2)
    assert "2 rows were not logged" in caplog.text
    log.add(answered(champion, 5))
    log.flush()
    assert lake.read(TABLE).num_rows == 9


def test_drift_can_be_measured_of_what_was_asked_and_answered(champion: Champion) -> None:
    log = RequestLog("returns", Metrics())
    log.add(answered(champion, 200))
    log.add(answered(champion, 7, day=2))
    log.flush()

    found = serving_log.of_day("returns", datetime(2024, 5, 1).date(), 1)
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(
        [*champion.features, "score"], 200
    )
    reference = artifacts.manifest(champion.artifact)["reference"]
    measured = drift.measure(
        "recency", Sketch.from_json(reference["recency"]), found["recency"], Drift()
    )
    assert (measured.rows, measured.verdict) == (200, "drifted")
    assert serving_log.of_day("returns", datetime(2024, 5, 3).date(), 1) == {}


def test_a_feature_that_may_be_null_is_null_in_the_log(champion: Champion) -> None:
    log = RequestLog("returns", Metrics())
    log.add(Answered(champion, Rows(np.array([[1, np.nan, 3]]), [None]), np.array([0.5]), NOON))
    log.flush()

    [row] = lake.read(TABLE).to_pylist()
    assert row["features"] == list(zip(champion.features, [1, None, 3], strict=True))
    assert np.isnan(serving_log.of_day("returns", NOON.date(), 1)[champion.features[1]]).all()


NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
