"""The outbox table: append-only events, and what they add up to for each alert and receiver.

An alert is opened by `queued` (or `resolved`, the news that it is over). What became of it
at a receiver is `failed` (to be tried again), or settled: `delivered`, `suppressed` (the
same thing was told a short while ago), `skipped` (not wanted there), `dead`. `redeliver`
takes back what was settled before. About a receiver itself: `known`, `paused`, `disabled`,
`enabled`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from core import faults, lake
from core.alerting.alerts import Alert

TABLE = "outbox"
DEAD_AFTER = timedelta(days=3)
OPENERS = ["queued", "resolved"]
# Where two processes tried the same at once, the later in this order is what holds.
PAIRS = ["failed", "dead", "skipped", "suppressed", "delivered"]
SETTLED = frozenset(PAIRS[1:])
_MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("at", _MOMENT),
        ("alert_id", pa.string()),
        ("fingerprint", pa.string()),
        ("event", pa.string()),
        ("receiver", pa.string()),
        ("attempt", pa.int64()),
        ("due", _MOMENT),
        ("detail", pa.string()),
        ("alert", pa.string()),
    ]
)


class Event(NamedTuple):
    """One row.

    Attributes:
        at: when it happened, UTC.
        alert_id: of which alert; empty where it is about a receiver.
        fingerprint: of the alert; empty where it is about a receiver.
        event: see the module.
        receiver: the receiver's name; empty on openers.
        attempt: how many requests were made so far.
        due: when to try again; of `known`, from when on alerts are owed.
        detail: one line for people; of openers, the severity.
        alert: the alert as JSON, on openers only.
    """

    at: datetime
    alert_id: str
    fingerprint: str
    event: str
    receiver: str = ""
    attempt: int = 0
    due: datetime | None = None
    detail: str = ""
    alert: str | None = None


def append(events: Sequence[Event]) -> None:
    """Writes events, in one commit."""
    if events:
        rows = [event._asdict() for event in events]
        lake.append(TABLE, pa.Table.from_pylist(rows, schema=SCHEMA))


def read(where: lake.Where = ()) -> pa.Table:
    """Events in order of time, without the alerts' text."""
    columns = [name for name in SCHEMA.names if name != "alert"]
    rows = lake.read(TABLE, where, columns=columns)
    if rows is None:
        return SCHEMA.empty_table().select(columns)
    return rows.select(columns).sort_by("at")


def texts(ids: Sequence[str]) -> dict[str, str]:
    """The alerts' JSON by id."""
    if not ids:
        return {}
    where: lake.Where = (lake.Condition("event", "in", OPENERS),)
    if len(ids) <= 500:
        where = (*where, lake.Condition("alert_id", "in", list(ids)))
    rows = lake.read(TABLE, where, columns=["alert_id", "alert"])
    if rows is None:
        return {}
    rows = rows.filter(pc.is_in(rows["alert_id"], pa.array(ids)))
    return dict(zip(rows["alert_id"].to_pylist(), rows["alert"].to_pylist(), strict=True))


def openers(events: pa.Table) -> pa.Table:
    """The alerts, each once (two processes may have queued it), oldest first."""
    rows = _of(events, OPENERS).group_by("alert_id", use_threads=False)
    columns = ["fingerprint", "event", "at", "detail"]
    found = rows.aggregate([(name, "first") for name in columns])
    return found.rename_columns([name.removesuffix("_first") for name in found.column_names])


def pairs(events: pa.Table) -> pa.Table:
    """One row an alert and receiver: what holds there, how often it was tried, since when."""
    rows = _of(events, PAIRS)
    taken_back = _of(events, ["redeliver"])
    if taken_back.num_rows:
        taken_back = taken_back.group_by(["alert_id", "receiver"]).aggregate([("at", "max")])
        rows = rows.join(taken_back, ["alert_id", "receiver"], join_type="left outer")
        rows = rows.filter(pc.fill_null(pc.greater(rows["at"], rows["at_max"]), True))
    rank = pc.index_in(rows["event"], pa.array(PAIRS))
    rows = rows.append_column("rank", rank).sort_by([("rank", "ascending"), ("at", "ascending")])
    found = rows.group_by(["alert_id", "receiver"], use_threads=False).aggregate(
        [("event", "last"), ("detail", "last"), ("at", "last"), ("at", "min")]
        + [("attempt", "max"), ("due", "max")]
    )
    return found.rename_columns([name.removesuffix("_last") for name in found.column_names])


def is_owed(queued_at: datetime, settled: bool, since: datetime, now: datetime) -> bool:
    """Whether a receiver that has not been tried yet should get an alert.

    One that others have got is not sent to a receiver met later, nor after three days.
    """
    return not settled or (queued_at >= since and now - queued_at <= DEAD_AFTER)


def opener(event: str, at: datetime, alert: Alert, times: str = "") -> Event:
    """The row that opens an alert; `times` tells its recurrences apart."""
    key = alert.id + times
    return Event(at, key, alert.fingerprint, event, detail=alert.severity, alert=alert.to_json())


class Standing(NamedTuple):
    """What is known of a receiver itself: when it was met, paused until, disabled or not."""

    since: datetime
    paused: datetime | None
    disabled: bool


def standings(events: pa.Table) -> dict[str, Standing]:
    """What is known of each receiver that was ever met."""
    found: dict[str, Standing] = {}
    for row in _of(events, ["known", "paused", "disabled", "enabled"]).to_pylist():
        name, due = row["receiver"], row["due"]
        since, paused, disabled = found.get(name, Standing(due or row["at"], None, False))
        match row["event"]:
            case "known":
                since = min(since, due)
            case "paused":
                paused = due
            case event:
                disabled = event == "disabled"
        found[name] = Standing(since, paused, disabled)
    return found


def _of(events: pa.Table, names: Sequence[str]) -> pa.Table:
    return events.filter(pc.is_in(events["event"], pa.array(names)))


def tidy(before: datetime, *, files: int = 100) -> None:
    """Writes the events before a moment as one file, once they lie in very many."""
    found = lake.open_table(TABLE)
    if found is not None and len(found.file_uris()) > files:
        where = (lake.Condition("at", "<", before),)
        lake.change(TABLE, where, lambda rows: rows.sort_by("at"), schema=SCHEMA)
        found.vacuum(dry_run=False)  # of what was replaced a week ago or more
        faults.reached(f"vacuumed {TABLE}")
