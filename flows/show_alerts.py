"""How alerts, their trial and the heartbeat look."""

from core.alerting.heartbeat import Heartbeat
from flows.alert_test import Trial
from flows.alerts import Alerts, in_words
from flows.show import as_text, commands, counted, table, watched


@as_text.register
def _(seen: Alerts) -> None:
    rows = [
        (each.id, in_words(each.age), each.status, f"{each.severity}: {each.title}", where)
        for each in seen.alerts
        for where in ["\n".join(each.receivers) or "nobody yet"]
    ]
    if rows:
        table("Alerts", ("id", "age", "state", "what", "where"), rows)
    else:
        print("no alerts")
    if seen.left_out:
        print(f"{seen.left_out:,} older ones are done with: --all shows them")
    waiting = [each for each in seen.alerts if each.status == "waiting"]
    dead = [each for each in seen.alerts if each.status == "dead"]
    commands(
        [("python -m flows deliver", "send what waits")] * bool(waiting)
        + [(f"python -m flows alerts --redeliver {e.id}", "once it can arrive") for e in dead[:1]]
    )
    if seen.redelivered:
        print(f"to be tried again: {', '.join(seen.redelivered)}; python -m flows deliver")


@as_text.register
def _(done: Trial) -> None:
    table(
        "",
        ("receiver", "kind", "severity", "accepted", "answer"),
        (
            (each.receiver, each.kind, each.severity, _yes(each.accepted), each.answer)
            for each in done.answers
        ),
    )
    for name in done.not_called:
        print(f"{name}: its rules want none of these")
    commands([("python -m flows deliver", "send what waits")])


def _yes(accepted: bool) -> str:
    return "yes" if accepted else "NO"


@as_text.register
def _(seen: Heartbeat) -> None:
    if not (seen.failed or watched()):
        return  # cron would mail it
    table(
        "",
        ("what", "due", "state", ""),
        ((each.subject, each.day or "", each.status, each.detail) for each in seen.pulses),
    )
    told, receivers = counted(seen.told, "new alert"), counted(seen.receivers, "receiver")
    print(f"{told}, {seen.resolved} over, {receivers}")
    if seen.ping:
        print(f"dead-man service: {seen.ping}")


@as_text.register
def _(delivered: dict) -> None:  # type: ignore[type-arg]
    if not delivered:
        print("nobody to tell: set DAYLOOP_WEBHOOKS, see deployments/README.md")
        return
    table(
        "",
        ("receiver", "delivered#", "waiting#", "dead#", ""),
        (
            (name, each.delivered, each.waiting, each.dead, each.detail)
            for name, each in delivered.items()
        ),
    )
    commands([("python -m flows alerts", "each alert, and where it is")])
