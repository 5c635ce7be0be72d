import json
import logging
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core import lake
from core.alerting import delivery, outbox, outbox_table
from core.alerting.alerts import Alert
from core.alerting.outbox import deliver, queue, resolve
from core.alerting.receivers import Receiver, parse
from core.errors import UsageError
from tests.core.alerting.local_receiver import Request, Server, serve

NOW = datetime(1998, 4, 3, 6, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAYLOOP_HOME", str(tmp_path))
    monkeypatch.setenv("DAYLOOP_ALLOW_PRIVATE", "1")
    monkeypatch.delenv("DAYLOOP_ALLOWED_HOSTS", raising=False)
    return tmp_path


def make(subject: str = "sales 1998-04-02", key: str = "", **changes: str) -> Alert:
    fields = {"kind": "refused_data", "subject": subject, "title": f"{subject} refused", "key": key}
    return Alert(**fields | changes)  # type: ignore[arg-type]


def statuses(now: datetime = NOW) -> dict[str, list[str]]:
    return {
        record.alert.subject: [delivery.status for delivery in record.deliveries]
        for record in outbox.state(now=now)
    }


def first(receivers: tuple[Receiver, ...], now: datetime = NOW) -> delivery.Tally:
    return deliver(receivers, now=now)[receivers[0].name]


def always(status: int, **headers: str) -> Callable[[Request], None]:
    return lambda request: request.answer(status, **headers)


def test_an_alert_is_recorded_once_however_often_it_is_queued() -> None:
    assert queue([make(), make(title="said otherwise")], now=NOW) == [make()]
    version = lake.version("outbox")
    assert queue([make()], now=NOW + DAY) == []
    assert lake.version("outbox") == version
    (record,) = outbox.state(now=NOW)
    assert (record.alert, record.queued_at, record.deliveries) == (make(), NOW, ())


def test_an_empty_outbox_is_no_trouble() -> None:
    with serve() as server:
        assert (outbox.state(), outbox.waiting(), queue([]), resolve("a", "b")) == ([], 0, [], None)
        assert first(parse(server.url)) == delivery.Tally()
        assert (outbox.state(), outbox.waiting(), resolve("a", "b")) == ([], 0, None)


def test_with_no_receiver_alerts_wait_and_a_first_receiver_gets_them() -> None:
    queue([make("a"), make("b")], now=NOW)
    assert deliver((), now=NOW) == {}
    assert outbox.waiting(now=NOW) == 2
    with serve() as server:
        assert first(parse(server.url), NOW + 30 * DAY).delivered == 2
    assert outbox.waiting(now=NOW + 30 * DAY) == 0


def test_a_delivered_alert_is_not_sent_again() -> None:
    with serve() as server:
        queue([make()], now=NOW)
        deliver(parse(server.url), now=NOW)
        assert first(parse(server.url), NOW + HOUR) == delivery.Tally()
        assert len(server.seen) == 1
    assert server.seen[0].id == make().id
    assert statuses() == {"sales 1998-04-02": ["delivered"]}


def test_a_receiver_met_later_does_not_get_what_others_have_got() -> None:
    with serve() as old, serve() as new:
        queue([make("before")], now=NOW)
        deliver(parse(old.url), now=NOW)
        queue([make("after")], now=NOW + HOUR)
        deliver(parse(f"{old.url},{new.url}"), now=NOW + HOUR)
        assert [request.json["subject"] for request in new.seen] == ["after"]
        assert [request.json["subject"] for request in old.seen] == ["before", "after"]


def test_a_failure_is_tried_again_later_under_the_same_id() -> None:
    answers = iter([503, 500, 200])
    with serve(lambda request: request.answer(next(answers))) as server:
        receivers = parse(server.url)
        queue([make()], now=NOW)
        assert first(receivers) == delivery.Tally(waiting=1, detail="answered 503")
        (record,) = outbox.state(now=NOW)
        (how,) = record.deliveries
        assert (how.status, how.attempts, how.detail) == ("failed", 1, "answered 503")
        assert how.next_try is not None
        assert timedelta(seconds=11) <= how.next_try - NOW <= timedelta(seconds=21)
        assert first(receivers, NOW + timedelta(seconds=5)).waiting == 1
        assert len(server.seen) == 1  # not before its time
        assert first(receivers, NOW + timedelta(seconds=30)).waiting == 1
        assert first(receivers, NOW + timedelta(seconds=120)).delivered == 1
        assert {request.id for request in server.seen} == {make().id}
    assert outbox.state(now=NOW)[0].deliveries[0].attempts == 3


def test_waits_grow_to_an_hour_and_not_beyond() -> None:
    with serve(always(500)) as server:
        receivers, now, waits = parse(server.url), NOW, []
        queue([make()], now=NOW)
        for _ in range(12):
            deliver(receivers, now=now)
            due = outbox.state(now=now)[0].deliveries[0].next_try
            assert due is not None
            waits.append((due - now).total_seconds())
            now = due
    assert all(0.7 < wait / min(15 * 2**n, 3600) < 1.4 for n, wait in enumerate(waits))
    assert len({round(wait / min(15 * 2**n, 3600), 3) for n, wait in enumerate(waits)}) > 6


def test_retry_after_holds_for_all_messages_of_the_receiver() -> None:
    with serve(always(429, retry_after="600")) as server:
        receivers = parse(f"slack+{server.url}")
        queue([make("a"), make("b")], now=NOW)
        assert first(receivers).waiting == 2
        assert first(receivers, NOW + timedelta(seconds=590)).waiting == 2
        assert len(server.seen) == 1
        deliver(receivers, now=NOW + timedelta(seconds=620))
        assert len(server.seen) == 2


def test_a_refusal_is_dead_at_once_and_the_others_are_told_once() -> None:
    with serve(always(404)) as bad, serve() as good:
        receivers = parse(f"{bad.url},{good.url}")
        queue([make("a"), make("b"), make("c")], now=NOW)
        tallies = deliver(receivers, now=NOW)
        assert tallies[receivers[0].name] == delivery.Tally(
            dead=3, detail="answered 404", mourned=True
        )
        told = [request.json for request in good.seen]
    assert Counter(each["kind"] for each in told) == {"refused_data": 3, "undelivered": 1}
    assert told[-1]["subject"] == receivers[0].name
    assert "answered 404" in told[-1]["text"]
    assert len(bad.seen) == 3  # nothing about itself


def test_what_fails_for_three_days_is_dead_and_the_others_are_told() -> None:
    with serve(always(500)) as bad, serve() as good:
        receivers = parse(f"{bad.url},{good.url}")
        queue([make()], now=NOW)
        for at in (NOW, NOW + DAY, NOW + 2.9 * DAY):
            assert first(receivers, at).dead == 0
        assert first(receivers, NOW + 3.1 * DAY).dead == 1
        assert [request.json["kind"] for request in good.seen] == ["refused_data", "undelivered"]
        tries = len(bad.seen)
        deliver(receivers, now=NOW + 4 * DAY)
        assert len(bad.seen) == tries


def test_an_alert_that_waited_for_days_is_tried_before_it_is_given_up() -> None:
    queue([make()], now=NOW)
    with serve(always(500)) as server:
        tally = first(parse(server.url), NOW + 10 * DAY)
    assert (tally.waiting, tally.dead) == (1, 0)


def test_410_disables_the_receiver_until_redeliver_and_says_so() -> None:
    gone = [True]
    with serve(lambda request: request.answer(410 if gone else 200)) as bad, serve() as good:
        receivers = parse(f"slack+{bad.url},{good.url}")
        queue([make("a"), make("b")], now=NOW)
        deliver(receivers, now=NOW)
        assert len(bad.seen) == 1
        assert "answered 410" in good.seen[-1].json["text"]
        queue([make("c")], now=NOW + HOUR)
        tally = first(receivers, NOW + HOUR)
        assert tally.detail == "disabled: it answered 410"
        assert len(bad.seen) == 1
        assert statuses(NOW + HOUR)["c"] == ["delivered", "dead"]
        gone.clear()
        assert outbox.redeliver(make("a").id, now=NOW + 2 * HOUR) == (receivers[0].name,)
        deliver(receivers, now=NOW + 2 * HOUR)
    assert statuses(NOW + 2 * HOUR)["a"] == ["delivered", "delivered"]
    assert statuses(NOW + 2 * HOUR)["c"] == ["delivered", "delivered"]


def said(server: Server) -> list[tuple[str, str]]:
    return [(request.json["kind"], request.json["status"]) for request in server.seen]


def test_that_a_receiver_is_dead_is_resolved_when_it_gets_alerts_again() -> None:
    broken = [True]
    with serve(lambda request: request.answer(404 if broken else 200)) as bad, serve() as good:
        receivers = parse(f"{bad.url},{good.url}")
        queue([make("a")], now=NOW)
        deliver(receivers, now=NOW)
        deliver(receivers, now=NOW + HOUR)
        assert said(good)[-1] == ("undelivered", "open")
        broken.clear()
        queue([make("b")], now=NOW + 2 * HOUR)
        for hours in (2, 3):
            deliver(receivers, now=NOW + hours * HOUR)
        assert said(good)[2:] == [("refused_data", "open"), ("undelivered", "resolved")]
        assert len(bad.seen) == 2  # nothing about itself


def test_redeliver_sends_a_dead_alert_again_under_its_id() -> None:
    answers = iter([400, 200])
    with serve(lambda request: request.answer(next(answers))) as server:
        receivers = parse(server.url)
        queue([make()], now=NOW)
        assert first(receivers).dead == 1
        outbox.redeliver(make().id, now=NOW + HOUR)
        assert outbox.waiting(now=NOW + HOUR) == 1
        assert first(receivers, NOW + HOUR).delivered == 1
        assert len({request.id for request in server.seen}) == 1


def test_only_what_is_dead_can_be_redelivered() -> None:
    with pytest.raises(UsageError, match="no alert alert_x"):
        outbox.redeliver("alert_x")
    queue([make()], now=NOW)
    with pytest.raises(UsageError, match="is not dead"):
        outbox.redeliver(make().id)


def test_a_redirect_is_a_dead_letter_and_is_not_followed() -> None:
    with serve() as target, serve(lambda r: r.answer(302, location=target.url)) as server:
        queue([make()], now=NOW)
        tally = first(parse(server.url))
        assert target.seen == []
    assert (tally.dead, tally.detail) == (1, "answered 302: redirects are not followed")


def test_forty_failing_columns_are_one_message() -> None:
    with serve() as server:
        queue([make(key=f"column {n}", title=f"c{n} is bad") for n in range(40)], now=NOW)
        assert first(parse(server.url)).delivered == 40
        (request,) = server.seen
    assert request.json["count"] == 40
    assert request.json["title"] == "c0 is bad"


def test_the_same_thing_is_repeated_only_after_four_hours() -> None:
    with serve() as server:
        receivers = parse(server.url)
        for hours in (0, 1, 3.9, 4.1, 5):
            queue([make(key=str(hours))], now=NOW + hours * HOUR)
            deliver(receivers, now=NOW + hours * HOUR)
        assert len(server.seen) == 2
    kinds = Counter(d.status for record in outbox.state(now=NOW) for d in record.deliveries)
    assert kinds == {"delivered": 2, "suppressed": 3}


def test_worse_than_before_and_news_are_never_held_back() -> None:
    with serve() as server:
        receivers = parse(server.url)
        for n, severity in enumerate(["warn", "page", "page", "warn", "info", "info"]):
            queue([make(key=str(n), severity=severity)], now=NOW + n * HOUR / 10)
            deliver(receivers, now=NOW + n * HOUR / 10)
        assert [r.json["severity"] for r in server.seen] == ["warn", "page", "info", "info"]


def test_when_it_is_over_receivers_are_told_once_and_it_can_begin_again() -> None:
    with serve() as server:
        receivers = parse(server.url)
        queue([make()], now=NOW)
        deliver(receivers, now=NOW)
        over = resolve("refused_data", "sales 1998-04-02", now=NOW + HOUR)
        assert over is not None
        assert over.title == "Resolved: sales 1998-04-02 refused"
        assert resolve("refused_data", "sales 1998-04-02", now=NOW + HOUR) is None
        deliver(receivers, now=NOW + HOUR)
        assert queue([make()], now=NOW + 2 * HOUR) == [make()]  # the very same event, again
        assert queue([make()], now=NOW + 2 * HOUR) == []
        deliver(receivers, now=NOW + 2 * HOUR)
        assert resolve("refused_data", "sales 1998-04-02", now=NOW + 3 * HOUR) is not None
        deliver(receivers, now=NOW + 3 * HOUR)
        said = [(r.id, r.json["status"], r.json["resolves"]) for r in server.seen]
    again = f"{make().id}_2"
    assert [status for _, status, _ in said] == ["open", "resolved"] * 2
    assert [resolves for _, _, resolves in said] == ["", make().id, "", again]
    assert said[2][0] == again
    assert len({webhook_id for webhook_id, _, _ in said}) == 4


def test_a_repeat_and_the_end_say_since_when_it_lasts() -> None:
    with serve() as server:
        receivers = parse(server.url)
        for hours in (0, 5):
            queue([make(key=str(hours))], now=NOW + hours * HOUR)
            deliver(receivers, now=NOW + hours * HOUR)
        resolve("refused_data", "sales 1998-04-02", now=NOW + 6 * HOUR)
        deliver(receivers, now=NOW + 6 * HOUR)
        queue([make(key="new")], now=NOW + 9 * HOUR)
        deliver(receivers, now=NOW + 9 * HOUR)
        since = [datetime.fromisoformat(request.json["since"]) for request in server.seen]
    assert since == [NOW, NOW, NOW, NOW + 9 * HOUR]


def test_a_disabled_receiver_is_counted_once_and_costs_no_second_round() -> None:
    with serve(always(410)) as bad, serve() as good:
        receivers = parse(f"{bad.url},{good.url}")
        queue([make("a")], now=NOW)
        deliver(receivers, now=NOW)
        queue([make("b")], now=NOW + HOUR)
        tallies = deliver(receivers, now=NOW + HOUR)
    assert tallies[receivers[0].name].dead == 1
    assert tallies[receivers[1].name].delivered == 1
    assert not any(tally.mourned for tally in tallies.values())


def test_nothing_is_resolved_that_was_not_told() -> None:
    assert resolve("refused_data", "sales 1998-04-02", now=NOW) is None
    queue([make("other")], now=NOW)
    assert resolve("refused_data", "sales 1998-04-02", now=NOW) is None


def test_the_end_never_overtakes_the_beginning_even_at_one_moment() -> None:
    answers = iter([500, 200, 200, 200])
    with serve(lambda request: request.answer(next(answers))) as server:
        receivers = parse(server.url)
        queue([make()], now=NOW)
        resolve("refused_data", "sales 1998-04-02", now=NOW)
        queue([make()], now=NOW)
        deliver(receivers, now=NOW)
        assert len(server.seen) == 1
        deliver(receivers, now=NOW + HOUR)
        said = [request.json["status"] for request in server.seen]
    assert said == ["open", "open", "resolved", "open"]


def test_a_resolve_reaches_whom_the_alert_reached() -> None:
    with serve() as pager, serve() as chat:
        receivers = parse(f"{pager.url}#severity=page,{chat.url}")
        queue([make(severity="page"), make("b", severity="warn")], now=NOW)
        deliver(receivers, now=NOW)
        for subject in ("sales 1998-04-02", "b"):
            resolve("refused_data", subject, now=NOW + HOUR)
        deliver(receivers, now=NOW + HOUR)
        assert [r.json["status"] for r in pager.seen] == ["open", "resolved"]
        assert len(chat.seen) == 4
    assert outbox.waiting(now=NOW + HOUR) == 0


def test_what_a_receiver_does_not_want_is_on_record_and_never_sent_later() -> None:
    with serve() as server:
        queue([make(severity="info")], now=NOW)
        deliver(parse(f"{server.url}#severity=page"), now=NOW)
        assert statuses()["sales 1998-04-02"] == ["skipped"]
        deliver(parse(server.url), now=NOW)
        assert server.seen == []


def test_pages_go_out_first() -> None:
    with serve(lambda r: r.answer()) as server:
        alerts = [make(str(n), severity=("info", "warn", "page")[n % 3]) for n in range(9)]
        queue(alerts, now=NOW)
        deliver(parse(f"teams+{server.url}"), now=NOW)
        order = [json.dumps(r.json, ensure_ascii=False) for r in server.seen]
    assert ["🔴" in each for each in order] == [True] * 3 + [False] * 6


def test_a_dead_receiver_delays_no_other() -> None:
    with serve(lambda request: time.sleep(3) or request.answer(503)) as slow, serve() as fast:
        queue([make(str(n)) for n in range(5)], now=NOW)
        receivers = parse(f"{slow.url},{fast.url}")
        worker = threading.Thread(target=deliver, args=[receivers], kwargs={"now": NOW})
        began = time.monotonic()
        worker.start()
        while len(fast.seen) < 5 and time.monotonic() - began < 10:
            time.sleep(0.02)
        assert time.monotonic() - began < 2.5
        worker.join()


def test_a_receiver_that_is_down_is_given_up_for_this_round() -> None:
    with serve() as server:
        receivers = parse(server.url)
    queue([make(str(n)) for n in range(200)], now=NOW)
    tally = first(receivers)
    assert (tally.delivered, tally.waiting, tally.detail) == (0, 200, "connection refused")
    tries = sum(d.attempts for record in outbox.state(now=NOW) for d in record.deliveries)
    assert tries < 50


def test_nothing_is_begun_after_the_time_is_over() -> None:
    with serve(lambda request: time.sleep(0.15) or request.answer()) as server:
        queue([make(str(n)) for n in range(100)], now=NOW)
        began = time.monotonic()
        tally = deliver(parse(f"teams+{server.url}"), now=NOW, seconds=1)[
            parse(f"teams+{server.url}")[0].name
        ]
        assert time.monotonic() - began < 3
    assert 0 < tally.delivered < 10
    assert tally.waiting == 100 - tally.delivered
    assert outbox.waiting(now=NOW) == tally.waiting


def test_two_deliveries_at_once_send_everything_once() -> None:
    with serve() as server:
        queue([make(str(n)) for n in range(60)], now=NOW)
        receivers = parse(server.url)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: deliver(receivers, now=NOW), range(3)))
        assert sorted(Counter(request.id for request in server.seen).values()) == [1] * 60
    assert outbox.waiting(now=NOW) == 0


