"""Days and half-open intervals of days, `[start, end)`, in UTC."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from core.errors import UsageError

DAY = timedelta(days=1)


def utc_now() -> datetime:
    """The clock; functions that need it take `now`, and this is the default."""
    return datetime.now(UTC)


def yesterday(now: datetime | None = None) -> date:
    """The last whole day, UTC."""
    return (now or utc_now()).date() - DAY


@dataclass(frozen=True, order=True)
class Interval:
    """The days from start up to, but not including, end.

    Raises:
        UsageError: end is not after start.
    """

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise UsageError(f"no day lies from {self.start} up to {self.end}; end must be later")

    def __str__(self) -> str:
        if self.end - self.start == DAY:
            return f"{self.start}"
        return f"{self.start} through {self.end - DAY}"

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """What `str` made of an interval."""
        first, _, last = text.partition(" through ")
        return cls(date.fromisoformat(first), date.fromisoformat(last or first) + DAY)

    @classmethod
    def of_day(cls, day: date) -> "Interval":
        """The one day."""
        return cls(day, day + DAY)

    def days(self) -> Iterator[date]:
        """Each day in order."""
        day = self.start
        while day < self.end:
            yield day
            day += DAY

    def __len__(self) -> int:
        return (self.end - self.start).days


def at_midnight(day: date) -> datetime:
    """The moment a day begins, UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def runs_of(days: Iterable[date]) -> Iterator[Interval]:
    """The days as intervals without gaps."""
    start = last = None
    for day in sorted(days):
        if last is not None and day - last == DAY:
            last = day
            continue
        if start is not None and last is not None:
            yield Interval(start, last + DAY)
        start = last = day
    if start is not None and last is not None:
        yield Interval(start, last + DAY)
