"""Rules beyond a row's own: how strictly each is taken, keys, references and control totals."""

from dataclasses import dataclass

from catalog.declaring import require, require_types

ROWS = "rows"


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How a rule is taken, where the dataset's own `max_bad_share` does not say enough.

    Attributes:
        share: of a day's rows that may fail it; of a control total, how far off it may be.
        blocking: whether failing rows are put aside, and the day refused above the share.
            A rule that only warns keeps the rows, and tells above the share.
        reason: why, for the people who are told.
    """

    share: float = 0.0
    blocking: bool = True
    reason: str = ""

    def __post_init__(self) -> None:
        require_types(self, "rules.")
        require(0 <= self.share < 1, "rules.share", f"must be at least 0 and below 1: {self.share}")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Each value of a column must stand in a column of another dataset's table.

    Attributes:
        column: of this dataset; nulls pass.
        dataset: the other one, which is loaded before this one.
        to: its column; the same name where left out.
    """

    column: str
    dataset: str
    to: str = ""

    def __post_init__(self) -> None:
        require_types(self, "references.")

    @property
    def name(self) -> str:
        """What the rule is called."""
        return f"{self.column} in {self.dataset}"


@dataclass(frozen=True, kw_only=True)
class Total:
    """A day must reconcile with a control total: a column of another dataset, summed by day.

    Attributes:
        name: what the rule is called.
        of: `rows` for the number of rows that were sent, or a numeric column to be summed.
        dataset: the one that holds the control totals, which is loaded before this one.
        column: its numeric column.
    """

    name: str
    of: str = ROWS
    dataset: str
    column: str

    def __post_init__(self) -> None:
        require_types(self, "totals.")
        require(bool(self.name), "totals.name", "must not be empty")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a day that keeps its contract is unusual all the same: it is loaded, and told.

    Attributes:
        learn_days: trusted days without which nothing is said.
        window_days: trusted days that are looked back on.
        false_alarms: the share of days that may be called unusual though nothing has changed.
    """

    learn_days: int = 28
    window_days: int = 56
    false_alarms: float = 0.01

    def __post_init__(self) -> None:
        require_types(self, "limits.")
        require(self.learn_days >= 21, "limits.learn_days", "must be 21 or more")
        wide = self.window_days >= 28
        require(wide, "limits.window_days", "must be 28 or more")
        odds = 0 < self.false_alarms <= 0.5
        require(odds, "limits.false_alarms", "must be above 0 and at most 0.5")
