import asyncio
import json
import pickle
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest

from core.alerting import apprises, outbox, receivers
from core.alerting.alerts import Alert, Message
from core.alerting.formats import encode, plain_text
from core.alerting.receivers import Receiver, parse
from core.alerting.webhooks import verify
from core.errors import UsageError
from tests.core.alerting.local_receiver import serve

NOW = datetime(1998, 4, 3, 6, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SLACK = "slack+https://hooks.slack.com/services/T000/B000/XXXXsecret"
ADDRESSES = {
    "slack": SLACK,
    "teams": "teams+https://prod-1.westeurope.logic.azure.com/workflows/SECRETsecret?sig=SECRETsig",
    "discord": "discord+https://discord.com/api/webhooks/1/SECRETtoken",
    "pagerduty": "pagerduty://R0UT1NGSECRETKEY",
    "standard": f"standard+https://me:SECRETpass@example.com/SECRETpath?secret={SECRET}&a=SECRETa",
    "json": "https://me:SECRETpass@example.com/SECRETpath?token=SECRETtoken",
    "apprise": "mailto://me:SECRETpass@example.com/?to=a@example.com,b@example.com",
}
ALERT = Alert(
    kind="refused_data",
    subject="sales 1998-04-02",
    title="sales 1998-04-02 was refused: 7 % of its rows are bad",
    text="amount: 12 of 170 rows are below 0",
    severity="page",
    owner="data@example.com",
    todo="python -m flows etl sales --from 1998-04-02",
    run_url="https://prefect.example.com/runs/1",
    key="rules",
)


def message(*alerts: Alert) -> Message:
    return Message(id=alerts[0].id, alerts=alerts, since=NOW)


def one(kind: str) -> Receiver:
    return parse(ADDRESSES[kind])[0]


def body(kind: str, *alerts: Alert) -> Any:
    return json.loads(encode(one(kind), message(*alerts), NOW))


@pytest.mark.parametrize("kind", ADDRESSES)
def test_each_kind_is_recognised_and_shows_no_secret(kind: str) -> None:
    receiver = one(kind)
    assert receiver.kind == kind
    assert "SECRET" not in repr(receiver) + str(receiver) + receiver.name
    assert "secret" not in receiver.name


def test_a_name_is_kind_host_and_a_short_hash() -> None:
    assert one("slack").name.startswith("slack hooks.slack.com ")
    assert one("pagerduty").name.startswith("pagerduty events.pagerduty.com ")
    assert one("apprise").name.startswith("mailto example.com ")


def test_a_service_whose_address_begins_with_a_token_is_named_without_it() -> None:
    (telegram,) = parse("tgram://123456789:abcdefghijklmnopqrstuvwxyzabcdefghi/12315544/")
    assert telegram.name.split()[0] == "tgram"
    assert len(telegram.name.split()) == 2
    assert "123456789" not in telegram.name


def test_addresses_are_separated_by_commas_and_keep_their_own() -> None:
    text = f"{SLACK}#severity=page,warn&kind=drift, {ADDRESSES['apprise']},\n{ADDRESSES['json']},"
    assert [receiver.kind for receiver in parse(text)] == ["slack", "apprise", "json"]
    assert parse(text)[0].rules["severity"] == {"page", "warn"}
    assert parse(text)[1].url.endswith("a@example.com,b@example.com")


def test_no_addresses_are_no_receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAYLOOP_WEBHOOKS", raising=False)
    assert receivers.from_environment() == ()
    assert parse(" , ") == ()


def test_the_environment_names_the_receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYLOOP_WEBHOOKS", SLACK)
    assert receivers.from_environment()[0].url == SLACK.removeprefix("slack+")


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("slak+https://hooks.example.com/SECRET", r"address 2 \(slak\+https\): no kind"),
        ("slack+ftp://hooks.example.com/SECRET", r"address 2 \(slack\+ftp\)"),
        ("slack+https:///SECRET", "no host"),
        ("https://[SECRET/x", "no address|no host"),
        ("https://exa mple.com:SECRET/x", "no host"),
        ("pagerduty://SECRET KEY", "routing key"),
        ("pagerduty+https://events.eu.pagerduty.com/SECRET", "routing key"),
        ("standard+https://example.com/SECRET", "secret="),
        ("standard+https://example.com/?secret=whsec_SECRET%%", "24 to 64 bytes"),
        ("standard+https://example.com/?secret=whsec_U0VDUkVU", "24 to 64 bytes"),
        (SLACK + "1#colour=SECRET", "behind #"),
        (SLACK + "1#severity=SECRET", "page, warn, info"),
        (SLACK + "1#severity=", "with values"),
        (SLACK + "1#repeat_after=SECRET", "such as 4h"),
        ("HTTPS://example.com/SECRET", "begin with a kind"),
    ],
)
def test_a_wrong_address_is_named_by_its_position_and_never_shown(
    address: str, problem: str
) -> None:
    with pytest.raises(UsageError, match=problem) as raised:
        parse(f"{SLACK},{address}")
    seen: BaseException | None = raised.value
    while seen is not None:
        assert "SECRET" not in str(seen)
        seen = None if seen.__suppress_context__ else seen.__context__


