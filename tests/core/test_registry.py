from pathlib import Path

import pytest

from core import artifacts, lake, registry
from core.artifacts import Artifact
from core.errors import ArtifactRefused, ModelRefused, UsageError
from tests.core import workers

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

    def somebody_is_faster(model: str, version: int) -> None:
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
    with pytest.raises(ModelRefused, match="no earlier champion"):
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
    monkeypatch.setattr(registry, "_verify", lambda model, version: None)
    before = registry._previous
    calls = []

    def changed_between(model: str, events: list[registry.Record]) -> int:
        calls.append(model)
        return before(model, events) if len(calls) == 1 else 3

    monkeypatch.setattr(registry, "_previous", changed_between)
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


def test_a_model_named_like_a_condition_touches_nobody_else(three: None) -> None:
    evil = "m' OR 1=1 --"
    registry.register(evil, store("x"), **WHO)
    assert len(registry.history("m")) == 3
    assert len(registry.history(evil)) == 1
