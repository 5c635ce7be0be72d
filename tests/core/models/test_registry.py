import json
import os
import random
import signal
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core import lake
from core.errors import ArtifactRefused, ModelRefused, UsageError
from core.models import artifacts, golden, registry
from core.models.artifacts import Artifact
from tests.core import synthetic, workers

WHO = {"by": "ann", "reason": "looks right"}


def store(name: str) -> Artifact:
    return artifacts.save("m", name, {"name": name}, {})


@pytest.fixture
def three(home: Path) -> None:
    for name in ("a", "b", "c"):
        registry.register("m", store(name), **WHO)


def serve(*versions: int) -> None:
    for version in versions:
        registry.promote("m", version, **WHO)


def champion() -> int:
    found = registry.champion("m")
    return found.number if found else 0


def states() -> dict[int, str]:
    return {version.number: version.state for version in registry.versions("m")}


def test_versions_count_up_and_the_same_artifact_keeps_its_number(home: Path) -> None:
    assert [registry.register("m", store(name), **WHO) for name in "abab"] == [1, 2, 1, 2]
    assert registry.register("other", store("a"), **WHO) == 1
    assert len(registry.history("m")) == 2


def test_an_artifact_that_changed_since_is_not_registered_again(three: None) -> None:
    changed = Artifact(store("a").path, "0" * 64)
    with pytest.raises(ModelRefused, match="changed since it was registered"):
        registry.register("m", changed, **WHO)


def test_eight_processes_at_once_number_without_gap_or_loss(home: Path) -> None:
    codes = workers.together(workers.register, [("m", number) for number in range(8)])
    assert codes == [0] * 8
    assert [version.number for version in registry.versions("m")] == list(range(1, 9))
    assert [event.number for event in registry.history("m")] == list(range(1, 9))
    assert len({version.artifact.path for version in registry.versions("m")}) == 8


def test_of_many_that_promote_over_the_same_champion_one_wins(three: None) -> None:
    codes = workers.together(workers.promote, [("m", version, 0) for version in (1, 2, 3)] * 2)
    winner = champion()
    assert winner
    # The winner's second process finds it done; or comes too late, like all others.
    assert sorted(codes)[0] == 0 and codes.count(3) >= 4
    assert [event.event for event in registry.history("m")] == ["registered"] * 3 + ["promoted"]


def test_promote_swaps_and_says_whether_it_was_new(three: None) -> None:
    assert champion() == 0
    assert registry.promote("m", 1, **WHO)
    assert not registry.promote("m", 1, **WHO)
    assert registry.promote("m", 2, **WHO)
    assert states() == {1: "registered", 2: "champion", 3: "registered"}
    last = registry.history("m")[-1]
    assert (last.event, last.by, last.reason, last.sha256) == (
        "promoted",
        "ann",
        "looks right",
        store("b").sha256,
    )