def test_a_token_without_a_kind_is_not_shown_either() -> None:
    with pytest.raises(
        UsageError, match=r"address 1 \(no kind\): it must begin with a kind"
    ) as raised:
        parse("SECRETtoken")
    assert "SECRET" not in str(raised.value)


def test_the_same_receiver_twice_is_an_error() -> None:
    with pytest.raises(UsageError, match="1 and 2 are the same"):
        parse(f"{SLACK}#severity=page,{SLACK}#severity=warn")


def test_rotating_a_secret_password_or_rule_does_not_make_another_receiver() -> None:
    two = ADDRESSES["standard"] + "&secret=whsec_" + "A" * 32 + "#severity=page"
    assert parse(two)[0].name == one("standard").name
    assert parse(two)[0].secrets == (SECRET, "whsec_" + "A" * 32)
    assert parse(ADDRESSES["json"].replace("SECRETpass", "new"))[0].name == one("json").name
    assert parse(SLACK + "2")[0].name != one("slack").name


def test_the_secret_is_not_part_of_what_is_called() -> None:
    assert one("standard").url == "https://me:SECRETpass@example.com/SECRETpath?a=SECRETa"


def test_base64_in_a_query_keeps_its_plus_signs() -> None:
    secret = "whsec_" + "+/" * 16
    assert parse(f"standard+https://example.com/?secret={secret}")[0].secrets == (secret,)


def test_a_channel_behind_a_hash_is_left_to_apprise() -> None:
    address = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general"
    assert parse(address)[0].url == address
    narrowed = parse(address + "#severity=page")[0]
    assert (narrowed.url, set(narrowed.rules)) == (address, {"severity"})


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ("severity=page", True),
        ("severity=warn,info", False),
        ("kind=refused_data,drift", True),
        ("kind=drift", False),
        ("dataset=sales", True),
        ("dataset=orders", False),
        ("dataset=orders&model=sales", True),
        ("model=churn", False),
        ("owner=Data%40example.com", True),
        ("owner=else@example.com", False),
        ("severity=page&kind=drift", False),
        ("repeat_after=1h", True),
    ],
)
def test_rules_narrow_what_a_receiver_hears(rules: str, wanted: bool) -> None:
    assert parse(f"{SLACK}#{rules}")[0].wants(ALERT) is wanted


def test_how_long_a_thing_is_not_repeated_can_be_said() -> None:
    assert one("slack").repeat_after == timedelta(hours=4)
    assert parse(SLACK + "#repeat_after=30m")[0].repeat_after == timedelta(minutes=30)
    assert parse(SLACK + "#repeat_after=2d")[0].repeat_after == timedelta(days=2)


def test_a_receiver_never_hears_of_itself_being_unreachable() -> None:
    receiver = one("slack")
    about = replace(ALERT, kind="undelivered", subject=receiver.name)
    assert not receiver.wants(about)
    assert one("discord").wants(about)


def test_a_receiver_can_be_sent_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(one("slack"))) == one("slack")


# What the services publish: Slack's Block Kit reference, Discord's webhook and embed
# limits, PagerDuty's Events API v2, Standard Webhooks' payload, Teams' workflow message.
def text(limit: int, kinds: tuple[str, ...] = ("plain_text",)) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["type", "text"],
        "properties": {
            "type": {"enum": list(kinds)},
            "text": {"type": "string", "minLength": 1, "maxLength": limit},
        },
        "additionalProperties": False,
    }


