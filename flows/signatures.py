"""What each verb takes, read from its file without running it: help and mistakes come at once.

A verb's file imports Prefect, which costs seconds. Its parameters, their defaults and their
words stand in its text; only what these name is imported.
"""

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

Verb = Callable[..., Any]
HERE = Path(__file__).parent
ELSEWHERE = {"diff": "history", "verify": "maintain"}  # verbs in another's file
_made: dict[str, Verb] = {}


def __getattr__(name: str) -> Verb:  # cyclopts asks for a verb's only where it is needed
    if name.startswith("__"):
        raise AttributeError(name)
    return signature(name)


def signature(name: str) -> Verb:
    """A function with the parameters and the docstring of a verb's, which does nothing."""
    if name not in _made:
        module = ELSEWHERE.get(name, name)
        tree = ast.parse((HERE / f"{module}.py").read_text())
        [verb] = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
        used = {node.id for node in ast.walk(verb.args) if isinstance(node, ast.Name)}
        verb.decorator_list, verb.returns, verb.body = [], None, verb.body[:1]
        code = ast.Module([*_imports(tree, used), verb], [])
        names: dict[str, Any] = {"__name__": f"flows.{module}"}
        exec(compile(code, f"flows/{module}.py", "exec"), names)  # noqa: S102 our own file
        _made[name] = names[name]
    return _made[name]


def _imports(tree: ast.Module, used: set[str]) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            node.names = [each for each in node.names if (each.asname or each.name) in used]
            found += [node] if node.names else []
    return found


def is_one(command: Verb) -> bool:
    """Whether this is a verb's signature; what it is not, --help for one, can be called."""
    return command in _made.values()


def load(found: Verb) -> Verb:
    """The verb that a signature is of."""
    verb: Verb = getattr(import_module(found.__module__), found.__name__)
    return verb
