import io
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from catalog.kinds import Gate, Model
from core import home as store
from core.models import artifacts, gate, metrics, training
from core.models.registry import Version
from core.models.training import Fitted, Plan
from tests.core import synthetic

HOLDOUT = date(2024, 3, 1)
SEEDS = range(20)
ROWS = 3_000


@pytest.fixture(autouse=True)
def fewer_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "ROUNDS", 200)


def signal(truth: Any, strength: float, random: Any) -> Any:
    return 1 / (1 + np.exp(-strength * (truth - 0.5) - random.normal(size=len(truth))))


class Arena:
    """A holdout on which every model is a column of it."""

    def __init__(self, name: str, rows: int = ROWS, seed: int = 0, **strengths: float) -> None:
        random = np.random.default_rng(seed)
        truth = random.random(rows) < 0.4
        self.rows = pd.DataFrame(
            {column: signal(truth, strength, random) for column, strength in strengths.items()}
        )
        self.truth, self.name = truth, name
        self.found: dict[str, Any] = {}  # instead of what the manifest says by itself
        self.model = declared(*strengths)

    def publish(self) -> Plan:
        found = Plan(
            "returns",
            HOLDOUT + timedelta(days=10),
            HOLDOUT - timedelta(days=10),
            HOLDOUT,
            {},
            "data",
            "features",
            f"models/returns/snapshots/{self.name}",
        )
        buffer = io.BytesIO()
        self.rows.assign(_label=self.truth).to_parquet(buffer)
        store.write_bytes(f"{found.snapshots}/{HOLDOUT}.parquet", buffer.getvalue())
        return found

    def fitted(self, column: str, **plan: Any) -> Fitted:
        manifest = {
            "features": list(self.rows.columns),
            "plan": {"holdout_day": str(HOLDOUT), "features_code": "features", **plan},
            "calibration_error": 0.01,
            "latency_ms": 1.0,
            "alone": dict.fromkeys(self.rows.columns, 0.7),
            **self.found,
        }
        name = f"{self.name}_{column}{len(plan)}"
        artifact = artifacts.save("returns", name, synthetic.Oracle(column), manifest)
        scores = self.rows[column].to_numpy()
        metric = metrics.estimate(self.model.metric, self.truth, scores, confidence=0.95, seed=0)
        return Fitted(column, name, artifact, metric, 0.0, False)


def declared(*names: str, **changes: Any) -> Model:
    candidates = tuple(synthetic.candidate(synthetic.logistic, name) for name in names)
    limits = Gate(floor=0.5, margin=0.02, min_positives=50)
    return synthetic.model(candidates=candidates, **{"gate": limits, **changes})


def champion(fitted: Fitted) -> Version:
    return Version(1, "champion", fitted.artifact, ())


def verdicts(
    challenger: float, incumbent: float, rows: int = ROWS, twin: bool = False
) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in SEEDS:
        arena = Arena(f"s{seed}", rows, seed, new=challenger, old=incumbent)
        if twin:  # as good, by nearly the same scores: what a retraining usually brings
            noise = np.random.default_rng(seed).normal(0, 0.02, rows)
            arena.rows["new"] = np.clip(arena.rows["old"] + noise, 0, 1)
        planned = arena.publish()
        decision = gate.judge(
            arena.model, arena.fitted("new"), champion(arena.fitted("old")), planned
        )
        found[decision.verdict] += 1
    return found


def test_a_better_challenger_is_promoted(home: Path) -> None:
    assert verdicts(2.0, 1.2) == {"promote": len(SEEDS)}


def test_an_equal_challenger_is_promoted(home: Path) -> None:
    assert verdicts(1.5, 1.5, twin=True) == {"promote": len(SEEDS)}


def test_a_worse_challenger_is_never_promoted(home: Path) -> None:
    assert verdicts(1.0, 2.0) == {"keep": len(SEEDS)}


def test_a_challenger_worse_by_just_the_margin_is_rarely_promoted(home: Path) -> None:
    assert verdicts(1.4, 1.52)["promote"] <= 2


def test_few_rows_are_not_enough_to_say(home: Path) -> None:
    found = verdicts(1.4, 1.5, rows=300)
    assert found["not enough data to say"] >= 16


def test_less_brier_is_better(home: Path) -> None:
    arena = Arena("b", good=3.0, bad=0.5)
    arena.model = declared("good", "bad", metric="brier", gate=Gate(floor=0.3, margin=0.01))
    planned = arena.publish()
    good, bad = arena.fitted("good"), arena.fitted("bad")
    assert gate.judge(arena.model, good, champion(bad), planned).verdict == "promote"
    assert gate.judge(arena.model, bad, champion(good), planned).verdict == "keep"
    assert gate.choose(arena.model, [bad, good], planned)[0] == good
    strict = replace(arena.model, gate=Gate(floor=0.05))
    assert gate.judge(strict, good, None, planned).verdict == "keep"


def test_the_first_champion_has_to_reach_the_floor_with_its_whole_interval(home: Path) -> None:
    arena = Arena("f", new=1.5)
    planned, new = arena.publish(), arena.fitted("new")
    value, low = new.metric.value, new.metric.low
    for floor, verdict in ((low - 0.001, "promote"), ((low + value) / 2, "keep")):
        model = replace(arena.model, gate=Gate(floor=floor))
        assert gate.judge(model, new, None, planned).verdict == verdict


