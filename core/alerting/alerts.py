"""What people are told: one record an alert, and the message that groups alerts of one thing."""

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from hashlib import sha256
from typing import Literal, get_args

Severity = Literal["page", "warn", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)  # the worst first
LONGEST = {"title": 500, "text": 16_000, "todo": 2_000, "run_url": 2_000}


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something a person should know.

    Two alerts of one kind and subject are about the same thing: they share a fingerprint,
    are told in one message, and are repeated only after a while (`info` excepted, which is
    news each time). Put a version into the subject where each deserves its own message.

    Attributes:
        kind: refused_data, failed_flow, drift, promotion, approval_needed, late, test, ...
        subject: what it is about; its first word is the dataset, model or flow.
        title: one line: what happened.
        text: a few lines of detail.
        severity: page wakes somebody, warn is for the working day, info is news.
        owner: whose it is.
        todo: the very command to run next.
        run_url: where the run can be seen.
        key: with kind and subject the identity: the same three are the same event.
        resolves: the id of the alert that is over; only `outbox.resolve` sets it.

    Raises:
        ValueError: an unknown severity.
    """

    kind: str
    subject: str
    title: str
    text: str = ""
    severity: Severity = "warn"
    owner: str = ""
    todo: str = ""
    run_url: str = ""
    key: str = ""
    resolves: str = ""

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(SEVERITIES)}")
        for field in fields(self):
            # A lone surrogate (a file name, broken input) can neither be stored nor sent.
            text = str(getattr(self, field.name)).encode("utf-8", "replace").decode()
            object.__setattr__(self, field.name, shorten(text, LONGEST.get(field.name, 16_000)))

    @property
    def id(self) -> str:
        """The event's identity, the idempotence key at its receivers."""
        return "alert_" + _digest(self.kind, self.subject, self.key)

    @property
    def fingerprint(self) -> str:
        """The identity of the thing it is about."""
        return "thing_" + _digest(self.kind, self.subject)

    def to_json(self) -> str:
        """As stored in the outbox."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Alert":
        """As read from the outbox; fields of other versions are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in json.loads(text).items() if name in known})


@dataclass(frozen=True, kw_only=True)
class Message:
    """What one receiver is told at once: alerts of one thing, the oldest first.

    Attributes:
        id: the first alert's id, the same at every try.
        alerts: one or more of the same fingerprint.
        since: when the thing began: its first alert since it was last over, UTC.
    """

    id: str
    alerts: tuple[Alert, ...]
    since: datetime

    @property
    def first(self) -> Alert:
        """The alert that speaks for all: the first of the worst."""
        return min(self.alerts, key=lambda alert: SEVERITIES.index(alert.severity))

    @property
    def resolved(self) -> bool:
        """Whether it says that the thing is over."""
        return bool(self.first.resolves)

    @property
    def headline(self) -> str:
        """One line: what happened, and how many more alerts it stands for."""
        more = len(self.alerts) - 1
        title = self.first.title or f"{self.first.kind} {self.first.subject}"
        return title + (f" (and {more} more)" if more else "")

    @property
    def others(self) -> tuple[str, ...]:
        """The titles that the headline does not say, each once."""
        titles = dict.fromkeys(alert.title for alert in self.alerts)
        return tuple(title for title in titles if title != self.first.title)


def shorten(text: str, limit: int) -> str:
    """The text, cut to so many characters with an ellipsis at its end."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def _digest(*parts: str) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()[:16]
