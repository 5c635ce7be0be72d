"""The loop over days, on CDNOW: what it does, what it does not do twice, and whom it tells."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.alerting import outbox, receivers
from core.errors import NotTrained
from core.intervals import utc_now
from core.models import artifacts, registry
from flows.daily import daily
from flows.monitor import monitor
from flows.retrain import retrain
from flows.score import score
from tests.core.alerting.local_receiver import Request, serve
from tests.flows.support import alerts, contents, free_port, models, rows, versions

FIRST_DAY = date(1998, 4, 1)
pytestmark = pytest.mark.usefixtures("server")


def test_the_first_champion_is_better_than_075_out_of_time(trained: Path):
    champion = registry.champion("churn")

    assert champion is not None
    known = artifacts.manifest(champion.artifact)
    assert known["metric"]["value"] >= 0.75
    assert known["metric"]["low"] >= 0.75
    assert known["plan"]["holdout_day"] == "1998-01-01"  # 90 days of labels to learn the truth
    assert known["plan"]["train_day"] == "1997-10-03"
    assert {row["candidate"] for row in rows(trained, "runs")} == {
        "logistic_regression",
        "gradient_boosting",
        "random_forest",
    }


def test_a_day_is_loaded_scored_and_watched_and_doing_it_again_changes_nothing(trained: Path):
    first = daily(FIRST_DAY)

    assert first.changed
    assert [each.rows_good for each in first.loaded] == [46]
    [churn] = first.models
    assert churn.scored and churn.scored.rows == 23_570
    assert churn.watched and "recency_days" in churn.watched.drifted
    assert churn.trained is None
    before, commits = contents(trained), versions(trained)
    told, kept = alerts(trained), models(trained)

    second = daily(FIRST_DAY)

    assert not second.changed
    assert contents(trained) == before
    assert versions(trained) == commits
    assert alerts(trained) == told
    assert models(trained) == kept


def test_predictions_made_again_are_the_same_to_the_last_bit(trained: Path):
    def predicted() -> list[tuple[str, str]]:
        score("churn", FIRST_DAY)
        found = rows(trained, "churn_predictions")
        return sorted((row["entity"], row["score"].hex()) for row in found)

    before = predicted()
    shutil.rmtree(trained / "tables" / "churn_predictions")

    assert predicted() == before


def test_a_dead_receiver_neither_fails_the_loop_nor_loses_the_event(
    trained: Path, monkeypatch: pytest.MonkeyPatch
):
    dead = f"http://127.0.0.1:{free_port()}/nobody"
    with serve() as alive, serve(lambda request: request.answer(500, b"no")) as failing:
        monkeypatch.setenv("DAYLOOP_WEBHOOKS", ",".join((dead, failing.url, alive.url)))

        daily(FIRST_DAY)

        ids = {seen.id for seen in alive.seen}
        kinds = {seen.json["kind"] for seen in alive.seen}
        assert kinds == {"promotion", "drift", "data_warning"}  # a quiet day, by its limits
        assert {seen.id for seen in failing.seen} == ids
        assert {record.id for record in outbox.state() if record.status == "waiting"} == ids

        failing.behave = Request.answer
        failing.seen.clear()
        later = utc_now() + timedelta(minutes=2)
        outbox.deliver(receivers.parse(failing.url), now=later)

        assert {seen.id for seen in failing.seen} == ids


def test_a_flow_that_fails_tells_so_with_the_command_to_run(
    home: Path, receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAYLOOP_WEBHOOKS", receiver.url)

    with pytest.raises(NotTrained, match="sales has never been loaded"):
        retrain("churn", FIRST_DAY)

    [seen] = receiver.seen
    assert seen.json["kind"] == "failed_flow"
    assert seen.json["subject"] == "retrain churn 1998-04-01"
    assert seen.json["todo"] == "python -m flows retrain churn --as-of 1998-04-01"
    assert seen.json["owner"] == "crm@example.com"
    assert "sales has never been loaded" in seen.json["title"]


def test_what_failed_is_resolved_when_the_same_run_succeeds(
    trained: Path, receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAYLOOP_WEBHOOKS", receiver.url)
    with pytest.raises(NotTrained, match="nothing was scored"):
        monitor("churn", FIRST_DAY)

    score("churn", FIRST_DAY)
    monitor("churn", FIRST_DAY)
    monitor("churn", FIRST_DAY)

    told = [seen.json for seen in receiver.seen if seen.json["kind"] == "failed_flow"]
    assert [each["title"].partition(":")[0] for each in told] == [
        f"monitor churn {FIRST_DAY} failed",
        "Resolved",
    ]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """`python -m flows` in this process: its exit status, and what it said on stderr."""
    import logging

    from flows.__main__ import main

    log = logging.getLogger("dayloop")

    def run(*words: str) -> tuple[int, str]:
        handlers, propagates = log.handlers[:], log.propagate
        try:
            status = _status(main, list(words))
        finally:
            log.handlers[:], log.propagate = handlers, propagates
        return status, capfd.readouterr().err

    return run


def _status(main: Callable[[list[str]], int], words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as ended:  # the command line itself was wrong
        return int(ended.code or 0)


def test_people_promote_roll_back_and_retire_on_the_record(trained: Path, cli):
    first = registry.champion("churn")
    assert first is not None
    others = [path for path in models(trained) if path != first.artifact.path]
    other = artifacts.find("churn", Path(others[0]).name)
    assert other is not None
    assert registry.register("churn", other, by="test", reason="a second version") == 2
    record = ("--by", "Ann", "--reason", "the shop asked for it")

    assert cli("promote", "churn", "2", *record)[0] == 0
    assert champion() == 2
    assert cli("promote", "churn", "2", *record)[0] == 0  # it is already
    assert cli("rollback", "churn", *record)[0] == 0
    assert champion() == 1
    assert cli("retire", "churn", "2", *record)[0] == 0

    status, said = cli("promote", "churn", "2", *record)
    assert status == 1
    assert "dayloop: churn 2 is retired and cannot serve; retrain" in said
    status, said = cli("rollback", "churn", *record)
    assert status == 2
    assert "no earlier champion" in said
    status, said = cli("promote", "churn", "9", *record)
    assert status == 2
    assert "dayloop: churn has no version 9; it has 1, 2" in said
    assert cli("promote", "churn", "2", "--by", "Ann")[0] == 2  # no reason given

    events: list[dict[str, Any]] = sorted(rows(trained, "registry"), key=lambda row: row["number"])
    assert [(row["event"], row["version"]) for row in events] == [
        ("registered", 1),
        ("promoted", 1),
        ("registered", 2),
        ("promoted", 2),
        ("rolled_back", 1),
        ("retired", 2),
    ]
    assert {(row["by"], row["reason"]) for row in events[3:]} == {("Ann", record[3])}


def champion() -> int:
    found = registry.champion("churn")
    return found.number if found else 0
