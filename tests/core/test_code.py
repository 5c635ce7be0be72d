import functools
import os
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import code


def made(text: str, name: str = "f", module: str = "shop") -> Callable[..., Any]:
    space: dict[str, Any] = {"__name__": module}
    exec(compile(textwrap.dedent(text), f"{module}.py", "exec"), space)
    return space[name]


BASE = """
    DAYS = [7, 30]

    def helper(x):
        return x + 1

    def f(x):
        return [helper(x) * each for each in DAYS]
"""


def test_comments_docstrings_and_blank_lines_do_not_count() -> None:
    edited = """
        # a comment
        DAYS = [7, 30]


        def helper(x):
            '''What it does.'''
            return x + 1  # here

        def f(x):
            '''Says something else.'''

            return [helper(x) * each for each in DAYS]
    """
    assert code.of_function(made(BASE)) == code.of_function(made(edited))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x + 1", "x + 2"),
        ("[7, 30]", "[7, 31]"),
        ("[7, 30]", "{7: 30}"),
        ("[7, 30]", "None"),
        ("helper(x) *", "helper(x) +"),
        ("def f(x)", "def f(x=1)"),
        ("def helper(x)", "def helper(x, *, y=2)"),
    ],
)
def test_a_change_of_the_function_its_helpers_or_their_values_counts(old: str, new: str) -> None:
    assert code.of_function(made(BASE)) != code.of_function(made(BASE.replace(old, new)))


def test_a_text_that_is_docstring_and_value_counts_as_value() -> None:
    text = "def f():\n    'x'\n    return 'x'"
    assert code.of_function(made(text)) != code.of_function(made(text.replace("'x'", "'y'")))


def test_what_a_function_was_made_with_counts() -> None:
    text = """
        def make(days):
            def f(x):
                return x * days
            return f
    """
    make = made(text, "make")
    assert code.of_function(make(7)) == code.of_function(make(7))
    assert code.of_function(make(7)) != code.of_function(make(30))


def test_arguments_bound_to_a_function_count() -> None:
    def f(x: int, days: int) -> int:
        return x * days

    def hashed(days: int) -> str:
        return code.digest(code._parts(functools.partial(f, days=days), __name__, set()))

    assert hashed(7) == hashed(7) != hashed(30)


def test_a_helper_in_another_file_of_the_catalog_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_helper(body: str, importing: str) -> str:
        shared = types.ModuleType("shop.shared")
        exec(f"def rfm(x):\n    return {body}", shared.__dict__)
        monkeypatch.setitem(sys.modules, "shop", types.ModuleType("shop"))
        monkeypatch.setitem(sys.modules, "shop.shared", shared)
        return code.of_function(made(importing, module="shop.model"))

    for importing in (
        "from shop.shared import rfm\ndef f(x):\n    return rfm(x)",
        "import shop.shared as shared\ndef f(x):\n    return shared.rfm(x)",
        "def f(x):\n    from shop.shared import rfm\n    return rfm(x)",
    ):
        assert with_helper("x + 1", importing) == with_helper("x + 1", importing)
        assert with_helper("x + 1", importing) != with_helper("x + 2", importing)


def test_a_class_of_the_catalog_counts_by_its_methods() -> None:
    text = """
        class Transformer:
            power = 2
            def transform(self, x):
                return x ** self.power

        def f(x):
            return Transformer().transform(x)
    """
    assert code.of_function(made(text)) == code.of_function(made(text))
    assert code.of_function(made(text)) != code.of_function(made(text.replace("** ", "* ")))
    assert code.of_function(made(text)) != code.of_function(made(text.replace("= 2", "= 3")))


def test_functions_that_call_each_other_come_to_an_end() -> None:
    text = """
        def g(x):
            return f(x - 1)

        def f(x):
            return g(x) if x else 0
    """
    assert code.of_function(made(text)) == code.of_function(made(text))


def test_calling_a_function_often_does_not_change_its_hash() -> None:
    f = made(BASE)
    before = code.of_function(f)
    for _ in range(5_000):
        f(1)
    assert code.of_function(f) == before


def test_every_process_finds_the_same_hash() -> None:
    program = """
        from types import SimpleNamespace

        import numpy as np

        from core import code

        NAMES, OTHER, TABLE = {"x", "yy", "zzz", "w"}, object(), np.arange(2_000)

        def scale(x, by=np.log1p, how=len):
            return by(x) if x in {"a", "bb", "ccc", "dddd"} and x in NAMES else how(TABLE, OTHER)

        def estimator(seed):
            return SimpleNamespace(func=scale, seed=seed)

        print(code.of_function(scale), code.of_function(estimator))
        print(code.text_of({"step": estimator(0)}))
    """
    running = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(code.__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    outputs = {process.communicate()[0] for process in running}
    assert len(outputs) == 1 and outputs != {""}
    assert not re.search(r"0x[0-9a-f]{6}", outputs.pop())


def test_text_of_tells_values_apart_and_knows_no_address() -> None:
    values = [1, 1.0, "1", True, None, (1,), [1], {1}, {1: 1}, b"1", print, object]
    assert len({code.text_of(value) for value in values}) == len(values)
    assert "0x" not in code.text_of([object(), lambda: 0])


def test_the_code_version_can_be_set_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    code.version.cache_clear()
    monkeypatch.setenv("DAYLOOP_CODE_VERSION", "image-7")
    assert code.version() == "image-7"
    code.version.cache_clear()
