"""What a diagnosis consists of: findings, each of one rule."""

from dataclasses import dataclass
from datetime import date
from typing import Literal, get_args

Rule = Literal["data", "deployment", "upstream", "monitoring", "model", "healthy"]
RULES: tuple[Rule, ...] = get_args(Rule)  # the first that finds anything is the verdict


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a rule has found, or what is well.

    Attributes:
        about: a dataset or a model.
        evidence: numbers, days, columns and versions in a line.
        command: what to type next.
        column: `dataset.column` where it is traced to one.
    """

    rule: Rule
    about: str
    evidence: str
    command: str = ""
    day: date | None = None
    column: str = ""
    version: int | None = None
