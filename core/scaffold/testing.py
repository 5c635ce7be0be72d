"""The test of a dataset's file, as text: one made-up row, and wrong values in it."""

from datetime import UTC, datetime
from typing import Any

from catalog.kinds import File, Http, Source
from catalog.sources import format_of
from core.scaffold.dataset import Draft
from core.scaffold.layout import fit, quoted
from core.scaffold.texts import Found

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


def code(draft: Draft) -> str:
    """The file in `tests/catalog/datasets/`."""
    good = {each.name: _good(each, draft) for each in draft.columns}
    fields = [f"{quoted(name)}: {_value(value)}" for name, value in good.items()]
    cases = [f"({quoted(name)}, {_value(value)})" for name, value in _wrong(draft)]
    return f'''"""A row as it should be is taken; one with a wrong value is put aside."""

import pytest

from tests.catalog.taking import faults

{fit("GOOD = {", fields, "}", broken=len(good) > 3)}


def test_a_good_row_is_taken():
    assert faults({quoted(draft.name)}, GOOD) == []


@pytest.mark.parametrize(
    ("column", "value"),
    {fit("[", cases, "]", indent=4)},
)
def test_a_wrong_value_is_put_aside(column, value):
    assert faults({quoted(draft.name)}, GOOD | {{column: value}}) == [column]
'''


def _has_types(source: Source) -> bool:
    """Whether its values come as JSON or parquet has them, not as text."""
    if isinstance(source, Http):
        return source.format != "csv"
    return not (isinstance(source, File) and format_of(source.path) == "delimited")


def _good(found: Found, draft: Draft) -> Any:
    if found.kind == "datetime":
        return MOMENT.strftime(found.date_format or "%Y-%m-%dT%H:%M:%SZ")
    return _sent(draft.rules[found.name].good, draft.source)


def _sent(value: Any, source: Source) -> Any:
    """A value as the source would send it."""
    if _has_types(source):
        return value
    if isinstance(value, float):
        return str(value).replace(".", source.decimal)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wrong(draft: Draft) -> list[tuple[str, Any]]:
    """One case of each kind of fault."""
    nothing = None if _has_types(draft.source) else ""
    cases: dict[str, tuple[str, Any]] = {"day": (draft.day, nothing)}
    for each in draft.columns:
        rule = draft.rules[each.name]
        if each.kind in ("int", "float"):
            cases.setdefault("number", (each.name, "many"))
        if rule.bad is not None:
            cases.setdefault(
                rule.code.partition("(")[0], (each.name, _sent(rule.bad, draft.source))
            )
    return [*cases.values()]


def _value(value: Any) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)