BOTH = ("plain_text", "mrkdwn")
SCHEMAS: dict[str, dict[str, Any]] = {
    "slack": {
        "type": "object",
        "required": ["text", "blocks"],
        "additionalProperties": False,
        "properties": {
            "text": {"type": "string", "maxLength": 4000},
            "blocks": {
                "type": "array",
                "maxItems": 50,
                "items": {
                    "oneOf": [
                        {
                            "required": ["type", "text"],
                            "properties": {"type": {"const": "header"}, "text": text(150)},
                            "additionalProperties": False,
                        },
                        {
                            "required": ["type"],
                            "properties": {
                                "type": {"const": "section"},
                                "text": text(3000, BOTH),
                                "fields": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": 10,
                                    "items": text(2000, BOTH),
                                },
                            },
                            "anyOf": [{"required": ["text"]}, {"required": ["fields"]}],
                            "additionalProperties": False,
                        },
                        {
                            "required": ["type", "elements"],
                            "properties": {
                                "type": {"const": "context"},
                                "elements": {
                                    "type": "array",
                                    "maxItems": 10,
                                    "items": text(3000, BOTH),
                                },
                            },
                            "additionalProperties": False,
                        },
                    ]
                },
            },
        },
    },
    "discord": {
        "type": "object",
        "required": ["embeds", "allowed_mentions"],
        "properties": {
            "allowed_mentions": {"const": {"parse": []}},
            "embeds": {
                "type": "array",
                "maxItems": 10,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "title": {"type": "string", "minLength": 1, "maxLength": 256},
                        "description": {"type": "string", "maxLength": 4096},
                        "url": {"type": "string", "pattern": "^https?://"},
                        "timestamp": {"type": "string", "format": "date-time"},
                        "color": {"type": "integer", "minimum": 0, "maximum": 0xFFFFFF},
                        "footer": {"properties": {"text": {"type": "string", "maxLength": 2048}}},
                        "fields": {
                            "type": "array",
                            "maxItems": 25,
                            "items": {
                                "required": ["name", "value"],
                                "properties": {
                                    "name": {"type": "string", "minLength": 1, "maxLength": 256},
                                    "value": {"type": "string", "minLength": 1, "maxLength": 1024},
                                },
                            },
                        },
                    },
                },
            },
        },
    },
    "teams": {
        "type": "object",
        "required": ["type", "attachments"],
        "properties": {
            "type": {"const": "message"},
            "attachments": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "required": ["contentType", "content"],
                    "properties": {
                        "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                        "content": {
                            "required": ["type", "version", "body"],
                            "additionalProperties": False,  # so published: no extras of ours
                            "properties": {
                                "$schema": {"type": "string"},
                                "actions": {"items": {"required": ["type", "url"]}},
                                "type": {"const": "AdaptiveCard"},
                                "version": {"enum": ["1.2", "1.3", "1.4", "1.5"]},
                                "body": {
                                    "items": {
                                        "required": ["type", "inlines"],
                                        "properties": {
                                            "type": {"const": "RichTextBlock"},
                                            "inlines": {
                                                "items": {
                                                    "required": ["type", "text"],
                                                    "properties": {"type": {"const": "TextRun"}},
                                                }
                                            },
                                        },
                                    }
                                },
                            },
                        },
                    },
                },
            },
        },
    },
    "pagerduty": {
        "type": "object",
        "required": ["routing_key", "event_action", "dedup_key"],
        "properties": {
            "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
            "dedup_key": {"type": "string", "maxLength": 255},
            "payload": {
                "required": ["summary", "source", "severity"],
                "properties": {
                    "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                    "source": {"type": "string", "minLength": 1},
                    "severity": {"enum": ["critical", "error", "warning", "info"]},
                    "timestamp": {"type": "string", "format": "date-time"},
                    "custom_details": {"type": "object"},
                },
            },
            "links": {"items": {"required": ["href"]}},
        },
        "if": {"properties": {"event_action": {"const": "trigger"}}},
        "then": {"required": ["payload"]},
    },
    "standard": {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "pattern": r"^[a-zA-Z0-9_.]+$"},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"type": "object"},
        },
    },
    "json": {"type": "object", "required": ["id", "kind", "subject", "title", "status"]},
}
MOST_BYTES = {"teams": 28 * 1024, "pagerduty": 512 * 1024, "standard": 20_000, "json": 20_000}
EMPTY = Alert(kind="test", subject="", title="")
NASTY = "<!channel> @everyone [x](https://evil.example) `a` *b* _c_ & \x00\u2028 \ud800 𝄞"
HUGE = replace(ALERT, **{name: '𝄞\\"\n' * 9_000 for name in ("kind", "subject", "title", "text")})
HUGE = replace(
    HUGE, owner="ü" * 20_000, todo="`" * 20_000, run_url="https://x.example/" + "y" * 9000
)
MANY = tuple(replace(ALERT, title=f"column c{i} {'x' * 200}", key=str(i)) for i in range(400))
CASES = {
    "usual": (ALERT,),
    "empty": (EMPTY,),
    "nasty": (replace(ALERT, title=NASTY, text=NASTY, subject=NASTY, todo=NASTY, owner=NASTY),),
    "huge": (HUGE,),
    "many": MANY,
    "many and huge": (HUGE, *MANY),
    "resolved": (replace(ALERT, resolves=ALERT.id, title="Resolved: it was refused"),),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_message_is_within_its_services_limits(kind: str, case: str) -> None:
    data = encode(one(kind), message(*CASES[case]), NOW)
    assert len(data) <= MOST_BYTES.get(kind, 100_000)
    jsonschema.validate(json.loads(data), SCHEMAS[kind])


@pytest.mark.parametrize("case", CASES)
def test_a_discord_embed_has_at_most_6000_characters(case: str) -> None:
    (embed,) = body("discord", *CASES[case])["embeds"]
    fields = [field[part] for field in embed["fields"] for part in ("name", "value")]
    parts = [embed["title"], embed["description"], embed["footer"]["text"], *fields]
    assert sum(map(len, parts)) <= 6000


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_message_says_what_to_what_since_when_whose_and_what_to_do(kind: str) -> None:
    said = json.dumps(body(kind, ALERT), ensure_ascii=False).replace("\\\\", "")
    wanted = [ALERT.title, ALERT.subject, "1998-04-03", ALERT.owner, ALERT.todo, ALERT.run_url]
    assert [part for part in wanted if part not in said] == []
    assert ALERT.id in said


def test_the_text_for_mail_says_it_too() -> None:
    said = plain_text(message(ALERT))
    assert all(part in said for part in (ALERT.title, ALERT.subject, ALERT.todo, ALERT.text))


def test_forty_failing_columns_are_one_message_that_names_the_first_of_them() -> None:
    alerts = [replace(ALERT, title=f"column c{i} has nulls", key=str(i)) for i in range(40)]
    said = plain_text(message(*alerts))
    assert said.startswith("column c0 has nulls (and 39 more)")
    assert "column c20" in said


def test_data_cannot_ring_or_forge_a_link() -> None:
    nasty = CASES["nasty"]
    assert "<!channel>" not in body("slack", *nasty)["text"]
    blocks = body("slack", *nasty)["blocks"]
    marked = [b["text"]["text"] for b in blocks if b.get("text", {}).get("type") == "mrkdwn"]
    assert all("<!channel>" not in text for text in marked)
    assert "](https" not in body("discord", *nasty)["embeds"][0]["description"].replace("\\]", "")
    assert body("discord", *nasty)["allowed_mentions"] == {"parse": []}


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://x y", "file:///etc/passwd", ""])
def test_only_a_web_address_becomes_a_link(link: str) -> None:
    alert = replace(ALERT, run_url=link)
    assert "links" not in body("pagerduty", alert)
    assert "url" not in body("discord", alert)["embeds"][0]
    assert "actions" not in body("teams", alert)["attachments"][0]["content"]


def test_pagerduty_resolves_under_the_key_that_it_triggered() -> None:
    over = replace(ALERT, resolves=ALERT.id, key="resolved x")
    began, ended = body("pagerduty", ALERT), body("pagerduty", over)
    assert (began["event_action"], ended["event_action"]) == ("trigger", "resolve")
    assert began["dedup_key"] == ended["dedup_key"]
    assert began["routing_key"] == "R0UT1NGSECRETKEY"


@pytest.mark.parametrize(
    ("severity", "expected"), [("page", "critical"), ("warn", "warning"), ("info", "info")]
)
def test_severities_are_pagerdutys(severity: Any, expected: str) -> None:
    assert body("pagerduty", replace(ALERT, severity=severity))["payload"]["severity"] == expected


def test_slack_and_teams_say_that_it_is_over() -> None:
    over = replace(ALERT, resolves=ALERT.id, title="Resolved: it was refused")
    assert body("slack", over)["blocks"][0]["text"]["text"].startswith("✅ Resolved")
    assert "✅ Resolved" in json.dumps(body("teams", over), ensure_ascii=False)


def test_what_is_sent_is_signed_so_that_a_receiver_can_verify_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAYLOOP_ALLOW_PRIVATE", "1")
    with serve() as server:
        both = f"{server.url}?secret={SECRET}&secret=whsec_{'A' * 32}"
        ((name, alert, answer),) = outbox.try_out(parse(f"standard+{both}"), [ALERT])
        (request,) = server.seen
    assert (alert, answer.verdict) == (ALERT, "ok")
    for secret in (SECRET, "whsec_" + "A" * 32):
        assert verify([secret], dict(request.headers), request.body)
    assert "secret" not in request.path
    assert request.id == ALERT.id


@pytest.mark.parametrize(
    ("kind", "said", "verdict"),
    [("slack", b"ok", "ok"), ("slack", b"<html>log in", "retry"), ("teams", b"", "ok")]
    + [("teams", b"Webhook message delivery failed with error: 429", "retry")],
)
def test_a_200_that_did_not_take_the_message_is_a_failure(
    kind: str, said: bytes, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYLOOP_ALLOW_PRIVATE", "1")
    with serve(lambda request: request.answer(200, said)) as server:
        ((_, _, answer),) = outbox.try_out(parse(f"{kind}+{server.url}"), [ALERT])
    assert answer.verdict == verdict


class _Mail(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client needs."""

    def handle(self) -> None:
        self.say("220 local")
        for line in iter(self.rfile.readline, b""):
            match line.split()[0].upper():
                case b"DATA":
                    self.say("354 go on")
                    lines = iter(lambda: self.rfile.readline(), b".\r\n")
                    self.server.mails.append(b"".join(lines).decode())  # type: ignore[attr-defined]
                    self.say("250 taken")
                case b"QUIT":
                    return self.say("221 bye")
                case b"RCPT" if self.server.full:  # type: ignore[attr-defined]
                    self.say("452 mailbox full")
                case _:
                    self.say("250 local")
        return None

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mail_server(*, full: bool = False) -> Iterator[Any]:
    server: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail)
    server.daemon_threads = True
    server.mails, server.full = [], full
    threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def mailto(server: Any) -> str:
    host, port = server.server_address
    return f"mailto://{host}:{port}?from=loop@example.com&to=a@example.com,b@example.com"


def test_email_arrives_through_a_real_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYLOOP_ALLOW_PRIVATE", "1")
    with mail_server() as server:
        (answer,) = [found[2] for found in outbox.try_out(parse(mailto(server)), [ALERT])]
    assert answer.verdict == "ok"
    assert len(server.mails) == 2
    assert "Subject: sales 1998-04-02 was refused" in server.mails[0]
    assert "python -m flows etl sales" in server.mails[0].replace("=\r\n", "")


def test_a_mail_server_that_refuses_is_tried_again_and_nothing_secret_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DAYLOOP_ALLOW_PRIVATE", "1")
    caplog.set_level("DEBUG")
    with mail_server(full=True) as server:
        (answer,) = [found[2] for found in outbox.try_out(parse(mailto(server)), [ALERT])]
    assert (answer.verdict, answer.detail) == ("retry", "apprise could not send it")
    assert "loop@example.com" not in caplog.text


def test_a_mail_server_that_says_nothing_is_given_up_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DAYLOOP_ALLOW_PRIVATE", "1")
    monkeypatch.setattr(apprises, "APPRISE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = (
            f"mailto://127.0.0.1:{silent.getsockname()[1]}?from=a@example.com&to=b@example.com"
        )
        (answer,) = [found[2] for found in outbox.try_out(parse(address), [ALERT])]
    assert (answer.verdict, answer.detail) == ("retry", "not sent within 0.3 s")


def test_a_private_mail_server_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAYLOOP_ALLOW_PRIVATE", raising=False)
    with mail_server() as server:
        elsewhere = mailto(server).replace("127.0.0.1", "127.0.0.2")
        (answer,) = [found[2] for found in outbox.try_out(parse(elsewhere), [ALERT])]
    assert server.mails == []
    assert "private or special" in answer.detail


def test_apprise_is_imported_only_where_an_address_needs_it() -> None:
    code = (
        "import sys; from core.alerting import outbox, receivers\n"
        f"receivers.parse({SLACK!r}); assert 'apprise' not in sys.modules\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'prefect']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_trying_out_leaves_the_running_loop_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYLOOP_ALLOW_PRIVATE", "1")

    async def from_inside() -> str:
        return outbox.try_out(parse(server.url), [ALERT])[0][2].verdict

    with serve() as server:
        assert asyncio.run(from_inside()) == "ok"
