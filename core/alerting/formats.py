"""A message in each receiver's own form, within that service's limits.

Slack: docs.slack.dev, Block Kit (header 150 characters, section 3,000). Discord: webhook
resource, embed limits (title 256, description 4,096, field 1,024, 6,000 in all). Teams:
Adaptive Cards 1.5 in a workflow's message, 28 KB. PagerDuty: Events API v2 (summary 1,024,
512 KB). Standard Webhooks: under 20 KB. What does not fit is cut; the link leads to the rest.
"""

import json
import os
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from core.alerting.alerts import Alert, Message, shorten
from core.alerting.receivers import Receiver

Body = dict[str, Any]
PAGE = "DAYLOOP_REPORT_URL"
_SIGNS = {"page": "🔴", "warn": "🟡", "info": "🔵"}
_COLOURS = {"page": 0xD92D20, "warn": 0xF5A623, "info": 0x2F6FED}
_GREEN = 0x2E9E5B
_PAGERDUTY = {"page": "critical", "warn": "warning", "info": "info"}


def encode(receiver: Receiver, message: Message, now: datetime) -> bytes:
    """The request body for a receiver, as UTF-8 JSON."""
    make, most_bytes = _FORMATS[receiver.kind]
    data = b""
    for budget in (3_000, 1_500, 500, 100):  # characters of detail; other scripts take 4 bytes each
        data = json.dumps(make(receiver, message, now, budget), ensure_ascii=False).encode()
        if len(data) <= most_bytes:
            break
    return data


def plain_text(message: Message, budget: int = 3_000) -> str:
    """The message as lines of text: for email, apprise and the terminal."""
    lines = [message.headline, *(f"{name}: {value}" for name, value in _facts(message))]
    if message.first.todo:
        lines.append(f"Do now: {message.first.todo}")
    if link := _link(message.first):
        lines.append(f"The run: {link}")
    return "\n".join([*lines, "", _detail(message, budget), "", message.id])


def _facts(message: Message) -> list[tuple[str, str]]:
    first = message.first
    since = f"{message.since:%Y-%m-%d %H:%M} UTC"
    facts = [("About", first.subject), ("Since", since), ("Owner", first.owner)]
    return [(name, shorten(value, 200)) for name, value in facts if value]


def _detail(message: Message, budget: int) -> str:
    others = [f"• {shorten(title, 150)}" for title in message.others]
    shown = others[: max(budget // 100, 1)]
    if len(shown) < len(others):
        shown.append(f"… and {len(others) - len(shown)} more")
    page = _page()
    room = max(budget - len(page) - 1, 100) if page else budget
    text = shorten("\n".join(filter(None, [message.first.text, *shown])), room)
    return "\n".join(filter(None, [text, page]))


def _page() -> str:
    """Where everything can be looked at, if that is set."""
    url = os.environ.get(PAGE, "")
    return f"The page: {url}" if re.fullmatch(r"https?://\S{1,500}", url) else ""


def _link(alert: Alert) -> str:
    good = re.fullmatch(r"https?://\S{1,1000}", alert.run_url)
    return alert.run_url if good else ""


def _sign(message: Message) -> str:
    return "✅" if message.resolved else _SIGNS[message.first.severity]


def _colour(message: Message) -> int:
    return _GREEN if message.resolved else _COLOURS[message.first.severity]


def _todo(message: Message) -> str:
    return shorten(message.first.todo, 500).replace("`", "'")


def _slack(receiver: Receiver, message: Message, now: datetime, budget: int) -> Body:
    headline = f"{_sign(message)} {message.headline}"
    blocks: list[Body] = [
        {"type": "header", "text": {"type": "plain_text", "text": shorten(headline, 150)}},
        {
            "type": "section",
            "fields": [
                {"type": "plain_text", "text": f"{name}: {value}"}
                for name, value in _facts(message)
            ],
        },
    ]
    # plain_text, because a _name_ in data would come out slanted and <!channel> would ring.
    if detail := _detail(message, budget):
        blocks.append({"type": "section", "text": {"type": "plain_text", "text": detail}})
    if message.first.todo:
        code = f"Do now: `{_escape_slack(_todo(message))}`"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": code}})
    if link := _link(message.first):
        text = f"<{_escape_slack(link).replace('|', '%7C')}|The run>"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    blocks.append({"type": "context", "elements": [{"type": "plain_text", "text": message.id}]})
    return {"text": _escape_slack(shorten(headline, 300)), "blocks": blocks}


def _escape_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _discord(receiver: Receiver, message: Message, now: datetime, budget: int) -> Body:
    fields = [
        {"name": name, "value": _escape_discord(value), "inline": True}
        for name, value in _facts(message)
    ]
    if message.first.todo:
        fields.append({"name": "Do now", "value": f"`{_todo(message)}`", "inline": False})
    embed: Body = {
        "title": shorten(_escape_discord(f"{_sign(message)} {message.headline}"), 256),
        "description": shorten(_escape_discord(_detail(message, budget)), 3_500),
        "color": _colour(message),
        "fields": fields,
        "footer": {"text": message.id},
        "timestamp": message.since.isoformat(),
    }
    if link := _link(message.first):
        embed["url"] = link
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def _escape_discord(text: str) -> str:
    return re.sub(r"([\\*_~`|>#\[\]])", r"\\\1", text)


def _teams(receiver: Receiver, message: Message, now: datetime, budget: int) -> Body:
    # Text runs, because a TextBlock would read data as Markdown.
    blocks = [_teams_text(f"{_sign(message)} {message.headline}", weight="Bolder", size="Medium")]
    blocks += [_teams_text(f"{name}: {value}") for name, value in _facts(message)]
    if detail := _detail(message, budget):
        blocks.append(_teams_text(detail))
    if message.first.todo:
        blocks += [_teams_text("Do now:"), _teams_text(_todo(message), fontType="Monospace")]
    blocks.append(_teams_text(message.id, size="Small"))
    card: Body = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.5",
        "body": blocks,
    }
    if link := _link(message.first):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "The run", "url": link}]
    content_type = "application/vnd.microsoft.card.adaptive"
    return {
        "type": "message",
        "attachments": [{"contentType": content_type, "contentUrl": None, "content": card}],
    }


