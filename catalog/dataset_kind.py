"""What a dataset is: a table the loop keeps true, its source, its contract, its rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from catalog.declaring import require, require_name, require_time, require_types
from catalog.rules import ROWS, Limits, Reference, Tolerance, Total
from catalog.sources import Source

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

RESERVED = {
    "ledger",
    "profiles",
    "contracts",
    "backfills",
    "runs",
    "registry",
    "performance",
    "drift",
    "decisions",
    "outbox",
}


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A table the loop keeps true, loaded by day.

    Attributes:
        name: the table's name, and the name of its file in `catalog/datasets/`.
        owner: who is told when a day is refused.
        source: where the rows come from.
        schema: a pandera DataFrameModel or DataFrameSchema: columns, types, row rules.
        day: the datetime column that says to which day (UTC) a row belongs.
        max_bad_share: a day is refused when more than this share of its rows is bad.
        min_rows: a day is refused when it brings fewer rows than this.
        key: the columns that no two rows share, within a day and across the table: a row that
            repeats another's is bad. `key` is the rule's name.
        references: columns whose values must stand in other datasets.
        totals: control totals that a day must reconcile with.
        rules: by rule, how it is taken, where that differs from `max_bad_share` for all:
            `column check` for a column's check, the name alone for one of whole rows, `key`,
            and the names of references and totals.
        extra_columns: what is done about columns that are not in the schema: `ignore`, `add`
            (kept as nullable text from then on) or `refuse` the day. A column that may be
            missing is declared `required=False, nullable=True`.
        limits: when a day is unusual beside the days before it; None for never.
        lookback_days: the daily loop loads so many earlier days again, for late rows.
        catch_up: what it does about days it has missed: `all` loads them first, `latest`
            goes without them (only the newest state counts), `skip` leaves them to a person.
        due: the time of day, UTC, by which the day before must be in; else `late` is told.
        description: one line for people.
    """

    name: str
    owner: str
    source: Source
    schema: Any
    day: str
    max_bad_share: float = 0.01
    min_rows: int = 1
    key: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    totals: tuple[Total, ...] = ()
    rules: Mapping[str, Tolerance] = field(default_factory=dict)
    extra_columns: Literal["ignore", "add", "refuse"] = "ignore"
    limits: Limits | None = Limits()
    lookback_days: int = 0
    catch_up: Literal["all", "latest", "skip"] = "all"
    due: str = "12:00"
    description: str = ""

    def __post_init__(self) -> None:
        require_types(self)
        require_name(self.name)
        require(
            self.name not in RESERVED
            and not self.name.endswith(("_quarantine", "_predictions", "_requests")),
            "name",
            f"'{self.name}' is the name of one of the loop's own tables",
        )
        require(bool(self.owner), "owner", "must name who is told when a day is refused")
        require(
            0 <= self.max_bad_share < 1,
            "max_bad_share",
            f"must be at least 0 and below 1, not {self.max_bad_share}",
        )
        require(self.min_rows >= 0, "min_rows", f"must not be negative, not {self.min_rows}")
        require(
            self.lookback_days >= 0,
            "lookback_days",
            f"must not be negative, not {self.lookback_days}",
        )
        require(
            self.catch_up in ("all", "latest", "skip"),
            "catch_up",
            f"'{self.catch_up}' is none of all, latest, skip",
        )
        require_time(self.due)
        require(
            hasattr(self.schema, "to_schema") or hasattr(self.schema, "columns"),
            "schema",
            "must be a pandera DataFrameModel or DataFrameSchema",
        )
        require(bool(self.columns), "schema", "declares no columns")
        require("_month" not in self.columns, "schema", "column '_month' is the loop's own")
        for column, kind in self.columns.items():
            require(
                kind in ("string", "int", "float", "bool", "datetime"),
                "schema",
                f"column '{column}' has type {kind}; use str, int, float, bool or "
                "datetime64[us, UTC]",
            )
        require(self.day in self.columns, "day", f"no column '{self.day}' in the schema")
        require(
            self.columns[self.day] == "datetime" and not self.checks.columns[self.day].nullable,
            "day",
            f"column '{self.day}' must be datetime64[us, UTC] and not nullable",
        )
        for column in self.source.date_formats:
            require(column in self.columns, "source.date_formats", f"no column '{column}'")
        self._check_rules()

    def _check_rules(self) -> None:
        require(
            self.extra_columns in ("ignore", "add", "refuse"),
            "extra_columns",
            f"'{self.extra_columns}' is none of ignore, add, refuse",
        )
        for name, column in self.checks.columns.items():
            optional = column.required or column.nullable
            require(optional, "schema", f"column '{name}' may be missing, so must be nullable")
            holds_null = not column.nullable or str(column.dtype) not in ("int64", "bool")
            said = f"column '{name}' is nullable, so must be pd.Int64Dtype() or pd.BooleanDtype()"
            require(holds_null, "schema", said)
        require(isinstance(self.key, tuple), "key", "must be a tuple; one column needs a comma")
        for name in self.key:
            require(name in self.columns, "key", f"no column '{name}' in the schema")
            nullable = self.checks.columns[name].nullable
            require(not nullable, "key", f"column '{name}' must not be nullable")
        for reference in self.references:
            known = reference.column in self.columns
            require(known, "references", f"no column '{reference.column}' in the schema")
        for total in self.totals:
            numeric = total.of == ROWS or self.columns.get(total.of) in ("int", "float")
            require(numeric, "totals", f"'{total.of}' is neither rows nor a numeric column")
        for rule, taken in self.rules.items():
            known = rule in self.rule_names
            require(known, "rules", f"no rule '{rule}'; there is {', '.join(self.rule_names)}")
            strict = taken.blocking or not rule.endswith(" not_nullable")
            require(strict, "rules", f"'{rule}' cannot only warn: declare the column nullable")

    @property
    def upstream(self) -> tuple[str, ...]:
        """The datasets that this one is checked against, so loaded after."""
        named = [each.dataset for each in self.references]
        return tuple(dict.fromkeys([*named, *(each.dataset for each in self.totals)]))

    @cached_property
    def rule_names(self) -> tuple[str, ...]:
        """Every rule by its name, the rows' own first."""
        names = []
        for column, declared in self.checks.columns.items():
            names += [] if declared.nullable else [f"{column} not_nullable"]
            names += [f"{column} {check.name}" for check in declared.checks]
        names += [str(check.name) for check in self.checks.checks]
        names += ["key"] if self.key else []
        names += [each.name for each in self.references]
        return (*names, *(each.name for each in self.totals))

    def check_upstream(self, datasets: Mapping[str, "Dataset"]) -> None:
        """Raises DeclarationError where a rule names what the other datasets do not declare."""
        for each in self.references:
            require(each.dataset in datasets, "references", f"no dataset '{each.dataset}'")
            other, column = datasets[each.dataset].columns, each.to or each.column
            kind = self.columns[each.column]
            said = f"{each.dataset}.{column} must be a column of type {kind}, as {each.column} is"
            require(other.get(column) == kind, "references", said)
        for total in self.totals:
            require(total.dataset in datasets, "totals", f"no dataset '{total.dataset}'")
            kind = datasets[total.dataset].columns.get(total.column, "")
            said = f"{total.dataset}.{total.column} must be a numeric column"
            require(kind in ("int", "float"), "totals", said)

    @cached_property
    def checks(self) -> "DataFrameSchema":
        """The schema as pandera's DataFrameSchema."""
        found: DataFrameSchema = (
            self.schema.to_schema() if hasattr(self.schema, "to_schema") else self.schema
        )
        return found

    @cached_property
    def columns(self) -> dict[str, str]:
        """Column name to type, in order: string, int, float, bool or datetime."""
        return {name: _kind(column.dtype) for name, column in self.checks.columns.items()}


def _kind(dtype: Any) -> str:
    text = str(dtype).lower()
    if text.startswith(("str", "object")):
        return "string"
    exact = {"int64": "int", "float64": "float", "bool": "bool", "boolean": "bool"}
    exact["datetime64[us, utc]"] = "datetime"
    return exact.get(text, text)
