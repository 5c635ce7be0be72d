from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from core.errors import UsageError
from core.intervals import Interval, at_midnight, yesterday

FIRST, SECOND = date(2024, 2, 28), date(2024, 2, 29)
MARCH = date(2024, 3, 1)


def test_an_interval_holds_its_start_and_not_its_end() -> None:
    interval = Interval(FIRST, MARCH)
    assert list(interval.days()) == [FIRST, SECOND]
    assert len(interval) == 2
    assert FIRST in interval and SECOND in interval and MARCH not in interval
    assert list(Interval.of_day(SECOND).days()) == [SECOND]


@pytest.mark.parametrize("end", [FIRST, FIRST - timedelta(days=1)])
def test_an_interval_without_a_day_is_a_usage_mistake(end: date) -> None:
    with pytest.raises(UsageError, match="end must be later"):
        Interval(FIRST, end)


def test_an_interval_reads_well() -> None:
    assert str(Interval.of_day(FIRST)) == "2024-02-28"
    assert str(Interval(FIRST, MARCH)) == "2024-02-28 through 2024-02-29"


def test_days_are_of_utc() -> None:
    late = datetime(2024, 3, 1, 1, tzinfo=timezone(timedelta(hours=5))).astimezone(UTC)
    assert yesterday(late) == FIRST
    assert at_midnight(MARCH) == datetime(2024, 3, 1, tzinfo=UTC)
