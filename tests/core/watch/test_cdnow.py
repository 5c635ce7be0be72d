"""The real CDNOW sample: no new customers come from 26 March 1997 on, and April shows it."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

import catalog
from catalog.kinds import Gate, Model
from catalog.models import churn
from core.intervals import Interval
from core.load import loading
from core.models import registry, scoring, training
from core.sources import landing
from core.watch import monitoring
from core.watch.monitoring import Watched
from tests.core.watch.replays import replayed

AS_OF, BEFORE = date(1997, 3, 20), date(1997, 3, 22)
APRIL = (date(1997, 4, 1), date(1997, 4, 10), date(1997, 4, 30))
SALES = {"sales": catalog.dataset("sales")}


def of_the_last_four_weeks(as_of: pd.Timestamp, sales: pd.DataFrame) -> pd.DataFrame:
    """Churn's features of those who bought lately: a population that does not just grow old."""
    found = churn.features(as_of, sales)
    return found[found["recency_days"] <= 28]


@pytest.fixture
def early(home: Path) -> None:
    """The lake as it was at the end of April 1997."""
    days = Interval(date(1997, 1, 1), date(1997, 5, 1))
    loading.load(SALES["sales"], days, landing.land(SALES["sales"], days))


def watch(model: Model, *days: date) -> list[Watched]:
    planned = training.plan(model, SALES, AS_OF)
    training.prepare(model, SALES, planned)
    fitted = training.fit(model, model.candidates[0], planned)
    said = {"by": "ann", "reason": "test"}
    registry.promote(model.name, registry.register(model.name, fitted.artifact, **said), **said)
    for day in days:
        scoring.score(model, SALES, day)
    return [monitoring.monitor(model, SALES, day) for day in days]


@pytest.mark.usefixtures("early")
def test_churn_as_of_march_sees_in_april_that_nobody_new_comes():
    for watched in watch(replace(churn.model, horizon_days=10), *APRIL):
        assert {"tenure_days", "recency_days", "score", "all features"} <= {*watched.drifted}


@pytest.mark.usefixtures("early")
def test_of_those_who_bought_lately_nothing_has_moved_before_the_stop_and_much_after():
    changes = {"features": of_the_last_four_weeks, "slices": {}}
    recent = replace(churn.model, horizon_days=10, **changes)
    before, *april = watch(recent, BEFORE, *APRIL)
    assert before.drifted == ()
    for watched in april:
        assert {"tenure_days", "orders"} <= {*watched.drifted}


@pytest.mark.usefixtures("early")
def test_a_replay_of_that_spring_alarms_in_april_and_retrains_where_drift_asks(
    tmp_path: Path,
) -> None:
    changes = {"features": of_the_last_four_weeks, "slices": {}, "gate": Gate(floor=0.0)}
    recent = replace(churn.model, horizon_days=10, candidates=churn.model.candidates[:1], **changes)
    start, end = date(1997, 3, 20), date(1997, 4, 11)
    found = replayed(recent, SALES, tmp_path, ("never", "drift"), start, end)
    never, drift = found["never"], found["drift"]
    assert never.alarms[0].day > date(1997, 3, 25)
    [april] = [each for each in never.alarms if each.day == date(1997, 4, 2)]
    assert {"tenure_days", "recency_days", "orders", "score"} <= {*april.drifted}
    assert [each.as_of.day for each in drift.retrained if each.as_of.month == 3] == [27]
