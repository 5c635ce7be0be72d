"""The registry: which versions of a model there are, which one serves, and who said so.

It is a list of events, and every change is a compare-and-set on the model's whole list, so
that many processes at once lose nothing and number without a gap.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

import pyarrow as pa

from core import artifacts, lake
from core.artifacts import Artifact
from core.errors import ModelRefused, UsageError
from core.intervals import utc_now

TABLE = "registry"
SCHEMA = pa.schema(
    {
        "model": pa.string(),
        "number": pa.int64(),
        "version": pa.int64(),
        "event": pa.string(),
        "by": pa.string(),
        "reason": pa.string(),
        "path": pa.string(),
        "sha256": pa.string(),
        "at": pa.timestamp("us", tz="UTC"),
    }
)
Event = Literal["registered", "promoted", "rolled_back", "rejected", "retired"]
Decisions = list[tuple[int, Event]]
State = Literal["registered", "champion", "retired", "rejected"]
CLOSED = ("rejected", "retired")
GATE = "gate"


@dataclass(frozen=True)
class Record:
    """One event. `number` counts a model's events; `sha256` is the manifest's."""

    model: str
    number: int
    version: int
    event: Event
    by: str
    reason: str
    path: str
    sha256: str
    at: datetime

    @property
    def artifact(self) -> Artifact:
        """What the event speaks of."""
        return Artifact(self.path, self.sha256)


@dataclass(frozen=True)
class Version:
    """A version as it stands now; `events` are its own, oldest first."""

    number: int
    state: State
    artifact: Artifact
    events: tuple[Record, ...]


def history(model: str) -> list[Record]:
    """All events of a model, oldest first."""
    rows = lake.read(TABLE, lake.equal(model=model))
    return _records(rows) if rows is not None else []


def versions(model: str) -> list[Version]:
    """All versions of a model, oldest first."""
    return _versions(history(model))


def champion(model: str) -> Version | None:
    """The version that serves."""
    return next((each for each in versions(model) if each.state == "champion"), None)


def find(model: str, artifact: Artifact) -> Version | None:
    """The version that is this artifact, where it is registered."""
    return next((each for each in versions(model) if each.artifact == artifact), None)


def register(
    model: str,
    artifact: Artifact,
    *,
    by: str,
    reason: str,
    promote_over: int | None = None,
    now: datetime | None = None,
) -> int:
    """Gives an artifact its version number; the same artifact keeps the one it has.

    Args:
        model: whose.
        artifact: the stored model.
        by: who registers it.
        reason: why; both go on the record.
        promote_over: makes it the champion too, in the same change, so that no kill comes
            between; the value is the champion it was judged against, 0 for none.
        now: the clock.

    Raises:
        ModelRefused: the artifact was changed, or the champion is not that one any more.
    """
    if promote_over is not None:
        artifacts.load(artifact)

    def decide(events: list[Record]) -> Decisions:
        known = {event.path: event for event in events}
        number = max((event.version for event in events), default=0) + 1
        registered: Decisions = [(number, "registered")]
        if artifact.path in known:
            if known[artifact.path].sha256 != artifact.sha256:
                raise ModelRefused(f"{artifact.path} has been changed since it was registered")
            number, registered = known[artifact.path].version, []
            if promote_over is not None:
                return _promotion(model, events, number, promote_over)
        if promote_over is None:
            return registered
        _require_champion(model, events, number, promote_over)
        return [*registered, (number, "promoted")]

    events, _ = _append(model, decide, by, reason, now, artifact)
    return next(event.version for event in events if event.path == artifact.path)


def promote(
    model: str,
    version: int,
    *,
    by: str,
    reason: str,
    over: int | None = None,
    now: datetime | None = None,
) -> bool:
    """Makes a version the champion; returns whether it was not so already.

    Args:
        model: whose.
        version: its number.
        by: who decides.
        reason: why; both go on the record.
        now: the clock.
        over: the champion the decision was made against (0 for none); another one by now
            refuses it. None does not ask.

    Raises:
        ModelRefused: the version is rejected, retired or damaged, or the champion has changed.
        UsageError: there is no such version, or nobody or nothing was named.
    """
    _require_reason(by, reason)
    _verify(model, version)

    def decide(events: list[Record]) -> Decisions:
        return _promotion(model, events, version, over)

    return _append(model, decide, by, reason, now)[1]


def _promotion(model: str, events: list[Record], version: int, over: int | None) -> Decisions:
    state = _find(model, events, version).state
    if state in CLOSED:
        raise ModelRefused(f"{model} {version} is {state} and cannot serve; retrain")
    if over is not None:
        _require_champion(model, events, version, over)
    return [] if state == "champion" else [(version, "promoted")]


def _require_champion(model: str, events: list[Record], version: int, over: int) -> None:
    serving = _serving(events)
    if serving not in (over, version):
        raise ModelRefused(
            f"{model}: the champion is now {serving or 'none'}, not {over or 'none'} as when "
            f"{version} was judged; retrain to compare it with the new one"
        )


def rollback(model: str, *, by: str, reason: str, now: datetime | None = None) -> int:
    """Makes the champion before this one serve again; returns its version.

    Raises:
        ModelRefused: there is none, or its artifact is damaged.
    """
    _require_reason(by, reason)
    before = _previous(model, history(model))
    _verify(model, before)

    def decide(events: list[Record]) -> Decisions:
        if _previous(model, events) != before:
            raise ModelRefused(f"{model}: the champion has just changed; look and try again")
        return [(before, "rolled_back")]

    _append(model, decide, by, reason, now)
    return before


def close(
    model: str,
    version: int,
    event: Literal["rejected", "retired"],
    *,
    by: str,
    reason: str,
    now: datetime | None = None,
) -> bool:
    """Rejects or retires a version for good; returns whether it was not closed already."""
    _require_reason(by, reason)

    def decide(events: list[Record]) -> Decisions:
        closed = _find(model, events, version).state in CLOSED
        return [] if closed else [(version, event)]

    return _append(model, decide, by, reason, now)[1]


def _append(
    model: str,
    decide: Callable[[list[Record]], Decisions],
    by: str,
    reason: str,
    now: datetime | None,
    artifact: Artifact | None = None,
) -> tuple[list[Record], bool]:
    """Adds the events that `decide` returns; returns all events and whether any is new."""
    result: list[Record] = []
    added = False

    def change(rows: pa.Table) -> pa.Table:
        nonlocal added
        result[:] = _records(rows)
        decided = decide(list(result))
        added = bool(decided)
        if not added:
            return rows
        for version, event in decided:
            of = artifact or _find(model, result, version).artifact
            number, at = len(result) + 1, now or utc_now()
            new = Record(model, number, version, event, by, reason, of.path, of.sha256, at)
            result.append(new)
        return pa.Table.from_pylist([asdict(each) for each in result], schema=SCHEMA)

    where = lake.equal(model=model)
    lake.change(TABLE, where, change, schema=SCHEMA, partition_by=["model"], note=f"{model}")
    return result, added


def _records(rows: pa.Table) -> list[Record]:
    found = [Record(**row) for row in rows.select(SCHEMA.names).to_pylist()]
    return sorted(found, key=lambda record: record.number)


def _versions(events: list[Record]) -> list[Version]:
    serving = _serving(events)
    found = []
    for number in sorted({event.version for event in events}):
        own = tuple(event for event in events if event.version == number)
        state: State = "champion" if number == serving else "registered"
        for event in own:
            if event.event == "rejected" or event.event == "retired":
                state = event.event
        found.append(Version(number, state, own[0].artifact, own))
    return found


def _served(events: list[Record]) -> list[int]:
    """The champions in the order they came, as far as they may still serve, the present last."""
    line: list[int] = []
    for event in events:
        if event.event in ("promoted", "rolled_back"):
            if event.event == "rolled_back":
                line = line[: _last(line[:-1], event.version)]
            line.append(event.version)
    return line


def _last(line: list[int], version: int) -> int:
    """Where a version stands in the line for the last time."""
    return len(line) - 1 - line[::-1].index(version)


def _closed(events: list[Record]) -> set[int]:
    return {event.version for event in events if event.event in CLOSED}


def _serving(events: list[Record]) -> int:
    line = _served(events)
    return line[-1] if line and line[-1] not in _closed(events) else 0


def _previous(model: str, events: list[Record]) -> int:
    line, closed = _served(events), _closed(events)
    earlier = [version for version in line[:-1] if version not in closed and version != line[-1]]
    if not earlier:
        raise ModelRefused(f"{model} has no earlier champion to roll back to; promote a version")
    return earlier[-1]


def _find(model: str, events: list[Record], number: int) -> Version:
    known = {version.number: version for version in _versions(events)}
    if number not in known:
        have = ", ".join(map(str, known)) or "none"
        raise UsageError(f"{model} has no version {number}; it has {have}")
    return known[number]


def _require_reason(by: str, reason: str) -> None:
    if not by.strip() or not reason.strip():
        raise UsageError("say who decides (--by) and why (--reason): it goes on the record")


def _verify(model: str, number: int) -> None:
    artifacts.load(_find(model, history(model), number).artifact)
