"""The outbox: an alert is recorded before it is sent, and tried until every receiver has it.

A kill at any moment loses none: what was sent but not yet recorded is sent again, under the
same id. Each receiver is served on its own; on one machine only one process at a time serves
it, so that two flows ending together do not tell everything twice.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pyarrow.compute as pc

from core import lake
from core.alerting import delivery, outbox_table
from core.alerting.alerts import SEVERITIES, Alert
from core.alerting.delivery import Tally
from core.alerting.outbox_table import SETTLED, Event, is_owed, opener
from core.alerting.receivers import UNDELIVERED, Receiver
from core.alerting.webhooks import Answer
from core.errors import LakeBusy, UsageError
from core.intervals import utc_now

DELIVERY_SECONDS = 60.0
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How far an alert is at one receiver.

    Attributes:
        receiver: its name.
        status: queued, failed (to be tried again), delivered, suppressed, skipped or dead.
        attempts: requests made so far.
        next_try: not before this, UTC; None where there is nothing to wait for.
        detail: how the last try ended.
    """

    receiver: str
    status: str
    attempts: int = 0
    next_try: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """An alert in the outbox.

    Attributes:
        id: the alert's id, with a number where the same event came back after it was over.
        alert: what is told.
        queued_at: when it was recorded, UTC.
        deliveries: for each receiver met so far; none yet where there is no receiver.
    """

    id: str
    alert: Alert
    queued_at: datetime
    deliveries: tuple[Delivery, ...]

    @property
    def status(self) -> str:
        """The one word for a list: waiting, dead where a receiver never got it, or done."""
        each = {delivery.status for delivery in self.deliveries}
        if not each or each & {"queued", "failed"}:
            return "waiting"
        return next((s for s in ("dead", "delivered", "suppressed") if s in each), "skipped")


def queue(alerts: Sequence[Alert], *, now: datetime | None = None) -> list[Alert]:
    """Records the alerts that are not there yet, in one commit, and returns these.

    The same event again writes nothing, unless it was resolved in between.
    """
    if not alerts:
        return []
    at = now or utc_now()
    unique = {alert.id: alert for alert in reversed(alerts)}
    story = _Story({alert.fingerprint for alert in alerts})
    new = [alert for alert in reversed(unique.values()) if not story.is_open(alert)]
    events = []
    for place, alert in enumerate(new):
        times = story.times[alert.id]
        moment = story.after(alert.fingerprint, at + place * _TICK)
        events.append(opener("queued", moment, alert, f"_{times + 1}" if times else ""))
    outbox_table.append(events)
    return new


def resolve(
    kind: str, subject: str, *, text: str = "", run_url: str = "", now: datetime | None = None
) -> Alert | None:
    """Records that a thing is over, where it was told and is not over yet.

    Returns:
        The alert that will say so; None where there was nothing to resolve.
    """
    probe = Alert(kind=kind, subject=subject, title="")
    story = _Story({probe.fingerprint})
    open_ids = list(story.open.get(probe.fingerprint, {}))
    if not open_ids:
        return None
    told = [Alert.from_json(each) for each in outbox_table.texts(open_ids).values()]
    worst = min(told, key=lambda alert: SEVERITIES.index(alert.severity))
    at = story.after(probe.fingerprint, now or utc_now())
    over = Alert(
        kind=kind,
        subject=subject,
        title=f"Resolved: {worst.title}",
        text=text,
        severity=worst.severity,
        owner=worst.owner,
        run_url=run_url,
        key=f"resolved {open_ids[0]}",
        resolves=open_ids[0],
    )
    outbox_table.append([opener("resolved", at, over)])
    return over


def told(kind: str, subjects: Sequence[str]) -> dict[str, tuple[Alert, ...]]:
    """The alerts about these things that are not over yet, oldest first; only what has any."""
    prints = {s: Alert(kind=kind, subject=s, title="").fingerprint for s in subjects}
    story = _Story(set(prints.values()))
    open_ids = {s: list(story.open.get(thing, ())) for s, thing in prints.items()}
    texts = outbox_table.texts([each for ids in open_ids.values() for each in ids])
    return {
        subject: tuple(Alert.from_json(texts[each]) for each in ids)
        for subject, ids in open_ids.items()
        if ids
    }


def deliver(
    receivers: Sequence[Receiver],
    *,
    now: datetime | None = None,
    seconds: float = DELIVERY_SECONDS,
) -> dict[str, Tally]:
    """Sends what is due to each receiver, all at once, and records how it went.

    Nothing is begun after so many seconds; what is left stays in the outbox. A receiver
    that cannot be reached is in its tally, never an exception.

    Raises:
        LakeBusy: the outbox itself could not be written.
    """
    if not receivers:
        return {}
    began, start = time.monotonic(), now or utc_now()

    def clock() -> datetime:
        return start + timedelta(seconds=time.monotonic() - began)

    # First, so that a loop which is killed again and again gets over a table of many files.
    with contextlib.suppress(LakeBusy):
        outbox_table.tidy(start - timedelta(minutes=1))
    tallies = delivery.run(receivers, clock, began + seconds)
    back = _back_again(list(tallies), clock(), timedelta(seconds=seconds))
    if back or any(tally.mourned for tally in tallies.values()):  # that goes to the others now
        others = [each for each in receivers if not tallies[each.name].mourned]
        for name, tally in delivery.run(others, clock, began + seconds).items():
            delivered = tallies[name].delivered + tally.delivered
            tallies[name] = replace(tally, delivered=delivered)
    return tallies


