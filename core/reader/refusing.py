"""Refusing a file as a whole: the one line, and what every form's header must be."""

from collections.abc import Collection, Iterable, Sequence
from unicodedata import category

from core.errors import SourceRefused


def refuse(name: str, found: str, advice: str) -> SourceRefused:
    """The one line every refusal of a file is."""
    return SourceRefused(f"{name}: {found}; {advice}")


def check_names(names: Sequence[str], name: str) -> None:
    """Refuses column names that are missing, invisible or given twice."""
    for position, column in enumerate(names, 1):
        if not column.strip() or any(category(mark) == "Cf" or mark == "\0" for mark in column):
            raise refuse(
                name,
                f"column {position} of the header has no name or invisible marks in it: {column!r}",
                "correct the header",
            )
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise refuse(name, f"the header names {listed(twice)} twice", "correct the header")


def check_columns(
    names: Collection[str], columns: Iterable[str], nullable: Collection[str], name: str
) -> None:
    """Refuses a file without a declared column."""
    missing = [column for column in columns if column not in names and column not in nullable]
    if missing:
        raise refuse(
            name,
            f"no column {listed(missing)}: expected {listed(columns)}, found {listed(names)}",
            "correct the header or the schema",
        )


def listed(names: Iterable[str]) -> str:
    """Names for a message, cut to a readable length."""
    text = ", ".join(repr(column)[:60] for column in names)
    return text if len(text) <= 400 else f"{text[:400]} and more"
