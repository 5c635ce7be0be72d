"""Sources check themselves when they are declared; no secret stands in one."""

from typing import Any

import pytest

from catalog.kinds import Cursor, DeclarationError, Http, Sql

URL = "https://api.example.com/v1/orders"
QUERY = "SELECT * FROM orders WHERE at >= :start AND at < :end"


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"url": "ftp://example.com/x"}, "source.url: must be http"),
        ({"url": "https://me:secret@example.com/x"}, "without user, password"),
        ({"url": "https://example.com/x?key=1"}, "query"),
        ({"url": "https://example.com:99999/x"}, "a port that there is not"),
        ({"format": "xml"}, "none of json, jsonl, csv"),
        ({"format": "csv", "pages": Cursor(param="a", path="b")}, "a cursor stands in JSON"),
        ({"token": "s3cr3t-t0ken!"}, "the name of an environment variable"),
        ({"header": "X Key"}, "the name of a header"),
        ({"deadline_seconds": 0}, "source.deadline_seconds: must be above 0"),
        ({"max_pages": 0}, "source.max_pages"),
    ],
)
def test_an_api_that_cannot_be_right_is_said(declared: dict[str, Any], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        Http(**{"url": URL, **declared})


def test_a_day_in_the_address_or_a_parameter_asks_day_by_day() -> None:
    assert Http(url=URL + "/{day}").daily
    assert Http(url=URL, params={"on": "{day}"}).daily
    assert not Http(url=URL, params={"from": "{start}", "to": "{end}"}).daily


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"database": "postgresql://me:secret@host/db"}, "the name of an environment variable"),
        ({"database": ""}, "must not be empty"),
        ({"query": "SELECT * FROM orders"}, "must use :start"),
        ({"query": "SELECT a::start, b FROM t WHERE c < :end"}, "must use :start"),
    ],
)
def test_a_query_that_cannot_be_right_is_said(declared: dict[str, str], says: str) -> None:
    with pytest.raises(DeclarationError, match=says) as caught:
        Sql(**{"database": "SHOP_DATABASE_URL", "query": QUERY, **declared})
    assert "secret@" not in str(caught.value)
