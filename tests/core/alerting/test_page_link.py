"""Alerts lead to the page, where it is said where that is."""

import json
from datetime import UTC, datetime

import pytest

from core.alerting import formats, receivers
from core.alerting.alerts import Alert, Message

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PAGE = "https://loop.example.com/"
KINDS = (
    "slack+https://hooks.example.com/services/T0/B0/x",
    "discord+https://hooks.example.com/1",
    "teams+https://hooks.example.com/2",
    "pagerduty://0123456789abcdef0123456789abcdef",
    "https://hooks.example.com/3",
)


def body(kind: str) -> str:
    [receiver] = receivers.parse(kind)
    alert = Alert(kind="late", subject="sales", title="late", text="x" * 20_000)
    message = Message(id="1", alerts=(alert,), since=NOW)
    return json.dumps(json.loads(formats.encode(receiver, message, NOW)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_form_leads_to_the_page_however_long_the_rest(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    assert "The page" not in body(kind)
    monkeypatch.setenv("DAYLOOP_REPORT_URL", PAGE)
    assert f"The page: {PAGE}" in body(kind)


def test_with_it_a_section_is_no_longer_than_slack_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYLOOP_REPORT_URL", PAGE)
    sections = [each["text"]["text"] for each in json.loads(body(KINDS[0]))["blocks"][2:-1]]
    assert max(map(len, sections)) == 3_000


def test_what_is_no_address_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYLOOP_REPORT_URL", "javascript:alert(1)")
    assert "javascript" not in body(KINDS[0])
