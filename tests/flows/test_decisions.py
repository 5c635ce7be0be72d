"""What the day comes to: a decision on the record, a verdict, and whom they are told."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from core.alerting import outbox
from core.models import runs
from core.models.metrics import Estimate
from core.watch.monitoring import Watched
from core.watch.performance_table import Estimated, Realised
from core.watch.policy import Decision
from flows.daily import daily
from tasks import decisions
from tests.conftest import Project
from tests.flows.support import alerts, rows

DAY, MORNING = date(1998, 4, 1), date(1998, 4, 2)
LOW, PROMISED = Estimate(0.6, 0.59, 0.61), Estimate(0.8, 0.79, 0.81)


@pytest.fixture
def watched(trained: Path) -> Watched:
    """Nothing has moved, of a champion that was trained on 1 April."""
    return Watched("churn", MORNING, 1, (), (), True)


def dropped(kind: Any, verdict: str) -> Any:
    return kind(MORNING, 1, "roc_auc", LOW, PROMISED, 1000, verdict)


def test_every_day_leaves_one_decision_and_a_verdict(trained: Path) -> None:
    done = daily(DAY)

    [churn] = done.models
    assert churn.decision and churn.decision.action == "ignore"
    assert churn.decision.reason.endswith("0 more drifted, 1 needed")  # than when it was trained
    [row] = rows(trained, "decisions")
    assert row["day"] == MORNING
    assert (row["model"], row["version"], row["action"]) == ("churn", 1, "ignore")
    assert done.diagnosis.verdict == "healthy"
    assert "diagnosis" not in {alert["kind"] for alert in alerts(trained)}


def test_a_drop_that_is_expected_asks_for_a_retraining(watched: Watched) -> None:
    later = replace(watched, day=date(1998, 4, 9))
    expected = replace(later, estimated=(dropped(Estimated, "drop expected"),))

    assert decisions.decide.fn("churn", later).action == "ignore"
    found = decisions.decide.fn("churn", expected)
    assert found.action == "retrain"
    assert "roc_auc is expected at 0.600 (0.590 to 0.610), promised 0.800" in found.reason


def test_a_person_is_told_once_of_a_decay_that_retraining_has_not_mended(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [date(1998, 4, 1), date(1998, 4, 5)]  # as if the second had been kept back
    monkeypatch.setattr(runs, "trained_as_of", lambda model: days)
    decayed = replace(watched, day=date(1998, 4, 8), realised=(dropped(Realised, "decayed"),))

    for _ in range(2):
        assert decisions.decide.fn("churn", decayed).action == "escalate"

    [told] = [record.alert for record in outbox.state() if "needs a person" in record.alert.title]
    assert (told.kind, told.subject) == ("approval_needed", "churn version 1")
    assert decisions.decide.fn("churn", replace(decayed, realised=())) == Decision(
        "ignore", "trained as of 1998-04-05, 0 drifted, 1 needed"
    )
    assert [record.alert.resolves for record in outbox.state()][-1]


def test_what_no_other_alert_says_the_diagnosis_tells_once_and_takes_back(trained: Path) -> None:
    for _ in range(2):
        assert decisions.diagnose.fn(tells=True).verdict == "deployment"  # it has never scored

    [told] = [alert for alert in alerts(trained) if alert["kind"] == "diagnosis"]
    assert (told["subject"], told["owner"]) == ("churn", "crm@example.com")
    assert told["todo"] == "python -m flows score churn --day 1998-04-01"
    assert "has scored nothing lately" in told["text"]

    daily(DAY)

    [over] = [alert for alert in alerts(trained) if alert["kind"] == "diagnosis"][1:]
    assert over["title"].startswith("Resolved: churn")


def test_the_verb_says_its_verdict_and_the_next_command(trained: Path, project: Project) -> None:
    said = project.run("diagnose", DAYLOOP_HOME=str(trained))
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("deployment: a model is trained and does not serve")
    assert "python -m flows score churn --day 1998-04-01" in said.stdout

    found = json.loads(project.run("diagnose", "--json", DAYLOOP_HOME=str(trained)).stdout)
    assert (found["verdict"], found["evidence"][0]["version"]) == ("deployment", 1)


def test_a_replay_that_cannot_be_is_one_line(project: Project) -> None:
    done = project.run("replay", "churn", "--policy", "daily")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no policy 'daily'; there is never, weekly, monthly" in done.stderr
    done = project.run("replay", "churn", "--plot", "churn.pdf")
    assert done.returncode == 2 and "must end in .svg or .png" in done.stderr
    done = project.run("replay", "churn")
    assert done.returncode == 1 and "sales has never been loaded" in done.stderr
