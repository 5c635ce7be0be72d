"""People's decisions: what may serve, what never can, and that no kill tears or loses anything."""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.callables import parameter_schema

import catalog
from core.errors import ArtifactRefused, ModelRefused, UsageError
from core.models import artifacts, registry
from core.models.registry import Record
from flows.approve import approve
from flows.promote import promote
from flows.reject import reject
from flows.retire import retire
from flows.retrain import retrain
from flows.rollback import rollback
from flows.score import score
from tests.conftest import Project
from tests.flows.support import Server, alerts, contents, models, rows, until

DAY = date(1998, 4, 1)
WHO = {"by": "Ann", "reason": "she has looked"}
KILLS = int(os.environ.get("LONG_TEST_KILLS", "2"))
pytestmark = [pytest.mark.usefixtures("server"), pytest.mark.timeout(600 + 60 * KILLS)]


@pytest.fixture
def unjudged(trained: Path) -> Path:
    """A home whose candidates are fitted and were shown to no gate."""
    shutil.rmtree(trained / "tables" / "registry")
    shutil.rmtree(trained / "tables" / "outbox")
    return trained


@pytest.fixture
def manual(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate asks a person."""
    declared = catalog.model("churn")
    asking = replace(declared, gate=replace(declared.gate, mode="manual"))
    monkeypatch.setattr(catalog, "model", lambda name: asking)


def told(home: Path) -> list[tuple[str, str, str]]:
    return [(each["kind"], each["severity"], each["todo"]) for each in alerts(home)]


@pytest.mark.usefixtures("manual")
def test_what_nobody_has_approved_never_scores(unjudged: Path):
    trained = retrain("churn", DAY)
    assert (trained.verdict, trained.promoted, trained.champion) == ("promote", False, 0)
    asked = 'python -m flows approve churn 1 --by NAME --reason "..."'
    assert told(unjudged) == [("approval_needed", "warn", asked)]
    for refused in (lambda: score("churn", DAY), lambda: promote("churn", 1, **WHO)):
        with pytest.raises(ModelRefused, match="no champion|not approved"):
            refused()
    assert rows(unjudged, "churn_predictions") == []

    ruled = approve("churn", 1, **WHO)

    assert (ruled.champion, ruled.changed) == (0, True)
    todo = 'python -m flows promote churn 1 --by NAME --reason "..."'
    assert ("promotion", "info", todo) in told(unjudged)
    with pytest.raises(ModelRefused, match="no champion"):
        score("churn", DAY)
    assert promote("churn", 1, **WHO).champion == 1
    assert score("churn", DAY).version == 1


def test_what_was_rejected_never_scores(trained: Path):
    score("churn", DAY)
    before = rows(trained, "churn_predictions")

    assert reject("churn", 1, **WHO).champion == 0

    for refused in (
        lambda: score("churn", date(1998, 4, 2)),
        lambda: promote("churn", 1, **WHO),
        lambda: approve("churn", 1, **WHO),
        lambda: rollback("churn", **WHO),
    ):
        with pytest.raises((ModelRefused, UsageError)):
            refused()
    assert retrain("churn", DAY).known  # the same artifact is judged once
    assert registry.champion("churn") is None
    assert rows(trained, "churn_predictions") == before


def test_with_a_signing_key_unsigned_models_score_only_once_approved(
    trained: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(artifacts.SIGNING_KEY, "a key of the team")
    for refused in (lambda: score("churn", DAY), lambda: promote("churn", 1, **WHO)):
        with pytest.raises(ArtifactRefused, match="is not signed"):
            refused()
    approve("churn", 1, **WHO)
    assert score("churn", DAY).version == 1
    monkeypatch.setenv(artifacts.SIGNING_KEY, "a stranger's key")
    with pytest.raises(ArtifactRefused, match="is of no key"):
        score("churn", date(1998, 4, 2))


@pytest.mark.parametrize("flow", [promote, approve, reject, rollback, retire])
def test_each_form_demands_who_and_why(flow: Any):
    schema = parameter_schema(flow.fn).model_dump_for_openapi()
    assert {"model", "by", "reason"} <= set(schema["required"])
    for name in ("by", "reason"):
        assert schema["properties"][name]["minLength"] == 1
        assert schema["properties"][name]["description"]
    assert schema["properties"]["model"]["enum"] == ["churn"]


def test_a_server_is_told_what_was_made_of_what(trained: Path, server: Server):
    score("churn", DAY)
    made = {"event": {"name": ["prefect.asset.materialization.succeeded"]}}
    ours = {"resource": {"id": ["dayloop://predictions/churn"]}}

    def seen() -> list[dict[str, Any]]:
        return server.ask("events/filter", filter={**made, **ours})["events"]

    event = until(seen, 30, "the event has come")[0]
    assert event["payload"] == {"day": "1998-04-01", "version": 1, "rows": 23570}
    related = [each["prefect.resource.id"] for each in event["related"]]
    assert {"dayloop://models/churn", "dayloop://tables/sales"} <= set(related)
    assert any(name.startswith("prefect.task-run.") for name in related)


def test_the_verbs_that_only_look_say_it_on_one_screen(project: Project, trained: Path):
    score("churn", DAY)
    before = contents(trained)

    def say(*words: str, status: int = 0) -> str:
        done = project.run(*words)
        assert done.returncode == status, done.stderr
        assert "--json" in words or len(done.stdout.splitlines()) <= 50
        return done.stdout + done.stderr

    shown = say("models", "churn")
    assert "champion" in shown and "registered, promoted by gate" in shown
    assert "logistic_regression" in say("runs", "churn")
    known = json.loads(say("runs", "churn", "--json"))["runs"]
    compared = json.loads(say("runs", "churn", "1", known[0]["fingerprint"], "--json"))
    assert set(compared["differences"]) >= {"candidate", "estimate"}
    traced = say("why", "churn", "--entity", "123", "--day", "1998-04-01")
    for word in ("churn of 00123", "recency_days", "landing/sales/", "str_matches", "version 1"):
        assert word in traced
    assert "bit for bit" in say("reproduce", "churn", "1")
    assert "no version 9" in say("reproduce", "churn", "9", status=2)
    project.rewrite("catalog/models/churn.py", ("spent / orders", "spent / orders + 1"))
    assert "not reproduced" in say("reproduce", "churn", status=1)
    assert contents(trained) == before


def require_whole(home: Path, seen: list[Record]) -> list[Record]:
    """What holds after a kill at any moment: no event lost, no gap, no torn model."""
    now = registry.history("churn")
    assert now[: len(seen)] == seen
    assert [event.number for event in now] == list(range(1, len(now) + 1))
    assert all(event.artifact == now[0].artifact or event.version > 1 for event in now)
    for version in registry.versions("churn"):
        artifacts.load(version.artifact)
    for folder in (home / "models" / "churn").glob("[!.]*"):  # none yet, where it fell so early
        if folder.name != "snapshots":
            found = artifacts.find("churn", folder.name)
            assert found is not None
            artifacts.load(found)
    return now


def killed(project: Project, words: tuple[str, ...], seconds: float) -> bool:
    """Whether it was killed before it had ended."""
    running = project.start(*words)
    time.sleep(seconds)
    running.send_signal(signal.SIGKILL)
    return running.wait() == -signal.SIGKILL


def seconds_of(run: Callable[[], Any]) -> float:
    begun = time.monotonic()
    run()
    return time.monotonic() - begun


def test_retrain_killed_at_random_moments_tears_and_loses_nothing(
    project: Project, loaded: Path, first_champion: Path
):
    dice, words = random.Random(1), ("retrain", "churn", "--as-of", str(DAY))
    fresh = loaded.with_name("fresh")
    shutil.copytree(loaded, fresh)
    whole = seconds_of(lambda: project.run(*words, DAYLOOP_HOME=str(fresh)))
    seen: list[Record] = []
    for _ in range(KILLS):
        killed(project, words, dice.uniform(0.2, 1.1) * whole)
        seen = require_whole(loaded, seen)
        if seen and dice.random() < 0.5:  # from the beginning
            for folder in ("models", "tables/registry", "tables/runs"):
                shutil.rmtree(loaded / folder, ignore_errors=True)
            seen = []
    done = project.run(*words)
    assert done.returncode == 0, done.stderr
    require_whole(loaded, seen)
    assert models(loaded) == models(first_champion)
    assert contents(loaded)["registry"] == contents(first_champion)["registry"]
    assert contents(loaded)["runs"] == contents(first_champion)["runs"]


def test_promote_killed_at_random_moments_loses_no_event(project: Project, trained: Path):
    first = registry.champion("churn")
    assert first is not None
    others = [path for path in models(trained) if path != first.artifact.path]
    other = artifacts.find("churn", Path(others[0]).name)
    assert other is not None
    registry.register("churn", other, by="test", reason="a second version")
    dice, seen = random.Random(2), registry.history("churn")

    def words() -> tuple[str, ...]:
        serving = registry.champion("churn")
        number = 1 if serving and serving.number == 2 else 2
        return ("promote", "churn", str(number), "--by", "Ann", "--reason", "a test")

    whole = seconds_of(lambda: project.run(*words()))
    assert len(registry.history("churn")) == len(seen) + 1
    for _ in range(KILLS):
        seen = require_whole(trained, seen)
        killed(project, words(), dice.uniform(0.5, 1) * whole)
        assert len(registry.history("churn")) - len(seen) in (0, 1)
    seen = require_whole(trained, seen)
    assert project.run(*words()).returncode == 0
    assert len(require_whole(trained, seen)) == len(seen) + 1
