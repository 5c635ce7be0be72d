"""Which rows: typed comparisons, as a Delta predicate and as an Arrow filter."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import pyarrow.dataset as ds

from core.intervals import Interval, at_midnight

Value = str | int | date | datetime


@dataclass(frozen=True)
class Condition:
    """One comparison; a tuple of them means all must hold."""

    column: str
    op: Literal["=", "!=", ">=", "<", "in", "not in"]
    value: Value | Sequence[Value]

    def __post_init__(self) -> None:
        if self.op in ("in", "not in") and not self.value:
            raise ValueError(f"{self.column} {self.op}: no values")

    def sql(self) -> str:
        """As a Delta predicate, made of typed values only, so that no value can widen it."""
        name = '"' + self.column.replace('"', '""') + '"'
        if isinstance(self.value, (list, tuple)):
            values = ", ".join(_literal(value) for value in self.value)
            return f"{name} {self.op.upper()} ({values})"
        return f"{name} {self.op} {_literal(self.value)}"

    def expression(self) -> ds.Expression:
        """As a pyarrow filter."""
        field = ds.field(self.column)
        match self.op:
            case "=":
                return field == self.value
            case "!=":
                return field != self.value
            case ">=":
                return field >= self.value
            case "<":
                return field < self.value
            case "in":
                return field.isin(list(self.value))  # type: ignore[arg-type]
            case "not in":
                return ~field.isin(list(self.value))  # type: ignore[arg-type]


Where = tuple[Condition, ...]


def _literal(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, date)):
        raise TypeError(f"no literal for {type(value).__name__}")
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("no literal for a time without a zone")
        # Text, not a TIMESTAMP literal: that is in nanoseconds, which delta-rs refuses.
        return f"'{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z'"
    if isinstance(value, date):
        return f"CAST('{value.isoformat()}' AS DATE)"
    return str(value)


def equal(**values: Value) -> Where:
    """Each column equals its value."""
    return tuple(Condition(column, "=", value) for column, value in values.items())


def days(column: str, interval: Interval) -> Where:
    """A DATE column lies in the interval."""
    return (Condition(column, ">=", interval.start), Condition(column, "<", interval.end))


def moments(column: str, interval: Interval) -> Where:
    """A TIMESTAMP column lies in the interval."""
    return (
        Condition(column, ">=", at_midnight(interval.start)),
        Condition(column, "<", at_midnight(interval.end)),
    )


def all_of(where: Where) -> ds.Expression | None:
    """As one pyarrow filter; None where there is no condition."""
    expression = None
    for condition in where:
        part = condition.expression()
        expression = part if expression is None else expression & part
    return expression