def _back_again(names: Sequence[str], now: datetime, run: timedelta) -> list[Alert]:
    """Resolves what was told of receivers that could not be told and have got alerts since.

    What they got in the run that found them dead does not count: it says nothing of after.
    """
    prints = {n: Alert(kind=UNDELIVERED, subject=n, title="").fingerprint for n in names}
    story = _Story(set(prints.values()))
    mourned = {name: story.last[thing] for name, thing in prints.items() if story.open.get(thing)}
    if not mourned:
        return []
    pairs = outbox_table.pairs(outbox_table.read())
    over = []
    for name, since in mourned.items():
        got = pc.and_(pc.equal(pairs["receiver"], name), pc.equal(pairs["event"], "delivered"))
        if (pc.max(pairs.filter(got)["at"]).as_py() or since) > since + run:
            over.append(resolve(UNDELIVERED, name, text="It gets alerts again.", now=now))
    return [each for each in over if each]


def try_out(
    receivers: Sequence[Receiver], alerts: Sequence[Alert], *, now: datetime | None = None
) -> list[tuple[str, Alert, Answer]]:
    """Sends alerts past the outbox, and says what each receiver answered to each."""
    return delivery.try_out(receivers, alerts, now or utc_now())


def redeliver(alert_id: str, *, now: datetime | None = None) -> tuple[str, ...]:
    """Has a dead alert tried again, and calls its receivers that are disabled again.

    Returns:
        The names of the receivers that will be tried.

    Raises:
        UsageError: no such alert, or it is not dead anywhere.
    """
    at = now or utc_now()
    record = next((each for each in state() if each.id == alert_id), None)
    if record is None:
        raise UsageError(f"no alert {alert_id} in the outbox; python -m flows alerts lists them")
    names = tuple(each.receiver for each in record.deliveries if each.status == "dead")
    if not names:
        raise UsageError(f"alert {alert_id} is not dead: there is nothing to deliver again")
    thing = record.alert.fingerprint
    events = [Event(at, alert_id, thing, "redeliver", name) for name in names]
    outbox_table.append([*events, *(Event(at, "", "", "enabled", name) for name in names)])
    return names


def state(*, now: datetime | None = None) -> list[Record]:
    """Every alert and how far it is at each receiver, oldest first."""
    records = _deliveries(now or utc_now())
    texts = outbox_table.texts([alert_id for alert_id, _, _ in records])
    return [
        Record(id=key, alert=Alert.from_json(texts[key]), queued_at=at, deliveries=found)
        for key, at, found in records
    ]


def waiting(*, now: datetime | None = None) -> int:
    """How many alerts some receiver has yet to get, or nobody at all."""
    return sum(
        not found or any(each.status in ("queued", "failed") for each in found)
        for _, _, found in _deliveries(now or utc_now())
    )


def _deliveries(now: datetime) -> list[tuple[str, datetime, tuple[Delivery, ...]]]:
    events = outbox_table.read()
    known = outbox_table.standings(events)
    found: dict[str, dict[str, Delivery]] = {}
    for row in outbox_table.pairs(events).to_pylist():
        found.setdefault(row["alert_id"], {})[row["receiver"]] = Delivery(
            receiver=row["receiver"],
            status=row["event"],
            attempts=row["attempt_max"],
            next_try=row["due_max"] if row["event"] == "failed" else None,
            detail=row["detail"],
        )
    records = []
    for row in outbox_table.openers(events).to_pylist():
        each = found.get(row["alert_id"], {})
        settled = any(delivery.status in SETTLED for delivery in each.values())
        for name, standing in known.items():
            if name not in each and is_owed(row["at"], settled, standing.since, now):
                each[name] = Delivery(receiver=name, status="queued")
            if standing.disabled and name in each and each[name].status not in SETTLED:
                each[name] = Delivery(receiver=name, status="dead", detail="disabled since a 410")
        records.append((row["alert_id"], row["at"], tuple(each.values())))
    return records


class _Story:
    """What was opened and resolved of some things."""

    def __init__(self, prints: set[str]) -> None:
        where: lake.Where = (lake.Condition("event", "in", outbox_table.OPENERS),)
        if len(prints) <= 500:
            where = (*where, lake.Condition("fingerprint", "in", sorted(prints)))
        self.open: dict[str, dict[str, None]] = {}  # a thing's alerts since it was last over
        self.times: Counter[str] = Counter()  # how often an event was recorded
        self.last: dict[str, datetime] = {}  # when a thing was last opened or resolved
        for row in outbox_table.openers(outbox_table.read(where)).to_pylist():
            thing, key = row["fingerprint"], row["alert_id"]
            self.last[thing] = row["at"]
            if row["event"] == "resolved":
                self.open[thing] = {}
            else:
                self.open.setdefault(thing, {})[key] = None
                self.times[_base(key)] += 1

    def is_open(self, alert: Alert) -> bool:
        """Whether the event was recorded and is not over."""
        times = self.times[alert.id]
        key = alert.id + (f"_{times}" if times > 1 else "")
        return key in self.open.get(alert.fingerprint, {})

    def after(self, thing: str, at: datetime) -> datetime:
        """This moment, or just after the thing's last event where a clock runs behind."""
        return max(at, self.last[thing] + _TICK) if thing in self.last else at


def _base(key: str) -> str:
    return "_".join(key.split("_")[:2])