def test_promote_says_no_news_where_another_did_it_meanwhile(
    three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = registry._verify

    def somebody_is_faster(artifact: Artifact) -> None:
        monkeypatch.setattr(registry, "_verify", verify)
        registry.promote("m", 1, **WHO)

    monkeypatch.setattr(registry, "_verify", somebody_is_faster)
    assert not registry.promote("m", 1, **WHO)


def test_promote_over_another_champion_is_refused(three: None) -> None:
    registry.promote("m", 1, **WHO, over=0)
    with pytest.raises(ModelRefused, match="the champion is now 1, not none"):
        registry.promote("m", 2, **WHO, over=0)
    registry.promote("m", 2, **WHO, over=1)
    with pytest.raises(ModelRefused, match="the champion is now 2, not 1"):
        registry.promote("m", 3, **WHO, over=1)
    assert champion() == 2


def test_rollback_goes_back_one_champion_at_a_time(three: None) -> None:
    serve(1, 2, 3)
    assert [registry.rollback("m", **WHO), champion()] == [2, 2]
    assert [registry.rollback("m", **WHO), champion()] == [1, 1]
    with pytest.raises(UsageError, match="no earlier champion"):
        registry.rollback("m", **WHO)
    serve(3)
    assert registry.rollback("m", **WHO) == 1


def test_rollback_retraces_the_very_way_it_came(three: None) -> None:
    serve(1, 2, 1, 3)
    assert [registry.rollback("m", **WHO) for _ in range(3)] == [1, 2, 1]


def test_rollback_passes_over_versions_that_may_not_serve(three: None) -> None:
    serve(1, 2, 3)
    registry.close("m", 2, "rejected", **WHO)
    assert registry.rollback("m", **WHO) == 1


def test_rollback_to_a_damaged_artifact_is_refused(home: Path, three: None) -> None:
    serve(1, 2)
    (home / store("a").path / artifacts.MODEL_FILE).write_bytes(b"x")
    with pytest.raises(ArtifactRefused):
        registry.rollback("m", **WHO)
    assert champion() == 2


def test_rollback_of_a_champion_that_has_just_changed_is_refused(
    three: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(1, 2)
    monkeypatch.setattr(registry, "_verify", lambda artifact: None)
    before = registry.previous_of
    calls = []

    def changed_between(model: str, events: list[registry.Record]) -> int:
        calls.append(model)
        return before(model, events) if len(calls) == 1 else 3

    monkeypatch.setattr(registry, "previous_of", changed_between)
    with pytest.raises(ModelRefused, match="has just changed"):
        registry.rollback("m", **WHO)


@pytest.mark.parametrize("event", ["rejected", "retired"])
def test_a_closed_version_never_serves_again(three: None, event: str) -> None:
    serve(1, 2)
    assert registry.close("m", 2, event, **WHO)  # type: ignore[arg-type]
    assert (champion(), states()[2]) == (0, event)
    with pytest.raises(ModelRefused, match=f"m 2 is {event} and cannot serve"):
        registry.promote("m", 2, **WHO)
    for again in ("rejected", "retired"):
        assert not registry.close("m", 2, again, **WHO)  # type: ignore[arg-type]
    assert states()[2] == event
    assert registry.rollback("m", **WHO) == 1


def test_promoting_a_damaged_artifact_is_refused(home: Path, three: None) -> None:
    (home / store("a").path / artifacts.MANIFEST_FILE).unlink()
    with pytest.raises(ArtifactRefused, match="is missing"):
        serve(1)
    assert champion() == 0


def test_events_are_only_ever_added(three: None) -> None:
    seen = registry.history("m")
    for change in (
        lambda: serve(1, 2),
        lambda: registry.rollback("m", **WHO),
        lambda: registry.close("m", 1, "retired", **WHO),
        lambda: registry.register("m", store("d"), **WHO),
    ):
        change()
        now = registry.history("m")
        assert now[: len(seen)] == seen and len(now) > len(seen)
        seen = now
    assert [event.number for event in seen] == list(range(1, len(seen) + 1))


@pytest.mark.parametrize(("by", "reason"), [("", "x"), ("ann", " ")])
def test_nobody_decides_without_name_and_reason(three: None, by: str, reason: str) -> None:
    before = lake.version(registry.TABLE)
    for decide in (
        lambda: registry.promote("m", 1, by=by, reason=reason),
        lambda: registry.rollback("m", by=by, reason=reason),
        lambda: registry.close("m", 1, "retired", by=by, reason=reason),
    ):
        with pytest.raises(UsageError, match="--by"):
            decide()
    assert lake.version(registry.TABLE) == before


def test_an_unknown_version_is_a_usage_mistake_that_names_the_known(three: None) -> None:
    with pytest.raises(UsageError, match="m has no version 7; it has 1, 2, 3"):
        serve(7)
    with pytest.raises(UsageError, match="m has no version 7"):
        registry.close("m", 7, "retired", **WHO)


@pytest.mark.parametrize("name", ["m' OR 1=1 --", "../m", "m\n", "M", "", "m" * 64, "m/n"])
def test_what_is_no_name_of_a_model_is_refused_and_touches_nobody(three: None, name: str) -> None:
    before = lake.version(registry.TABLE)
    with pytest.raises(UsageError, match="is no name of a model"):
        registry.register(name, store("a"), **WHO)
    assert lake.version(registry.TABLE) == before
    assert registry.history(name) == []
    with pytest.raises(UsageError, match="is no place of a model"):
        artifacts.find(name, "a")


def test_approval_is_a_state_between_registered_and_champion(three: None) -> None:
    assert registry.approve("m", 2, **WHO)
    assert states() == {1: "registered", 2: "approved", 3: "registered"}
    assert not registry.approve("m", 2, **WHO)
    assert registry.approve("m", 2, by="bob", reason="looks right to me, too")
    serve(2, 3)
    assert states() == {1: "registered", 2: "approved", 3: "champion"}
    assert registry.approve("m", 3, **WHO)
    assert champion() == 3
    said = [(event.event, event.by, event.version) for event in registry.history("m")[3:]]
    assert said == [
        ("approved", "ann", 2),
        ("approved", "bob", 2),
        ("promoted", "ann", 2),
        ("promoted", "ann", 3),
        ("approved", "ann", 3),
    ]


def test_where_approval_is_demanded_nothing_else_is_promoted(three: None) -> None:
    with pytest.raises(ModelRefused, match="m 1 is not approved.*python -m flows approve m 1"):
        registry.promote("m", 1, only_approved=True, **WHO)
    assert champion() == 0
    registry.approve("m", 1, **WHO)
    assert registry.promote("m", 1, only_approved=True, **WHO)
    assert champion() == 1


def test_a_changed_artifact_voids_the_approval(home: Path, three: None) -> None:
    registry.approve("m", 1, **WHO)
    path = home / store("a").path / artifacts.MANIFEST_FILE
    path.write_text(path.read_text().replace('"fingerprint"', '"other": 1, "fingerprint"'))
    for decide in (registry.promote, registry.approve):
        with pytest.raises(ArtifactRefused, match="not the one that was registered"):
            decide("m", 1, by="bob", reason="it was approved")
    changed = artifacts.find("m", "a")
    assert changed is not None and changed != registry.get("m", 1).artifact
    with pytest.raises(ModelRefused, match="changed since it was registered"):
        registry.register("m", changed, **WHO)
    assert champion() == 0


def test_an_approval_is_of_that_artifact_only(three: None) -> None:
    registry.approve("m", 1, **WHO)
    found = registry.get("m", 1)
    assert found.is_approved
    assert not replace(found, artifact=Artifact(found.artifact.path, "0" * 64)).is_approved


@pytest.mark.parametrize("event", ["rejected", "retired"])
def test_a_closed_version_is_not_approved(three: None, event: str) -> None:
    registry.approve("m", 1, **WHO)
    registry.close("m", 1, event, **WHO)  # type: ignore[arg-type]
    with pytest.raises(ModelRefused, match=f"m 1 is {event}"):
        registry.approve("m", 1, by="bob", reason="no, it is good")
    with pytest.raises(ModelRefused, match=f"m 1 is {event}"):
        registry.promote("m", 1, only_approved=True, **WHO)
    assert states()[1] == event


def test_eight_that_promote_at_once_lose_nothing_and_leave_no_gap(home: Path) -> None:
    for name in "abcdefgh":
        registry.register("m", store(name), **WHO)
    codes = workers.together(workers.promote, [("m", version, None) for version in range(1, 9)])
    assert codes == [0] * 8
    events = registry.history("m")
    assert [event.number for event in events] == list(range(1, 17))
    assert sorted(event.version for event in events[8:]) == list(range(1, 9))
    assert champion() == events[-1].version


def test_a_promotion_killed_at_any_moment_loses_no_event(three: None) -> None:
    """What a process was told is done stands; what it was not told is there whole or not."""
    dice, kills = random.Random(0), int(os.environ.get("LONG_TEST_KILLS", "8"))
    seen = registry.history("m")
    for _ in range(kills):
        told = workers.context.Value("i", 0)
        process = workers.start(workers.promote_for_ever, told, "m", 3)
        while not told.value:
            time.sleep(0.001)
        time.sleep(dice.uniform(0, 0.15))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        now = registry.history("m")
        assert now[: len(seen)] == seen
        assert told.value <= len(now) - len(seen) <= told.value + 1
        assert [event.number for event in now] == list(range(1, len(now) + 1))
        assert champion() == now[-1].version
        seen = now


def test_a_retraining_killed_at_any_moment_tears_no_model_and_loses_no_event(
    home: Path, tmp_path: Path
) -> None:
    dice, kills = random.Random(0), int(os.environ.get("LONG_TEST_KILLS", "3"))
    days = 50 + kills
    synthetic.load(synthetic.dataset(tmp_path, synthetic.buys(days=days)), days=days)
    days_of = [synthetic.START + timedelta(days=30 + number) for number in range(kills + 1)]
    begun = time.monotonic()
    workers.start(workers.retrain, tmp_path, days_of[0]).join()
    whole, seen = time.monotonic() - begun, registry.history("returns")
    assert [event.event for event in seen] == ["registered", "promoted"]
    for as_of in days_of[1:]:
        process = workers.start(workers.retrain, tmp_path, as_of)
        time.sleep(dice.uniform(0, whole))
        process.kill()
        process.join()
        now = registry.history("returns")
        assert now[: len(seen)] == seen and len(now) - len(seen) in (0, 2)
        assert [event.number for event in now] == list(range(1, len(now) + 1))
        seen = now
        for folder in (home / "models" / "returns").iterdir():
            if folder.name != "snapshots" and not folder.name.startswith("."):
                stored = artifacts.find("returns", folder.name)
                assert stored is not None
                artifacts.load(stored)
    process = workers.start(workers.retrain, tmp_path, days_of[-1])
    process.join()
    assert process.exitcode == 0
    serving = registry.champion("returns")
    assert serving is not None
    manifest = artifacts.manifest(serving.artifact)
    assert manifest["plan"]["as_of"] == str(days_of[-1])


def golden_model(home: Path, name: str, kind: type, **changes: Any) -> Artifact:
    """An estimator that says what is in a column, or a little more, with its golden rows."""
    rows = pd.DataFrame({"a": np.linspace(0.1, 0.8, 100)})
    manifest = {"model": "m", "features": ["a"], "golden": golden.of(synthetic.Oracle("a"), rows)}
    return artifacts.save("m", name, kind("a"), {**manifest, **changes})


class Shifted(synthetic.Oracle):
    def predict_proba(self, rows: pd.DataFrame) -> Any:
        return super().predict_proba(rows) + 2e-9


def test_golden_rows_are_scored_again_before_a_version_serves(home: Path) -> None:
    good = golden_model(home, "good", synthetic.Oracle)
    bad = golden_model(home, "bad", Shifted)
    for artifact in (good, bad):
        registry.register("m", artifact, **WHO)
    serve(1)
    for decide in (
        lambda: serve(2),
        lambda: registry.approve("m", 2, **WHO),
        lambda: registry.register("m", bad, promote_over=1, **WHO),
    ):
        with pytest.raises(ModelRefused, match="golden rows otherwise here, by up to 2e-09"):
            decide()
    assert champion() == 1


def test_a_rollback_scores_the_golden_rows_of_the_earlier_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        registry.register("m", golden_model(home, name, synthetic.Oracle), **WHO)
    serve(1, 2)
    before = synthetic.Oracle.predict_proba
    monkeypatch.setattr(
        synthetic.Oracle, "predict_proba", lambda self, rows: before(self, rows) * 0.9
    )
    with pytest.raises(ModelRefused, match="golden rows otherwise here, by up to 0.08"):
        registry.rollback("m", **WHO)
    assert champion() == 2


def test_a_golden_row_with_nulls_is_kept_and_scored_as_it_is(home: Path) -> None:
    rows = pd.DataFrame({"a": [0.5, 0.25], "b": [np.nan, 3.0]})
    kept = json.loads(json.dumps(golden.of(synthetic.Oracle("a"), rows), allow_nan=False))
    assert kept == {"rows": [[0.5, None], [0.25, 3.0]], "scores": [0.5, 0.25]}
    assert golden.distance(synthetic.Oracle("a"), {"features": ["a", "b"], "golden": kept}) == 0
    assert golden.distance(synthetic.Oracle("a"), {}) == 0
