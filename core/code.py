"""Which code did it: the project's version, and hashes of single functions."""

import ast
import dis
import functools
import hashlib
import inspect
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from core.home import PROJECT

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


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
    """A hash of what a function does: its source, its helpers' and the values they use.

    Helpers count where they are of the same package (`catalog`), in whichever file; libraries
    do not. Comments, docstrings and line numbers do not count, so that editing them trains
    nothing again.
    """
    return digest(*_parts(function, function.__module__.partition(".")[0], set()))


def text_of(value: Any) -> str:
    """A value as text that is the same in every process: no addresses, sets in order."""
    return str(_parts(value, "", set()))


def _parts(value: Any, package: str, seen: set[Any]) -> list[Any]:
    """What makes a value what it is, as nested lists of text."""
    match value:
        case FunctionType():
            return _of_function(value, package, seen)
        case MethodType():
            return [*_parts(value.__self__, package, seen), *_parts(value.__func__, package, seen)]
        case functools.partial():
            parts = (value.func, value.args, value.keywords)
            return [_parts(part, package, seen) for part in parts]
        case str() | bytes() | int() | float() | None:
            return [repr(value)]
        case tuple() | list():
            return [type(value).__name__, *(_parts(each, package, seen) for each in value)]
        case set() | frozenset():  # their own order differs from process to process
            return ["set", *sorted(str(_parts(each, package, seen)) for each in value)]
        case Mapping():
            return ["mapping", *(_parts(pair, package, seen) for pair in value.items())]
        case type():
            return _of_class(value, package, seen)
        case ModuleType() | BuiltinFunctionType():
            return [value.__name__]
    return _of_object(value, package, seen)


def _of_function(function: FunctionType, package: str, seen: set[Any]) -> list[Any]:
    name: list[Any] = [function.__module__, function.__qualname__]
    if function in seen or not _is_ours(function, package):
        return name
    seen.add(function)
    known = [function.__defaults__, function.__kwdefaults__]
    known += [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
    parts: list[Any] = [_parts(value, package, seen) for value in known]
    parts += _source(function) or _of_code(function.__code__)
    names = _names(function.__code__)
    for name_, value in _globals(function, names, package):
        parts += [name_, _parts(value, package, seen)]
    return parts


def _of_class(kind: type, package: str, seen: set[Any]) -> list[Any]:
    if kind in seen or not _is_ours(kind, package):
        return [kind.__module__, kind.__qualname__]
    seen.add(kind)
    skipped = {"__module__", "__doc__", "__dict__", "__weakref__"}
    own = {name: value for name, value in vars(kind).items() if name not in skipped}
    return [_parts((name, own[name]), package, seen) for name in sorted(own)]


def _of_object(value: Any, package: str, seen: set[Any]) -> list[Any]:
    """By its repr, or by its attributes where the class is ours or its repr says little."""
    if hasattr(value, "__array__"):  # whose repr leaves most of it out
        import joblib

        return [str(joblib.hash(value))]
    text = repr(value)
    if not _is_ours(type(value), package) and not _ADDRESS.search(text):
        return [text]
    if id(value) in seen:
        return [type(value).__qualname__]
    seen.add(id(value))
    attributes = sorted(getattr(value, "__dict__", {}).items())
    return [_parts(type(value), package, seen), _parts(attributes, package, seen)]


def _is_ours(value: FunctionType | type, package: str) -> bool:
    return (value.__module__ or "").partition(".")[0] == package.partition(".")[0]


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _globals(function: FunctionType, names: set[str], package: str) -> Iterator[tuple[str, Any]]:
    """The module's names that the code uses, and those of our other modules it reaches into."""
    for name in sorted(names):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    for module in _our_modules(function, names, package):
        for name in sorted(names & vars(module).keys()):
            if not isinstance(vars(module)[name], ModuleType):
                yield f"{module.__name__}.{name}", vars(module)[name]


def _our_modules(function: FunctionType, names: set[str], package: str) -> Iterator[ModuleType]:
    for name in sorted(names):
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType) and value.__name__.startswith(f"{package}."):
            yield value
        elif name.startswith(f"{package}."):  # imported inside of the function
            yield sys.modules.get(name) or import_module(name)


def _source(function: FunctionType) -> list[Any]:
    """Its source without comments and docstrings; empty where there is none to be had.

    Bytecode changes with each Python: an upgrade must not look like other features.
    """
    if function.__name__ == "<lambda>":
        return []
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):
        return []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return [ast.unparse(tree)]


def _of_code(code: CodeType) -> list[Any]:
    parts: list[Any] = [code.co_code.hex(), code.co_names, code.co_varnames]
    # Only what an instruction loads: a docstring is a constant, too.
    loads = (each for each in dis.get_instructions(code) if each.opcode in dis.hasconst)
    used = sorted({each.arg for each in loads if each.arg is not None})
    for constant in (code.co_consts[position] for position in used):
        inner = isinstance(constant, CodeType)
        parts += _of_code(constant) if inner else _parts(constant, "", set())
    return parts


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names
