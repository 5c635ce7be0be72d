"""The test of a dataset's file, as text: one made-up row, and wrong values in it."""

from datetime import UTC, datetime
from typing import Any

from catalog.kinds import File, Http, Source
from catalog.sources import format_of
from core.scaffold.dataset import Draft
from core.scaffold.layout import Call, lay
from core.scaffold.rules import Rule, quoted
from core.scaffold.texts import Found


def code(draft: Draft) -> str:
    """The file in `tests/catalog/datasets/`."""
    typed = _has_types(draft.source)
    good = {each.name: _good(each, draft.rules[each.name], typed) for each in draft.columns}
    pairs = [f"{quoted(name)}: {_value(value)}" for name, value in good.items()]
    row = Call("GOOD = {", pairs, "}", literal=True, broken=len(good) > 3)
    cases = [f"({quoted(name)}, {_value(value)})" for name, value in _wrong(draft, typed)]
    listed = lay(Call("[", cases, "]", literal=True), 4, 4, 1)
    return f'''"""A row as it should be is taken; one with a wrong value is put aside."""

import pytest

from tests.catalog.taking import faults

{lay(row)}


def test_a_good_row_is_taken():
    assert faults({quoted(draft.name)}, GOOD) == []


@pytest.mark.parametrize(
    ("column", "value"),
    {listed},
)
def test_a_wrong_value_is_put_aside(column, value):
    assert faults({quoted(draft.name)}, GOOD | {{column: value}}) == [column]
'''


def _has_types(source: Source) -> bool:
    """Whether its values come as JSON or parquet has them, not as text."""
    if isinstance(source, Http):
        return source.format != "csv"
    return not (isinstance(source, File) and format_of(source.path) == "delimited")


def _good(found: Found, rule: Rule, typed: bool) -> Any:
    if found.kind == "datetime":
        moment = datetime(2026, 1, 2, tzinfo=UTC)
        if found.date_format:
            return moment.strftime(found.date_format)
        return "2026-01-02T00:00:00Z"
    if typed or rule.good is None:
        return rule.good
    return str(rule.good).lower() if isinstance(rule.good, bool) else str(rule.good)


def _wrong(draft: Draft, typed: bool) -> list[tuple[str, Any]]:
    """One case of each kind of fault."""
    cases: dict[str, tuple[str, Any]] = {"day": (draft.day, None if typed else "")}
    for each in draft.columns:
        rule = draft.rules[each.name]
        if each.kind in ("int", "float"):
            cases.setdefault("number", (each.name, "many"))
        if rule.bad is not None:
            which = rule.code.partition("(")[0]
            value = rule.bad if typed else str(rule.bad)
            cases.setdefault(which, (each.name, value))
    return [*cases.values()]


def _value(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)