def test_two_that_queue_the_same_at_once_tell_it_once() -> None:
    alerts = [make(str(n)) for n in range(10)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: queue(alerts, now=NOW), range(4)))
    with serve() as server:
        deliver(parse(server.url), now=NOW)
        assert len(server.seen) == 10
    assert len(outbox.state(now=NOW)) == 10


def test_many_alerts_of_ten_things_are_ten_messages_and_ten_resolves() -> None:
    alerts = [make(f"thing{n % 10}", key=str(n)) for n in range(2_000)]
    with serve() as server:
        assert len(queue(alerts, now=NOW)) == 2_000
        assert first(parse(server.url)).delivered == 2_000
        assert len(server.seen) == 10
        for n in range(10):
            resolve("refused_data", f"thing{n}", now=NOW + HOUR)
        deliver(parse(server.url), now=NOW + HOUR)
        assert Counter(r.json["status"] for r in server.seen) == {"open": 10, "resolved": 10}
    assert outbox.waiting(now=NOW + HOUR) == 0


def test_a_backlog_is_delivered_in_few_commits_and_fast() -> None:
    with serve() as server:
        queue([make(str(n)) for n in range(400)], now=NOW)
        before, began = lake.version("outbox") or 0, time.monotonic()
        assert first(parse(server.url)).delivered == 400
        seconds = time.monotonic() - began
    assert (lake.version("outbox") or 0) - before < 30
    assert 400 / seconds > 40  # measured alone: several hundred a second


