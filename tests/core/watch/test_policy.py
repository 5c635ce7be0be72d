from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.kinds import Retrain
from core import lake
from core.models import registry, scoring, training
from core.watch import monitoring, policy
from core.watch.policy import Decision, Signals
from tests.core import synthetic

TODAY = date(2024, 3, 1)
RULE = Retrain(every_days=30, on_drifted=2, on_new_rows=500, cooldown_days=7)
DECAYED = "roc_auc of 2024-02-01 is 0.6"


def ago(days: int | None) -> date | None:
    return None if days is None else TODAY - timedelta(days=days)


@pytest.mark.parametrize(
    ("age_days", "known", "action", "reason"),
    [
        (None, {}, "retrain", "never been trained"),
        (30, {}, "retrain", "every 30 days"),
        (29, {}, "ignore", "0 drifted, 2 needed"),
        (29, {"drifted": ("a",)}, "ignore", "1 drifted, 2 needed"),
        (29, {"drifted": ("a", "score")}, "retrain", "a, score"),
        (7, {"drifted": ("a", "b")}, "retrain", "a, b"),
        (6, {"drifted": ("a", "b")}, "ignore", "cooling down until 2024-03-02"),
        (0, {}, "ignore", "0 drifted"),
        (-5, {"drifted": ("a", "b")}, "ignore", "trained since, as of 2024-03-06"),
        (8, {"decayed": DECAYED}, "retrain", DECAYED),
        (6, {"decayed": DECAYED}, "ignore", "cooling down"),
        (8, {"estimated_drop": "it is thought to fall"}, "retrain", "thought to fall"),
        (8, {"new_rows": 500}, "retrain", "500 new rows"),
        (8, {"new_rows": 499}, "ignore", "0 drifted"),
    ],
)
def test_retraining_is_due_by_age_drift_drop_or_volume_after_the_cooldown(
    age_days: int | None, known: dict[str, Any], action: str, reason: str
) -> None:
    found = policy.decide(RULE, TODAY, Signals(last_as_of=ago(age_days), **known))
    assert found.action == action
    assert reason in found.reason


def test_drift_that_there_was_when_it_was_last_trained_asks_for_nothing() -> None:
    moved = ("a", "b", "c")
    for answered, action in ((("a", "b"), "ignore"), (("a",), "retrain"), (("x", "y"), "retrain")):
        known = Signals(last_as_of=ago(20), drifted=moved, answered=answered)
        assert policy.decide(RULE, TODAY, known).action == action


def test_a_decay_that_retraining_has_not_mended_is_a_persons() -> None:
    known = {"champion_as_of": ago(100), "refused": 1, "decayed": DECAYED}
    found = policy.decide(RULE, TODAY, Signals(last_as_of=ago(3), **known))
    assert found.action == "escalate"
    assert "trained again as of 2024-02-27" in found.reason
    later = policy.decide(RULE, TODAY, Signals(last_as_of=ago(14), **known))
    assert later.action == "retrain"


@pytest.mark.parametrize("signal", ["decayed", "estimated_drop"])
def test_what_trainings_do_not_mend_is_trained_for_less_and_less_often(signal: str) -> None:
    rule, begun = replace(RULE, every_days=0), date(2024, 1, 1)
    trained, days = [begun], [begun + timedelta(days=n) for n in range(10, 120)]
    for day in days:
        known = {"champion_as_of": begun, "refused": len(trained) - 1, signal: DECAYED}
        if policy.decide(rule, day, Signals(last_as_of=trained[-1], **known)).action == "retrain":
            trained.append(day)
    assert [(day - begun).days for day in trained] == [0, 10, 24, 52, 108]
    moved = Signals(last_as_of=begun, refused=3, **{signal: DECAYED}, drifted=("a", "b"))
    assert policy.decide(rule, begun + timedelta(days=7), moved).action == "retrain"


def test_a_policy_that_asks_for_nothing_never_retrains() -> None:
    never = Retrain(every_days=0, on_drifted=0, on_decay=False, on_estimated_drop=False)
    drift = {"drifted": ("a", "b"), "decayed": DECAYED, "estimated_drop": DECAYED}
    found = policy.decide(never, TODAY, Signals(last_as_of=ago(900), **drift, new_rows=10**9))
    assert found.action == "ignore"


