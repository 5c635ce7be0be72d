"""JSON pages: every character within a row survives, and what is not JSON is refused."""

import io
from typing import Any

import pytest

from catalog.kinds import File
from core.errors import SourceRefused
from core.reader.pages import SEPARATOR
from core.reader.reading import read


def rows(*pages: str, records: str = "") -> list[dict[str, Any]]:
    data = b"".join(SEPARATOR + page.encode() + b"\n" for page in pages)
    columns = {"id": "string", "n": "int"}
    source = File(path="a.csv", records=records)
    blocks = read(source, columns, "id", lambda: io.BytesIO(data), "a.json")
    return [row for block in blocks for row in block.rows.select(["id", "n"]).to_pylist()]


def test_the_rows_of_all_pages_come_in_their_order() -> None:
    rows_of_first = '[\n {"id": "1",\r\n "n": 9007199254740993},\n {"id": "]}"}\n]'
    first = '{"next": "x", "data": {"rows": ' + rows_of_first + "}}"
    second = '{"data": {"rows": [], "more": false}}'
    third = '{"data": {"rows": [{"n": 2, "id": "3"}]}, "rows": [{"id": "no"}]}'
    assert rows(first, second, third, records="data.rows") == [
        {"id": "1", "n": 9007199254740993},
        {"id": "]}", "n": None},
        {"id": "3", "n": 2},
    ]


def test_a_page_may_be_the_list_itself() -> None:
    assert rows('\ufeff[{"id": "1", "n": 1}]') == [{"id": "1", "n": 1}]
    assert rows("[]") == []


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ('{"a": [1}', "page 1 is not JSON"),
        ("", "page 1 is not JSON"),
        ("<html>", "page 1 is not JSON"),
        ('{"a": {"b": []}, "a": {"b": []}}', "twice"),
        ('{"a": {"b": [{"id": NaN}]}}', "NaN"),
        ('{"a": []}', "has no 'a.b'"),
        ('{"a": {"c": []}}', "has no 'a.b'"),
        ('{"a": {"b": {}}}', "no list at 'a.b'"),
    ],
)
def test_a_page_that_is_not_as_declared_is_refused(page: str, says: str) -> None:
    with pytest.raises(SourceRefused, match="a.json: page 1") as caught:
        rows(page or "?", records="a.b")
    assert says in str(caught.value)
