"""What a preview tolerates."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tolerances:
    """What may differ before a preview fails.

    Attributes:
        max_changed: share of a dataset's rows that are not in the lake as they are.
        max_refused: days of a dataset that the lake has and that would be refused.
        max_moved: share of a model's entities whose score moves.
        allow_breaking: a declaration may break its table; loads need that word, too.
    """

    max_changed: float = 0.01
    max_refused: int = 0
    max_moved: float = 0.01
    allow_breaking: bool = False