def _teams_text(text: str, **style: str) -> Body:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def _pagerduty(receiver: Receiver, message: Message, now: datetime, budget: int) -> Body:
    first = message.first
    event: Body = {
        "routing_key": receiver.secrets[0],
        "event_action": "resolve" if message.resolved else "trigger",
        "dedup_key": first.fingerprint,
    }
    if message.resolved:
        return event
    event["client"] = "Dayloop"
    event["payload"] = {
        "summary": shorten(message.headline, 1_024),
        "source": shorten(first.subject or "dayloop", 255),
        "severity": _PAGERDUTY[first.severity],
        "timestamp": message.since.isoformat(),
        "class": shorten(first.kind, 255),
        "custom_details": {
            **dict(_facts(message)),
            "Do now": _todo(message),
            "Detail": _detail(message, budget),
            "Id": message.id,
        },
    }
    if link := _link(first):
        event["links"] = [{"href": link, "text": "The run"}]
    return event


def _data(message: Message, budget: int) -> Body:
    first = message.first
    return {
        "id": message.id,
        "status": "resolved" if message.resolved else "open",
        "fingerprint": first.fingerprint,
        "kind": shorten(first.kind, 200),
        "subject": shorten(first.subject, 200),
        "severity": first.severity,
        "title": first.title,
        "text": _detail(message, budget),
        "owner": shorten(first.owner, 200),
        "todo": shorten(first.todo, 500),
        "run_url": _link(first),
        "since": message.since.isoformat(),
        "count": len(message.alerts),
        "resolves": first.resolves,
    }


def _standard(receiver: Receiver, message: Message, now: datetime, budget: int) -> Body:
    state = "resolved" if message.resolved else "opened"
    return {"type": f"alert.{state}", "timestamp": now.isoformat(), "data": _data(message, budget)}


def _json(receiver: Receiver, message: Message, now: datetime, budget: int) -> Body:
    return _data(message, budget)


_Make = Callable[[Receiver, Message, datetime, int], Body]
_FORMATS: dict[str, tuple[_Make, int]] = {
    "slack": (_slack, 100_000),
    "teams": (_teams, 28_000),
    "discord": (_discord, 100_000),
    "pagerduty": (_pagerduty, 500_000),
    "standard": (_standard, 20_000),
    "json": (_json, 20_000),
}