def test_the_table_is_rewritten_when_it_lies_in_many_files() -> None:
    for n in range(12):
        queue([make(str(n))], now=NOW + n * HOUR)
    before = outbox.state(now=NOW)
    outbox_table.tidy(NOW + 10.5 * HOUR, files=5)
    found = lake.open_table("outbox")
    assert found is not None
    assert len(found.file_uris()) == 2
    assert outbox.state(now=NOW) == before


def test_rewriting_the_table_loses_nothing_that_comes_in_meanwhile() -> None:
    queue([make("0")], now=NOW)
    stop = threading.Event()

    def tidy() -> None:
        while not stop.is_set():
            outbox_table.tidy(NOW + 100 * DAY, files=2)

    worker = threading.Thread(target=tidy)
    worker.start()
    for n in range(1, 25):
        queue([make(str(n))], now=NOW + timedelta(seconds=n))
    stop.set()
    worker.join()
    assert [record.alert.subject for record in outbox.state(now=NOW)] == [str(n) for n in range(25)]


def test_no_secret_is_anywhere_after_many_failing_deliveries(
    home: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)

    def fail(request: Request) -> None:
        match random.randrange(4):
            case 0:
                request.answer(500, request.path.encode(), x_echo=request.path)
            case 1:
                request.reset()
            case 2:
                request.answer(302, location=request.path)
            case 3:
                request.answer(400, request.body)

    with serve(fail) as server:
        base = f"127.0.0.1:{server.port}/TOKEN-a"
        key = "whsec_" + "TOKENTOKEN" * 4
        receivers = parse(
            f"http://me:TOKEN-b@{base}?x=TOKEN-c,slack+http://{base}/s,discord+http://{base}/d,"
            f"teams+http://{base}/t,standard+http://{base}/w?secret={key},"
            f"pagerduty+http://TOKENd@127.0.0.1:{server.port}/v2/enqueue,"
            f"json://me:TOKEN-e@127.0.0.1:{server.port}/TOKEN-f"
        )
        monkey = {kind: 0.0 for kind in delivery.PACE}
        now = NOW
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(delivery, "PACE", monkey)
            for round_ in range(int(os.environ.get("LONG_TEST_ROUNDS", "10"))):
                queue([make(f"{round_}-{n}") for n in range(20)], now=now)
                deliver(receivers, now=now, seconds=20)
                now += HOUR
        tries = len(server.seen)
        shown = [repr(receivers), repr(outbox.state(now=now)), caplog.text, *capfd.readouterr()]
    assert tries > 1000
    files = [path for path in home.rglob("*") if path.is_file()]
    written = b"".join(path.read_bytes() for path in files) + repr(files).encode()
    rows = lake.read("outbox")
    assert rows is not None
    shown += [written.decode("latin-1"), json.dumps(rows.to_pylist(), default=str)]
    assert [
        text[max(0, text.find("TOKEN") - 80) :][:200] for text in shown if "TOKEN" in text
    ] == []


