"""Which code did it: the project's version, and hashes of single functions."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from core.home import PROJECT


@cache
def version() -> str:
    """`DAYLOOP_CODE_VERSION` where it is set (containers), else what git says, else unknown."""
    if given := os.environ.get("DAYLOOP_CODE_VERSION"):
        return given
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


def digest(*parts: Any) -> str:
    """A sha256 over the parts' text, 16 hexadecimal digits."""
    joined = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def of_function(function: Callable[..., Any]) -> str:
    """A hash of what a function does: its bytecode and that of its module's helpers.

    Comments and line numbers do not count, so that editing them trains nothing again.
    """
    return digest(*_parts(function, set()))


def _parts(function: Callable[..., Any], seen: set[str]) -> list[Any]:
    if not isinstance(function, FunctionType):
        return [repr(function)]
    parts = [function.__defaults__, function.__kwdefaults__, *_of_code(function.__code__)]
    for name in sorted(_names(function.__code__)):
        helper = function.__globals__.get(name)
        if isinstance(helper, FunctionType) and helper.__module__ == function.__module__:
            if name not in seen:
                seen.add(name)
                parts += [name, *_parts(helper, seen)]
        elif isinstance(helper, (str, int, float, bool, tuple)):
            parts += [name, helper]
    return parts


def _of_code(code: CodeType) -> list[Any]:
    parts: list[Any] = [code.co_code.hex(), code.co_names, code.co_varnames]
    for constant in code.co_consts:
        parts += _of_code(constant) if isinstance(constant, CodeType) else [repr(constant)]
    return parts


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names
