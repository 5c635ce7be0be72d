"""What people type about alerts, and that no secret of theirs is left behind anywhere."""

import json
import os
import sqlite3
import subprocess
import sys
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from secrets import token_bytes
from typing import Any

import httpx
import pytest

from core.alerting import outbox, receivers
from core.alerting.alerts import Alert
from core.alerting.receivers import parse
from core.intervals import utc_now
from tests.conftest import ROOT, Project
from tests.core.alerting.local_receiver import Request, serve
from tests.core.alerting.local_receiver import Server as Receiver
from tests.flows.support import Server, free_port, rows, until

NOT_THERE = "http://127.0.0.1:9/api"  # where no Prefect server is


@pytest.fixture
def verbs(home: Path, tmp_path: Path) -> Project:
    """The project itself: these verbs change none of its files."""
    return Project(ROOT)


def make(title: str, **fields: Any) -> Alert:
    return Alert(**{"kind": "drift", "subject": f"churn {title}", "title": title, **fields})


def test_alerts_lists_what_waits_what_was_delivered_and_what_is_dead(
    verbs: Project, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAYLOOP_ALLOW_PRIVATE", "1")
    answers = {"one": 200, "two": 404, "three": 503}
    receiver.behave = lambda request: request.answer(answers[request.json["title"]])
    now = utc_now() - timedelta(hours=3)
    outbox.queue([make(title) for title in answers], now=now)
    outbox.queue([make("old")], now=now - timedelta(days=30))
    answers["old"] = 200
    outbox.deliver(parse(receiver.url), now=now)
    name = parse(receiver.url)[0].name

    done = verbs.run("alerts", "--json", PREFECT_API_URL=NOT_THERE)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["left_out"] == 1
    by_title = {each["title"]: each for each in found["alerts"]}
    assert {title: each["status"] for title, each in by_title.items()} == {
        "one": "delivered",
        "two": "dead",
        "three": "waiting",
        f"Alerts do not reach {name}": "skipped",  # by itself
    }
    assert by_title["one"]["receivers"] == [f"{name}: delivered"]
    assert by_title["two"]["receivers"] == [f"{name}: dead (answered 404)"]
    assert by_title["three"]["receivers"][0].startswith(f"{name}: failed, next in ")

    shown = verbs.run("alerts", "--all").stdout
    assert "3 h" in shown
    assert "30 d" in shown
    assert "TOKEN" not in shown + done.stdout

    dead = by_title["two"]["id"]
    again = verbs.run("alerts", "--redeliver", dead)
    assert f"to be tried again: {name}; python -m flows deliver" in again.stdout
    twice = verbs.run("alerts", "--redeliver", dead)
    assert twice.returncode == 2
    assert "is not dead" in twice.stderr


@pytest.mark.parametrize("verb", ["alerts", "heartbeat", "alert_test"])
def test_these_verbs_need_no_prefect(verb: str, home: Path):
    code = f"import sys, flows.{verb}, flows.show_alerts; print('prefect' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"


def test_alert_test_sends_one_of_each_kind_and_shows_each_answer(
    verbs: Project, receiver: Receiver
):
    def behave(request: Request) -> None:
        request.answer(404 if request.json["kind"] == "decay" else 200)

    receiver.behave = behave
    env = {"DAYLOOP_WEBHOOKS": receiver.url, "DAYLOOP_ALLOW_PRIVATE": "1"}

    done = verbs.run("alert-test", "--json", **env)

    assert done.returncode == 1
    answers = {each["kind"]: each for each in json.loads(done.stdout)["answers"]}
    assert [kind for kind, each in answers.items() if not each["accepted"]] == ["decay"]
    assert answers["decay"]["answer"] == "answered 404"
    assert set(answers) == {seen.json["kind"] for seen in receiver.seen} | {"late, resolved"}
    assert {each["severity"] for each in answers.values()} == {"page", "warn", "info"}
    assert outbox.state() == []

    receiver.behave = Request.answer
    done = verbs.run("alert-test", "--receiver", "127.0.0.1", **env)
    assert done.returncode == 0, done.stderr
    assert "yes" in done.stdout
    assert "NO" not in done.stdout


def test_a_receiver_with_rules_is_tried_with_what_they_let_through(
    verbs: Project, receiver: Receiver
):
    wants = "#model=churn&owner=crm@example.com&kind=drift,decay"
    env = {"DAYLOOP_WEBHOOKS": receiver.url + wants, "DAYLOOP_ALLOW_PRIVATE": "1"}

    done = verbs.run("alert-test", **env)

    assert done.returncode == 0, done.stderr
    assert {seen.json["kind"] for seen in receiver.seen} == {"drift", "decay"}


def test_in_pagerduty_no_test_stays_open(verbs: Project, receiver: Receiver):
    receiver.behave = lambda request: request.answer(202)
    address = f"pagerduty+http://KEY@127.0.0.1:{receiver.port}/v2/enqueue#kind=late,decay,drift"

    done = verbs.run("alert-test", DAYLOOP_WEBHOOKS=address, DAYLOOP_ALLOW_PRIVATE="1")

    assert done.returncode == 0, done.stderr
    actions = {"trigger": set(), "resolve": set()}
    for seen in receiver.seen:
        actions[seen.json["event_action"]].add(seen.json["dedup_key"])
    assert len(actions["trigger"]) == 3
    assert actions["trigger"] == actions["resolve"]


def test_a_receiver_that_is_not_there_is_a_usage_mistake(verbs: Project):
    words = ("alert-test", "--receiver", "nobody")
    done = verbs.run(*words, DAYLOOP_WEBHOOKS="http://127.0.0.1:9/TOKEN")

    assert done.returncode == 2
    assert "no receiver 'nobody'; there is json 127.0.0.1" in done.stderr
    assert "TOKEN" not in done.stderr


def test_heartbeat_looks_without_any_prefect_server(
    verbs: Project, loaded: Path, receiver: Receiver
):
    """As cron runs it where Prefect is what died."""
    env = {
        "PREFECT_API_URL": NOT_THERE,
        "DAYLOOP_WEBHOOKS": receiver.url,
        "DAYLOOP_DEADMAN_URL": f"http://127.0.0.1:{receiver.port}/ping/TOKEN",
    }

    # The sample ends in 1998: what was loaded an hour ago is late as soon as a time was due.
    done = verbs.run("heartbeat", "--json", **env)

    found = json.loads(done.stdout)
    status = {each["subject"]: each["status"] for each in found["pulses"]}
    assert status["churn predictions"] == "not begun"
    assert status["sales"] in ("late", "not begun")
    late = status["sales"] == "late"
    assert done.returncode == late
    assert [seen.path for seen in receiver.seen if seen.command == "GET"] == [
        "/ping/TOKEN/fail" if late else "/ping/TOKEN"
    ]
    assert "TOKEN" not in done.stdout + done.stderr


def test_the_flow_around_heartbeat_does_the_same(
    server: Server, loaded: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    from core.alerting import heartbeat as watch
    from flows.heartbeat_flow import heartbeat

    monkeypatch.setattr(watch, "utc_now", lambda: utc_now() + timedelta(days=2))
    monkeypatch.setenv("DAYLOOP_WEBHOOKS", receiver.url)
    monkeypatch.setenv("DAYLOOP_DEADMAN_URL", receiver.url)

    found = heartbeat()

    assert found.failed
    assert [(seen.command, seen.path.rpartition("/")[2]) for seen in receiver.seen] == [
        ("POST", "TOKEN-in-the-path"),
        ("GET", "fail"),
    ]
    assert receiver.seen[0].json["kind"] == "late"


def test_no_secret_is_left_behind_by_failing_deliveries_through_flows(
    server: Server,
    server_folder: Path,
    verbs: Project,
    home: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """In Prefect's database and logs, our tables, or on the terminal."""
    from prefect.blocks.system import Secret

    from tasks.alerting import BLOCK, DEADMAN_BLOCK

    def fail(request: Request) -> None:
        behave = {0: request.reset, 1: lambda: request.answer(302, location=request.path)}
        number = len(receiver.seen) % 4
        behave.get(number, lambda: request.answer(500 - 100 * (number == 3), request.body))()

    with serve(fail) as receiver:
        base = f"127.0.0.1:{receiver.port}/TOKEN-a"
        key = "whsec_" + "TOKENTOKEN" * 4
        addresses = (
            f"http://me:TOKEN-b@{base}?x=TOKEN-c,slack+http://{base}/s,teams+http://{base}/t,"
            f"standard+http://{base}/w?secret={key},json://me:TOKEN-e@{base},"
            f"pagerduty+http://TOKENd@{base}/v2,http://127.0.0.1:9/TOKEN-f,"
            f"https://127.0.0.1:{receiver.port}/TOKEN-g,http://TOKEN-h.invalid/x"
        )
        sign = f"http://{base}/ping"
        shown = []
        loud = {"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG"}
        env = {receivers.VARIABLE: addresses, "DAYLOOP_DEADMAN_URL": sign, **loud}
        Secret(value=addresses).save(BLOCK, overwrite=True)
        Secret(value=sign).save(DEADMAN_BLOCK, overwrite=True)
        try:
            for words, given in (
                (("retrain", "churn", "--as-of", "1998-04-01"), env),  # the hook of a failure
                (("deliver",), env),  # the task
                (("retrain", "churn", "--as-of", "1998-04-02"), loud),  # addresses of the block
                (("alert-test",), env),
                (("alert-test",), {**env, receivers.VARIABLE: "https://h:TOKEN/"}),
                (("deliver",), {**env, receivers.VARIABLE: "slack+https://TOKEN:TOKEN/"}),
                (("heartbeat",), env),
                (("heartbeat",), {**env, "DAYLOOP_DEADMAN_URL": "ftp://TOKEN"}),
                (("alerts", "--all"), env),
            ):
                done = verbs.run(*words, **given)
                shown += [done.stdout, done.stderr]
        finally:
            Secret.delete(BLOCK)
            Secret.delete(DEADMAN_BLOCK)
        assert len(receiver.seen) > 30

    database = server_folder / "prefect.db"
    with sqlite3.connect(database) as connection:
        kept = "\n".join(connection.iterdump())
    assert "retrain churn 1998-04-02" in kept  # it is the right one
    assert "alerts to json 127.0.0.1" in kept  # with the logs
    shown.append(kept)
    for file in [*server_folder.rglob("*"), *home.rglob("*")]:
        if file.is_file():
            shown.append(file.read_bytes().decode("latin-1"))
    shown += [json.dumps(rows(home, "outbox"), default=str), *capfd.readouterr()]
    assert rows(home, "outbox")
    found = [text[max(0, text.find("TOKEN") - 100) :][:300] for text in shown if "TOKEN" in text]
    assert found == []


def test_the_receiver_in_the_readme_takes_what_is_signed_and_nothing_else(
    verbs: Project, tmp_path: Path
):
    text = (ROOT / "deployments/README.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    port, secret = free_port(), "whsec_" + b64encode(token_bytes(32)).decode()
    assert "port=8080" in code
    with (tmp_path / "out").open("w") as out:
        running = subprocess.Popen(
            [sys.executable, "-c", code.replace("port=8080", f"port={port}")],
            cwd=ROOT,
            env={**os.environ, "SECRET": secret},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}/alerts"
    try:

        def answer() -> int:
            try:
                return httpx.post(url, content=b"{}").status_code
            except httpx.HTTPError:
                return 0

        assert until(answer, 30, "it is up") == 401
        address = f"standard+{url}?secret={secret}#kind=drift"
        done = verbs.run("alert-test", DAYLOOP_WEBHOOKS=address, DAYLOOP_ALLOW_PRIVATE="1")
        assert done.returncode == 0, done.stdout
        assert "Test: what an alert about drift looks like" in (tmp_path / "out").read_text()
    finally:
        running.kill()
        running.wait()
