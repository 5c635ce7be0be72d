"""What can go wrong, as a small tree.

Each message says in one line what happened, to which dataset, day or model, and what to
do next. None ever holds a secret: no address with a token, no header, no key.
"""

from catalog.kinds import DeclarationError

__all__ = [
    "ArtifactRefused",
    "ContractBroken",
    "DataRefused",
    "DayloopError",
    "DeclarationError",
    "FeaturesChanged",
    "Incomplete",
    "LakeBusy",
    "LakeDamaged",
    "ModelRefused",
    "NotTrained",
    "SourceEmpty",
    "SourceFailed",
    "SourceRefused",
    "SourceUnreachable",
    "TransientError",
    "UsageError",
]


class DayloopError(Exception):
    """Anything Dayloop says no to.

    Attributes:
        told: whether there is an alert of it, or of what it follows from, already.
    """

    def __init__(self, message: str = "", *, told: bool = False) -> None:
        super().__init__(message)
        self.told = told


class UsageError(DayloopError):
    """The call itself is wrong: an unknown name, an empty interval. Exit status 2."""


class TransientError(DayloopError):
    """May go away by itself: the one kind that tasks retry."""


class SourceUnreachable(TransientError):
    """The source did not give its data this time."""


class SourceEmpty(SourceUnreachable):
    """The source has nothing at all for these days; it may only be late."""


class LakeBusy(TransientError):
    """Other writers kept changing the same rows of a table."""


class SourceFailed(DayloopError):
    """The source answered what asking again does not mend: no such page, no permission."""


class DataRefused(DayloopError):
    """Data broke its contract; nothing of it was loaded and the table is as it was."""


class ContractBroken(DayloopError):
    """A changed declaration does not fit the rows there are, and nobody has allowed that."""


class SourceRefused(DataRefused):
    """A file cannot be what was declared (its form, not its rows, is wrong)."""


class NotTrained(DayloopError):
    """Training or scoring was refused because its data are not trusted or not there."""


class ModelRefused(DayloopError):
    """The registry or the gate does not allow what was asked."""


class FeaturesChanged(ModelRefused):
    """The champion was trained on features that are computed by other code today."""


class ArtifactRefused(ModelRefused):
    """A stored model is not, byte for byte, what the registry vouches for."""


class LakeDamaged(DayloopError):
    """A table or file of the lake is missing or torn."""


class Incomplete(DayloopError):
    """A run did what it could and says what it could not."""
