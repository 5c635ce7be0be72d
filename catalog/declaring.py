"""How declarations check themselves when they are made, and say what is wrong."""

from collections.abc import Callable
from dataclasses import fields
from re import fullmatch
from typing import Any

NAME = r"[a-z][a-z0-9_]{0,62}"
TIME_OF_DAY = r"([01][0-9]|2[0-3]):[0-5][0-9]"


class DeclarationError(ValueError):
    """A declaration in the catalog cannot be right; says which field and why."""


def require(condition: bool, field_name: str, problem: str) -> None:
    """Raises DeclarationError naming the field unless the condition holds."""
    if not condition:
        raise DeclarationError(f"{field_name}: {problem}")


def require_types(declared: Any, prefix: str = "") -> None:
    """Each field of a plain type holds one: "0.05" is text, and `True` is no number of days."""
    for each in fields(declared):
        value = getattr(declared, each.name)
        if each.type is Any or not isinstance(each.type, type):
            continue
        value = float(value) if each.type is float and type(value) is int else value
        right = isinstance(value, each.type) and not (each.type is int and value is True)
        kind = each.type.__name__
        require(right, prefix + each.name, f"must be of type {kind}, not {value!r:.60}")


def is_known(look_up: Callable[[str], Any], name: str) -> bool:
    """Whether a registry of names, such as of encodings or time zones, has this one."""
    try:
        look_up(name)
    except (LookupError, ValueError, OSError):
        return False
    return True


def require_name(name: str) -> None:
    """Raises DeclarationError unless this can name a table and a file."""
    require(
        bool(fullmatch(NAME, name)),
        "name",
        f"{name!r} must be lower case letters, digits and underscores, a letter first",
    )


def require_time(due: str) -> None:
    """Raises DeclarationError unless this is a time of day."""
    right = bool(fullmatch(TIME_OF_DAY, due))
    require(right, "due", f"'{due}' must be a time of day such as 06:30, UTC")
