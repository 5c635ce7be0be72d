"""What a request must be: rows of finite numbers by the features' names, and nothing else.

Answers name columns and places, never values: what was sent may be anybody's data.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.reader.jsonl import DECODER, NotJson

MOST_ROWS = 1000
ENTITY = "entity"
ENTITY_CHARACTERS = 200
NAMED, NAME_CHARACTERS = 10, 64

Matrix = npt.NDArray[np.float64]


class Refused(Exception):
    """A request that gets no scores.

    Attributes:
        status: the HTTP status.
        detail: why, in one line, without anything of what was sent but names of columns.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


@dataclass(frozen=True)
class Rows:
    """A request's numbers, rows by features in the champion's order, NaN for null.

    `entities` says whose each row is, where the caller does.
    """

    numbers: Matrix
    entities: list[str | None]


def parse(body: bytes, features: Sequence[str], nullable: Iterable[str] = ()) -> Rows:
    """The rows of a request's body.

    Args:
        body: JSON, `{"rows": [{feature: number, ..., "entity": text}, ...]}`; the entity may be
            left out, and is only a name for the log.
        features: each row has exactly these.
        nullable: of these, what may be null: what was so in training.

    Raises:
        Refused: it is something else.
    """
    found = _decoded(body)
    if not isinstance(found, dict) or found.keys() != {"rows"}:
        raise Refused(422, 'the body must be an object with "rows" and nothing else')
    rows = found["rows"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_ROWS:
        raise Refused(422, f"rows must be a list of 1 to {MOST_ROWS:,} rows")
    entities = [_entity(place, row, features) for place, row in enumerate(rows)]
    return Rows(_numbers(rows, features, frozenset(nullable)), entities)


def _decoded(body: bytes) -> Any:
    try:
        return DECODER.decode(body.decode())
    except NotJson:
        raise Refused(400, "the body has a key twice, or NaN or Infinity") from None
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON in UTF-8") from None


def _numbers(rows: list[Any], features: Sequence[str], nullable: frozenset[str]) -> Matrix:
    wanted = set(features)
    for place, row in enumerate(rows):
        if row.keys() != wanted:
            raise Refused(422, f"rows[{place}]: {_columns(row, features)}")
    # As a frame lies in memory: in the other order some scores of many rows differ by a bit.
    numbers = np.array([[_number(row[name]) for name in features] for row in rows], order="F")
    for place, column in np.argwhere(~np.isfinite(numbers)):
        name = features[column]
        if rows[place][name] is not None or name not in nullable:
            raise Refused(422, f"rows[{place}]: '{name}' must be a finite number")
    return numbers


def _number(value: Any) -> float:
    if type(value) not in (int, float):  # True is an int, too
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _columns(row: dict[str, Any], features: Sequence[str]) -> str:
    missing = [name for name in features if name not in row]
    unknown = sorted(row.keys() - set(features))
    said = [("missing", missing), ("unknown", unknown)]
    return "; ".join(f"{word}: {_listed(names)}" for word, names in said if names)


def _listed(names: list[str]) -> str:
    """Names for people: a few, and none that is a text in disguise."""
    fit = [name for name in names if len(name) <= NAME_CHARACTERS and name.isprintable()]
    shown = [f"'{name}'" for name in fit[:NAMED]]
    rest = len(names) - len(shown)
    return ", ".join([*shown, f"{rest} not shown"] if rest else shown)


def _entity(place: int, row: Any, features: Sequence[str]) -> str | None:
    """Takes the entity out of a row; a feature of that name is a feature."""
    if not isinstance(row, dict):
        raise Refused(422, f"rows[{place}] must be an object")
    if ENTITY not in row or ENTITY in features:
        return None
    found = row.pop(ENTITY)
    if isinstance(found, str) and 1 <= len(found) <= ENTITY_CHARACTERS and _is_unicode(found):
        return found
    raise Refused(
        422, f"rows[{place}]: entity must be a text of 1 to {ENTITY_CHARACTERS} characters"
    )


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