@pytest.fixture
def watched(home: Path, tmp_path: Path) -> tuple[Any, Any]:
    """A model trained as of day 30 that scored the same day, and what was watched."""
    model = synthetic.model(horizon_days=8)
    shop = {"buys": synthetic.dataset(tmp_path, synthetic.buys())}
    synthetic.load(shop["buys"])
    train(model, shop, 30)
    scoring.score(model, shop, on(35))
    return model, monitoring.monitor(model, shop, on(35))


def on(days: int) -> date:
    return synthetic.START + timedelta(days=days)


def train(model: Any, shop: Any, days: int, promoted: bool = True) -> None:
    planned = training.plan(model, shop, on(days))
    training.prepare(model, shop, planned)
    found = training.fit(model, model.candidates[0], planned).artifact
    serving = registry.champion(model.name)
    over = (serving.number if serving else 0) if promoted else None
    registry.register(model.name, found, by="gate", reason="test", promote_over=over)


def test_new_rows_are_those_since_the_last_training(watched: tuple[Any, Any]) -> None:
    model, seen = watched
    known = policy.signals(model, seen, on(35))
    assert (known.last_as_of, known.champion_as_of, known.new_rows) == (on(30), on(30), 0)
    known = policy.signals(replace(model, retrain=RULE), seen, on(35))
    at = lake.read("buys", columns=["at"])["at"].to_pylist()
    assert known.new_rows == sum(on(30) <= each.date() < on(35) for each in at)


def test_what_had_drifted_when_it_was_trained_is_what_was_watched_that_day_or_the_next(
    watched: tuple[Any, Any], tmp_path: Path
) -> None:
    model, seen = watched
    moved = seen.drift[0].__class__(feature="spent", rows=1, reference_rows=1, verdict="drifted")
    monitoring._record(model, on(35), 1, [moved])
    for day, found in ((35, ("spent",)), (34, ("spent",)), (33, ()), (36, ())):
        assert monitoring.first_drifted("returns", 1, on(day)) == found
    assert monitoring.first_drifted("returns", 2, on(35)) == ()
    train(model, {"buys": synthetic.dataset(tmp_path, synthetic.buys())}, 35, promoted=False)
    later = replace(seen, day=on(40), drift=(moved, replace(moved, feature="count")))
    known = policy.signals(model, later, on(40))
    assert (known.newly_drifted, known.refused) == (["count"], 1)


def test_asked_again_after_training_that_day_the_lake_says_the_same(
    watched: tuple[Any, Any], tmp_path: Path
) -> None:
    model, seen = watched
    before = policy.signals(model, seen, on(35))
    train(model, {"buys": synthetic.dataset(tmp_path, synthetic.buys())}, 35)
    assert policy.signals(model, seen, on(35)) == before


def test_what_the_gate_turned_down_is_tried_again_after_the_cooldown(
    home: Path, tmp_path: Path
) -> None:
    model = synthetic.model(horizon_days=8)
    shop = {"buys": synthetic.dataset(tmp_path, synthetic.buys())}
    synthetic.load(shop["buys"])
    assert policy.may_begin(model, on(30))
    train(model, shop, 30, promoted=False)
    days = (30, 31, 36, 37)
    assert [policy.may_begin(model, on(each)) for each in days] == [True, False, False, True]
    registry.close(model.name, 1, "rejected", by="ann", reason="test")
    assert policy.may_begin(model, on(31))


def test_a_day_has_one_decision_and_the_same_one_writes_nothing(home: Path) -> None:
    first, second = Decision("ignore", "all is well"), Decision("retrain", "a drifted")
    assert policy.record("returns", TODAY, 1, first)
    assert not policy.record("returns", TODAY, 1, first)
    assert policy.record("returns", TODAY, 1, second)
    assert policy.record("returns", TODAY + timedelta(days=1), 2, first)
    rows = lake.read(policy.TABLE).to_pylist()
    said = sorted((row["day"], row["version"], row["action"], row["reason"]) for row in rows)
    assert said == [
        (TODAY, 1, "retrain", "a drifted"),
        (TODAY + timedelta(days=1), 2, "ignore", "all is well"),
    ]
