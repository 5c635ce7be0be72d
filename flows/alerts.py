"""Alerts: what was told, to whom, and what still waits. Reads only, but for --redeliver."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from cyclopts import Parameter

from core.alerting import outbox
from core.alerting.outbox import Record
from core.intervals import utc_now

LATELY = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Told:
    """An alert, and how far it is at each receiver.

    Attributes:
        id: what `--redeliver` takes.
        status: waiting, dead, delivered, suppressed (told lately) or skipped (not wanted).
        queued_at: when it was recorded, UTC.
        age: the time since.
        receivers: a receiver's safe name, and its state there.
    """

    id: str
    status: str
    severity: str
    queued_at: datetime
    age: timedelta
    title: str
    receivers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """The outbox; `left_out` older ones are done with."""

    alerts: tuple[Told, ...]
    left_out: int = 0
    redelivered: tuple[str, ...] = ()


def alerts(
    *,
    everything: Annotated[bool, Parameter(name="--all", negative=())] = False,
    redeliver: str | None = None,
) -> Alerts:
    """Shows what waits or is dead, and what was told within the last week.

    Args:
        everything: what is older, too.
        redeliver: the id of a dead alert: it will be tried again by the next delivery.
    """
    now = utc_now()
    again = outbox.redeliver(redeliver, now=now) if redeliver else ()
    records = [each for each in outbox.state(now=now) if redeliver in (None, each.id)]
    shown = [
        record
        for record in records
        if everything or record.status in ("waiting", "dead") or now - record.queued_at <= LATELY
    ]
    return Alerts(
        alerts=tuple(_told(record, now) for record in shown),
        left_out=len(records) - len(shown),
        redelivered=again,
    )


def _told(record: Record, now: datetime) -> Told:
    return Told(
        id=record.id,
        status=record.status,
        severity=record.alert.severity,
        queued_at=record.queued_at,
        age=now - record.queued_at,
        title=record.alert.title,
        receivers=tuple(_receiver(each, now) for each in record.deliveries),
    )


def _receiver(each: outbox.Delivery, now: datetime) -> str:
    words = f"{each.receiver}: {each.status}"
    if each.attempts > 1:
        words += f" after {each.attempts} tries"
    if each.next_try:
        words += f", next in {in_words(max(each.next_try - now, timedelta()))}"
    return f"{words} ({each.detail})" if each.detail and each.status != "delivered" else words


def in_words(time: timedelta) -> str:
    """A time in the largest unit that it is two or more of: `3 h`, `90 min`."""
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if time.total_seconds() >= 2 * seconds:
            return f"{time.total_seconds() // seconds:.0f} {unit}"
    return f"{time.total_seconds():.0f} s"
