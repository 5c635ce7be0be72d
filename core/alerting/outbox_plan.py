"""What a receiver is owed: grouped by thing, in order, without what it was told lately."""

from collections.abc import Iterable
from datetime import datetime
from itertools import takewhile
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from core.alerting import outbox_table
from core.alerting.alerts import SEVERITIES, Alert, Message, Severity
from core.alerting.outbox_table import DEAD_AFTER, SETTLED, Event, Standing, is_owed
from core.alerting.receivers import Receiver


class Item(NamedTuple):
    """An alert that is not settled at the receiver.

    Attributes:
        id: the alert's, with its number where it came back.
        at: when it was recorded, UTC.
        alert: what to tell.
        elsewhere: whether it is settled at another receiver.
        attempts: requests made for it so far.
        failing_since: when the first of these failed.
        due: not to be tried before.
    """

    id: str
    at: datetime
    alert: Alert
    elsewhere: bool
    attempts: int = 0
    failing_since: datetime | None = None
    due: datetime | None = None

    def settle(self, event: str, receiver: Receiver, now: datetime, detail: str) -> Event:
        """The row that says what became of it."""
        thing = self.alert.fingerprint
        return Event(now, self.id, thing, event, receiver.name, self.attempts, None, detail)


class Due(NamedTuple):
    """A message to be sent now, and the alerts it stands for, oldest first."""

    message: Message
    items: tuple[Item, ...]


class Plan(NamedTuple):
    """What a receiver is owed.

    Attributes:
        due: messages to send now, the worst and then the oldest first.
        settled: rows to record for what needs no message.
        open: how many alerts are left, due now or later.
        disabled: it answered 410: nothing is sent until `redeliver`.
    """

    due: list[Due]
    settled: list[Event]
    open: int
    disabled: bool = False


def plan(receiver: Receiver, now: datetime) -> Plan:
    """What a receiver is owed at this moment."""
    events = outbox_table.read()
    standing = outbox_table.standings(events).get(receiver.name, Standing(now, None, False))
    pairs, opened = outbox_table.pairs(events), outbox_table.openers(events)
    items = _open_items(receiver, standing, pairs, opened)
    settled: list[Event] = []
    things: dict[str, list[Item]] = {}
    for item in items:
        if why := _not_sent(receiver, item, standing, now):
            settled.append(item.settle(why[0], receiver, now, why[1]))
        else:
            things.setdefault(item.alert.fingerprint, []).append(item)
    if standing.disabled or not things:
        return Plan([], settled, len(items) - len(settled), standing.disabled)
    starts = {thing: run[0].at for thing, run in things.items()}
    told, began = _story(receiver, starts, pairs, opened, now)
    due = []
    for thing, run in things.items():
        loud = []
        for item in _head(run):
            if _is_repeat(item.alert, told.get(thing, ())):
                settled.append(item.settle("suppressed", receiver, now, "told lately"))
            else:
                loud.append(item)
        if loud and (loud[0].due or now) <= now:
            due.append(_message(loud, began[thing]))
    if standing.paused and standing.paused > now:
        due = []
    due.sort(key=lambda each: (_rank(each.message.first), each.message.since))
    return Plan(due, settled, len(items) - len(settled))


def unmet(names: Iterable[str], now: datetime) -> list[Event]:
    """Rows that introduce receivers: they are owed what waits now, and what comes."""
    events = outbox_table.read()
    known = outbox_table.standings(events)
    new = [name for name in names if name not in known]
    if not new:
        return []
    opened = outbox_table.openers(events)
    nobodys = opened.filter(pc.invert(_is_in(opened, _settled(outbox_table.pairs(events)))))
    since = pc.min(nobodys["at"]).as_py() or now
    return [Event(now, "", "", "known", name, due=since) for name in new]


def _open_items(
    receiver: Receiver, standing: Standing, pairs: pa.Table, opened: pa.Table
) -> list[Item]:
    mine = pairs.filter(pc.equal(pairs["receiver"], receiver.name))
    elsewhere = _is_in(opened, _settled(pairs))
    since = pa.scalar(standing.since, type=opened["at"].type)
    before_its_time = pc.and_(elsewhere, pc.less(opened["at"], since))
    closed = pc.or_(before_its_time, _is_in(opened, _settled(mine)))
    rows = opened.append_column("elsewhere", elsewhere).filter(pc.invert(closed)).to_pylist()
    texts = outbox_table.texts([row["alert_id"] for row in rows])
    tried = mine.filter(pc.equal(mine["event"], "failed")).to_pylist()
    failures = {
        row["alert_id"]: (row["attempt_max"], row["at_min"], row["due_max"]) for row in tried
    }
    return [
        Item(key, row["at"], Alert.from_json(texts[key]), row["elsewhere"], *failures.get(key, ()))
        for row in rows
        for key in [row["alert_id"]]
    ]


def _settled(pairs: pa.Table) -> pa.Table:
    return pairs.filter(pc.is_in(pairs["event"], pa.array(sorted(SETTLED))))


def _is_in(rows: pa.Table, others: pa.Table) -> pa.ChunkedArray:
    return pc.is_in(rows["alert_id"], others["alert_id"].combine_chunks())


def _not_sent(
    receiver: Receiver, item: Item, standing: Standing, now: datetime
) -> tuple[str, str] | None:
    if not receiver.wants(item.alert):
        return "skipped", "not wanted here"
    if item.attempts == 0 and not is_owed(item.at, item.elsewhere, standing.since, now):
        return "dead", f"not sent within {DEAD_AFTER.days} days"
    return None


def _head(run: list[Item]) -> list[Item]:
    # A thing's news go out in order: that it is over never overtakes that it began, and
    # two outbreaks are two messages.
    if run[0].alert.resolves:
        return run[:1]
    return list(takewhile(lambda item: not item.alert.resolves, run))


def _story(
    receiver: Receiver,
    starts: dict[str, datetime],
    pairs: pa.Table,
    opened: pa.Table,
    now: datetime,
) -> tuple[dict[str, list[Severity]], dict[str, datetime]]:
    """For each thing, since it was last over: severities told lately, and when it began."""
    lately = pa.scalar(now - receiver.repeat_after, type=pairs["at"].type)
    mine = pc.and_(pc.equal(pairs["receiver"], receiver.name), pc.greater(pairs["at"], lately))
    got = pairs.filter(pc.and_(mine, pc.equal(pairs["event"], "delivered")))
    about = opened.filter(pc.is_in(opened["fingerprint"], pa.array(list(starts), pa.string())))
    told: dict[str, list[Severity]] = {}
    began: dict[str, datetime] = {}
    for row in about.append_column("got", _is_in(about, got)).to_pylist():
        thing = row["fingerprint"]
        if row["event"] == "resolved" and row["at"] < starts[thing]:
            told.pop(thing, None)
            began.pop(thing, None)
        elif row["event"] == "queued":
            began.setdefault(thing, row["at"])
            if row["got"]:
                told.setdefault(thing, []).append(row["detail"])
    return told, {thing: min(began.get(thing, at), at) for thing, at in starts.items()}


def _is_repeat(alert: Alert, told: Iterable[Severity]) -> bool:
    # News (info) and the end of a thing are never repeats; worse than before is not either.
    if alert.severity == "info" or alert.resolves:
        return False
    return any(SEVERITIES.index(severity) <= _rank(alert) for severity in told)


def _rank(alert: Alert) -> int:
    return SEVERITIES.index(alert.severity)


def _message(items: list[Item], began: datetime) -> Due:
    alerts = tuple(item.alert for item in items)
    return Due(Message(id=items[0].id, alerts=alerts, since=began), tuple(items))
