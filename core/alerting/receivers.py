"""Who is told: the addresses of `DAYLOOP_WEBHOOKS`, comma-separated, each with its kind.

    slack+https://hooks.slack.com/services/…      teams+https://…      discord+https://…
    pagerduty://ROUTING_KEY      pagerduty+https://ROUTING_KEY@events.eu.pagerduty.com/v2/enqueue
    standard+https://host/path?secret=whsec_…     (signed; `&secret=` again to rotate)
    https://host/path                             (plain JSON)
    mailto://… and every other service of apprise

Behind a `#` an address takes rules, all of which must hold, each with one value or more:
`#severity=page,warn&kind=drift&dataset=sales&model=churn&owner=data@example.com`, and
`repeat_after=4h` (or `30m`, `2d`): how long the same thing is not told again.

An address is a secret. A receiver's name is not: its kind, its host and a short hash.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import httpx

from core.alerting.alerts import SEVERITIES, Alert
from core.alerting.webhooks import decode_secret
from core.errors import UsageError

VARIABLE = "DAYLOOP_WEBHOOKS"
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
REPEAT_AFTER = timedelta(hours=4)
UNDELIVERED = "undelivered"  # the kind of alert that tells of a receiver that could not be told
_RULES = ("severity", "kind", "dataset", "model", "owner")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class _Wrong(Exception):
    """What is wrong with an address, in words without it."""


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """One address, and what it wants to hear.

    Attributes:
        kind: slack, teams, discord, pagerduty, standard, json or apprise.
        name: what logs, tables and people call it; never holds a path, query or login.
        url: where to send; secret.
        secrets: the signing secrets or the routing key; secret.
        rules: for a rule's name, the values of which an alert must have one.
        repeat_after: how long the same thing is not told again.
    """

    kind: str
    name: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    rules: Mapping[str, frozenset[str]] = field(default_factory=dict)
    repeat_after: timedelta = REPEAT_AFTER

    def wants(self, alert: Alert) -> bool:
        """Whether its rules let the alert through; never one about itself."""
        if alert.kind == UNDELIVERED and alert.subject == self.name:
            return False
        about = alert.subject.split(" ")[0].lower()
        named = self.rules.get("dataset", frozenset()) | self.rules.get("model", frozenset())
        has = {"severity": alert.severity, "kind": alert.kind, "owner": alert.owner}
        return (not named or about in named) and all(
            has[rule].lower() in wanted for rule, wanted in self.rules.items() if rule in has
        )


def from_environment() -> tuple[Receiver, ...]:
    """The receivers of `DAYLOOP_WEBHOOKS`; none where it is not set."""
    return parse(os.environ.get(VARIABLE, ""))


def parse(text: str) -> tuple[Receiver, ...]:
    """The receivers of comma-separated addresses.

    Raises:
        UsageError: an address cannot be right; says which by its position, never shows it.
    """
    # A comma inside an address (`?to=a,b`, `severity=page,warn`) is not followed by a scheme.
    parts = re.split(r"[,\s]+(?=[A-Za-z][A-Za-z0-9+.-]*://)", text.strip().strip(","))
    found: dict[str, int] = {}
    receivers = []
    for position, part in enumerate((part.strip() for part in parts if part.strip()), start=1):
        try:
            receiver = _parse_one(part)
        except (_Wrong, ValueError) as error:
            # What a library says of an address may hold it.
            why = error if isinstance(error, _Wrong) else "it is no address"
            raise UsageError(f"webhook address {position} {_kind_of(part)}: {why}") from None
        if receiver.name in found:
            raise UsageError(
                f"webhook addresses {found[receiver.name]} and {position} are the same receiver: "
                "make one of them"
            )
        found[receiver.name] = position
        receivers.append(receiver)
    return tuple(receivers)


def _kind_of(address: str) -> str:
    known = re.match(r"([a-z][a-z0-9+.-]{0,30})://", address)
    return f"({known[1]})" if known else "(no kind)"


def _parse_one(address: str) -> Receiver:
    if not re.match(r"[a-z][a-z0-9+.-]*://", address):
        raise _Wrong("it must begin with a kind and ://, such as slack+https://")
    address, options = _options(address)
    scheme = address.partition("://")[0]
    prefix, plus, transport = scheme.partition("+")
    secrets: tuple[str, ...] = ()
    if scheme in ("http", "https"):
        kind, url = "json", address
    elif plus and prefix in _KINDS and transport in ("http", "https"):
        kind = prefix
        url, secrets = _KINDS[prefix](f"{transport}://{address.partition('://')[2]}")
    elif scheme == "pagerduty":
        kind, url, secrets = scheme, PAGERDUTY, (_routing_key(address.partition("://")[2]),)
    else:
        return _apprise(scheme, address, options)
    host = _check(url)
    name = f"{kind} {host} {_short_hash(kind, _without_password(url), *_naming(kind, secrets))}"
    return Receiver(kind=kind, name=name, url=url, secrets=secrets, **_limits(options))


def _options(address: str) -> tuple[str, str]:
    start, mark, tail = address.rpartition("#")
    # apprise uses # too (`slack://…/#general`): only `name=value` is ours.
    return (start, tail) if mark and re.match(r"[a-z_]+=", tail) else (address, "")


def _limits(options: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    rules: dict[str, frozenset[str]] = {}
    for option in filter(None, options.split("&")):
        name, _, value = option.partition("=")
        values = frozenset(part.strip().lower() for part in unquote(value).split(",") if part)
        if name == "repeat_after":
            given["repeat_after"] = _duration(value)
        elif name not in _RULES or not values:
            raise _Wrong(f"behind # it takes {', '.join(_RULES)} and repeat_after, with values")
        elif name == "severity" and not values <= set(SEVERITIES):
            raise _Wrong(f"severity is one or more of {', '.join(SEVERITIES)}")
        else:
            rules[name] = values
    return {**given, "rules": rules}


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,4})([mhd])", text)
    if not found:
        raise _Wrong("repeat_after is a number and m, h or d, such as 4h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _check(url: str) -> str:
    try:
        host = httpx.URL(url).host
    except (httpx.InvalidURL, ValueError):
        host = ""
    if not host:
        raise _Wrong("it has no host")
    return host


def _plain(url: str) -> tuple[str, tuple[str, ...]]:
    return url, ()


def _standard(url: str) -> tuple[str, tuple[str, ...]]:
    split = urlsplit(url)
    # Not parse_qs: it makes a blank of the + of base64.
    pairs = [pair for pair in split.query.split("&") if pair]
    secrets = tuple(unquote(pair[7:]) for pair in pairs if pair.startswith("secret="))
    if not secrets:
        raise _Wrong("it needs ?secret=whsec_…")
    try:
        lengths = [len(decode_secret(secret)) for secret in secrets]
    except ValueError:
        lengths = [0]
    if not all(24 <= length <= 64 for length in lengths):
        raise _Wrong("a secret is whsec_ and 24 to 64 bytes in base64")
    rest = "&".join(pair for pair in pairs if not pair.startswith("secret="))
    return split._replace(query=rest).geturl(), secrets


def _pagerduty(url: str) -> tuple[str, tuple[str, ...]]:
    split = urlsplit(url)
    key, _, host = split.netloc.rpartition("@")
    return split._replace(netloc=host).geturl(), (_routing_key(key),)


def _routing_key(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}/?", text):
        raise _Wrong("it needs a routing key: letters and digits")
    return text.rstrip("/")


_KINDS: dict[str, Callable[[str], tuple[str, tuple[str, ...]]]] = {
    "slack": _plain,
    "teams": _plain,
    "discord": _plain,
    "standard": _standard,
    "pagerduty": _pagerduty,
}


def _naming(kind: str, secrets: Sequence[str]) -> Sequence[str]:
    return secrets if kind == "pagerduty" else ()  # a rotated signing secret is no new receiver


def _without_password(url: str) -> str:
    split: SplitResult = urlsplit(url)
    login, _, host = split.netloc.rpartition("@")
    return split._replace(netloc=f"{login.partition(':')[0]}@{host}").geturl()


def _short_hash(*parts: str) -> str:
    return sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:8]


def _apprise(scheme: str, address: str, options: str) -> Receiver:
    from core.alerting.apprises import host_of

    host = host_of(address)
    if host is None:
        raise _Wrong("no kind of receiver, ours or apprise's, takes it")
    words = [scheme, *([host] if host else []), _short_hash(_without_password(address))]
    return Receiver(kind="apprise", name=" ".join(words), url=address, **_limits(options))
