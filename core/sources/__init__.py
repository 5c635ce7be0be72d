"""Pulling from upstream: each kind of source has one function that says what it sent.

Dayloop's own kinds are declared in `catalog/sources.py` and pulled here; a kind that a team
adds brings its own `pull` with it.
"""

import os
from collections.abc import Callable, Iterator
from importlib import import_module

from catalog.kinds import Arrival, File, Http, Source, Sql
from core.errors import UsageError
from core.intervals import Interval

Secret = Callable[[str], str]
OWN = {File: "files", Http: "http", Sql: "sql"}  # imported when asked for: SQL is slow to import


def pull(source: Source, interval: Interval, secret: Secret) -> Iterator[Arrival]:
    """What upstream has for these days; days it has nothing for are left out.

    Raises:
        SourceUnreachable: it did not answer, or broke off; also while chunks are read.
        SourceFailed: it answered what asking again does not mend.
    """
    own = OWN.get(type(source))
    if own is None:
        return source.pull(interval.start, interval.end, secret)
    found: Iterator[Arrival] = import_module(f"core.sources.{own}").pull(source, interval, secret)
    return found


def from_environment(name: str) -> str:
    """The secret in an environment variable.

    Raises:
        UsageError: it is not set.
    """
    if value := os.environ.get(name):
        return value
    raise UsageError(
        f"{name} is not set; set that environment variable, or make a Prefect Secret block "
        f"'{block_name(name)}'"
    )


def block_name(name: str) -> str:
    """What the Prefect Secret block of a variable is called: block names have dashes."""
    return name.lower().replace("_", "-").strip("-")