def test_killed_anywhere_nothing_is_lost_and_repeats_carry_the_same_id(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    accepted: Counter[str] = Counter()

    def behave(request: Request) -> None:
        luck = random.random()
        if luck < 0.25:
            return request.answer(500)
        if luck < 0.30:
            return request.reset()
        accepted[request.id] += 1
        if luck < 0.35:
            return request.reset()
        return request.drip(0.3) if luck < 0.4 else request.answer()

    ledger = tmp_path_factory.mktemp("killed") / "queued"
    kills = int(os.environ.get("LONG_TEST_KILLS", "4"))
    base = time.time()
    with serve(behave) as server:
        for run in range(kills):
            process = _killed(run, base, ledger, server.url)
            time.sleep(random.uniform(0, 1.0))
            process.kill()
            process.wait()
        assert _killed(kills, base, ledger, server.url, alerts=2).wait(120) == 0
    queued = set(ledger.read_text().split())
    assert queued - set(accepted) == set()
    assert {record.id for record in outbox.state()} >= set(accepted)
    assert outbox.waiting() == 0


def _killed(
    run: int, base: float, ledger: Path, url: str, *, alerts: int = 20
) -> subprocess.Popen[bytes]:
    args = [str(run), str(base), "600", str(ledger), str(alerts)]
    env = {**os.environ, "DAYLOOP_WEBHOOKS": url, "PYTHONPATH": str(HERE.parents[2])}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "killed_delivery.py"), *args], env=env, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process