def test_a_better_challenger_below_the_floor_is_kept_out(home: Path) -> None:
    arena = Arena("g", new=1.0, old=0.1)
    planned = arena.publish()
    model = replace(arena.model, gate=Gate(floor=0.95))
    decision = gate.judge(model, arena.fitted("new"), champion(arena.fitted("old")), planned)
    assert decision.verdict == "keep" and "floor" in decision.reason


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_too_few_of_either_class_are_not_enough_to_say(home: Path, share: float) -> None:
    arena = Arena("p", new=3.0)
    arena.truth = np.arange(ROWS) < ROWS * share
    decision = gate.judge(arena.model, arena.fitted("new"), None, arena.publish())
    assert decision.verdict == "not enough data to say" and "30" in decision.reason


def test_a_champion_that_has_seen_the_holdout_is_not_compared(home: Path) -> None:
    arena = Arena("h", new=3.0, old=0.5)
    planned, new = arena.publish(), arena.fitted("new")
    later = arena.fitted("old", holdout_day=str(HOLDOUT + timedelta(days=1)))
    decision = gate.judge(arena.model, new, champion(later), planned)
    assert (decision.verdict, decision.gain) == ("keep", None)
    assert "labels up to 2024-03-02" in decision.reason
    same = arena.fitted("old", holdout_day=str(HOLDOUT), other=1)
    assert gate.judge(arena.model, new, champion(same), planned).verdict == "promote"


def test_a_champion_of_other_features_is_a_question_for_a_person(home: Path) -> None:
    arena = Arena("o", new=3.0, old=0.5)
    planned, old = arena.publish(), arena.fitted("old", features_code="other")
    decision = gate.judge(arena.model, arena.fitted("new"), champion(old), planned)
    assert (decision.verdict, decision.gain) == ("not enough data to say", None)
    assert "by hand" in decision.reason


def test_the_simplest_within_the_margin_challenges(home: Path) -> None:
    arena = Arena("c", simple=1.5, medium=1.5, best=1.5)
    noise = np.random.default_rng(1).normal(0, 0.01, (ROWS, 2))
    for position, column in enumerate(("simple", "medium")):
        arena.rows[column] = np.clip(arena.rows["best"] + noise[:, position], 0, 1)
    planned = arena.publish()
    fitted = [arena.fitted(name) for name in ("best", "medium", "simple")]
    assert gate.choose(arena.model, fitted, planned)[0].candidate == "simple"
    arena.name = "d"
    arena.rows["simple"] = np.random.default_rng(2).random(ROWS)
    planned = arena.publish()
    fitted = [arena.fitted(name) for name in ("best", "medium", "simple")]
    assert gate.choose(arena.model, fitted, planned)[0].candidate == "medium"


def test_one_candidate_alone_challenges(home: Path) -> None:
    arena = Arena("a", only=1.0)
    planned = arena.publish()
    only = arena.fitted("only")
    assert gate.choose(arena.model, [only], planned)[0] == only
    assert training.holdout(planned)[1].sum() == arena.truth.sum()


def sliced(seed: int, ruin: float, rows: int = ROWS) -> gate.Decision:
    """A challenger better over all, whose scores in one tenth of the rows are so much noise."""
    arena = Arena(f"r{seed}-{ruin}", rows, seed, new=2.0, old=1.4)
    arena.rows["segment"] = np.random.default_rng(seed + 99).random(rows) < 0.1
    within = arena.rows["segment"].to_numpy()
    noise = np.random.default_rng(seed + 1).random(within.sum())
    new = arena.rows.loc[within, "new"]
    arena.rows.loc[within, "new"] = (1 - ruin) * new + ruin * noise
    arena.rows = arena.rows.astype(float)
    arena.model = replace(arena.model, slices={"the tenth": lambda rows: rows["segment"] == 1})
    planned = arena.publish()
    return gate.judge(arena.model, arena.fitted("new"), champion(arena.fitted("old")), planned)


def test_an_overall_gain_that_ruins_a_slice_is_refused(home: Path) -> None:
    found = [sliced(seed, ruin=1.0) for seed in SEEDS]
    assert Counter(each.verdict for each in found)["keep"] >= len(SEEDS) - 1
    assert all("worse in slice 'the tenth'" in e.reason for e in found if e.verdict == "keep")


def test_a_slice_that_gains_too_is_no_hindrance(home: Path) -> None:
    found = Counter(sliced(seed, ruin=0.0).verdict for seed in SEEDS)
    assert found["promote"] >= len(SEEDS) - 1


@pytest.mark.parametrize(
    ("found", "verdict", "says"),
    [
        ({"calibration_error": 0.2}, "keep", "its probabilities are off by 0.2, 0.1 at most"),
        ({"latency_ms": 900.0}, "keep", "milliseconds to score a row: 900, 250 at most"),
        ({"alone": {"new": 0.6, "old": 0.99}}, "not enough data to say", "old alone predicts"),
    ],
)
def test_what_is_unfit_to_serve_is_kept_out_whoever_serves(
    home: Path, found: dict[str, Any], verdict: str, says: str
) -> None:
    arena = Arena("unfit", new=2.0, old=1.0)
    planned, old = arena.publish(), arena.fitted("old", name="old")
    arena.found, arena.name = found, "unfit2"
    for serving in (None, champion(old)):
        decision = gate.judge(arena.model, arena.fitted("new"), serving, planned)
        assert decision.verdict == verdict
        assert says in decision.reason


def test_an_artifact_that_is_too_large_is_kept_out(home: Path) -> None:
    arena = Arena("large", new=2.0)
    small = replace(arena.model, gate=Gate(floor=0.5, max_size_mb=1e-5))
    decision = gate.judge(small, arena.fitted("new"), None, arena.publish())
    assert (decision.verdict, "megabytes on disk" in decision.reason) == ("keep", True)
