"""Secrets: from the environment, else from a Prefect Secret block."""

import os
from typing import Any

from prefect.blocks.system import Secret

from core import sources


def find(name: str) -> str:
    """The secret that a source names: a variable of the environment, else a block's value.

    Raises:
        UsageError: there is neither.
    """
    return os.environ.get(name) or block(sources.block_name(name)) or sources.from_environment(name)


def block(name: str) -> str:
    """The value of a Secret block; empty where there is no such block."""
    try:
        found: Any = Secret.load(name)
    except ValueError:
        return ""
    return str(found.get())
