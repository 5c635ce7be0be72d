"""Versions of a model: what a list of the registry's events comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.errors import UsageError
from core.models.artifacts import Artifact
from core.models.events import Record

State = Literal["registered", "approved", "champion", "retired", "rejected"]
CLOSED = ("rejected", "retired")


@dataclass(frozen=True)
class Version:
    """A version as it stands now; `events` are its own, oldest first."""

    number: int
    state: State
    artifact: Artifact
    events: tuple[Record, ...]

    @property
    def is_approved(self) -> bool:
        """Whether a person has approved this very artifact: another one voids it."""
        return any(e.event == "approved" and e.artifact == self.artifact for e in self.events)


def versions_of(events: Sequence[Record]) -> list[Version]:
    """All versions, oldest first."""
    serving = champion_of(events)
    found = []
    for number in sorted({event.version for event in events}):
        own = tuple(event for event in events if event.version == number)
        version = Version(number, "registered", own[0].artifact, own)
        found.append(Version(number, _state(version, serving), own[0].artifact, own))
    return found


def _state(version: Version, serving: int) -> State:
    for each in reversed(version.events):
        if each.event == "rejected" or each.event == "retired":
            return each.event
    if version.number == serving:
        return "champion"
    return "approved" if version.is_approved else "registered"


def version_of(model: str, events: Sequence[Record], number: int) -> Version:
    """The version of that number.

    Raises:
        UsageError: there is none.
    """
    known = {version.number: version for version in versions_of(events)}
    if number not in known:
        have = ", ".join(map(str, known)) or "none"
        raise UsageError(f"{model} has no version {number}; it has {have}")
    return known[number]


def champion_of(events: Sequence[Record]) -> int:
    """The number of the version that serves, 0 for none."""
    line = _served(events)
    return line[-1] if line and line[-1] not in _closed(events) else 0


def previous_of(model: str, events: Sequence[Record]) -> int:
    """The champion before this one that may serve again.

    Raises:
        UsageError: there is none; nobody is woken for it.
    """
    line, closed = _served(events), _closed(events)
    earlier = [version for version in line[:-1] if version not in closed and version != line[-1]]
    if not earlier:
        raise UsageError(f"{model} has no earlier champion to roll back to; promote a version")
    return earlier[-1]


def _served(events: Sequence[Record]) -> list[int]:
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


def _closed(events: Sequence[Record]) -> set[int]:
    return {event.version for event in events if event.event in CLOSED}
