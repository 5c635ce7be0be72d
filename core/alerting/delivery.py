"""One round of delivery: each receiver on its own, at the pace its service allows."""

import asyncio
import contextlib
import fcntl
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from core import faults, home
from core.alerting import apprises, formats, outbox_table
from core.alerting.addresses import outside_loop
from core.alerting.alerts import Alert, Message
from core.alerting.outbox_plan import Due, Item, plan, unmet
from core.alerting.outbox_table import DEAD_AFTER, Event, opener
from core.alerting.receivers import UNDELIVERED, Receiver
from core.alerting.webhooks import Answer, Line, sign

Clock = Callable[[], datetime]
# Seconds between two messages: Slack takes one a second, Teams 4, Discord 30 a minute and
# PagerDuty 120. Kinds not listed get several at once.
PACE = {"slack": 1.0, "teams": 0.25, "discord": 2.0, "pagerduty": 0.5, "apprise": 0.0}
AT_ONCE = 16
FIRST_RETRY_SECONDS = 15.0
LAST_RETRY_SECONDS = 3600.0
TURN_SECONDS = 5.0
GATHER_SECONDS = 0.2  # between commits: what a kill may have sent again
GIVE_UP_AFTER = 10  # failures in a row: it is down, and the rest waits for the next round


@dataclass(frozen=True)
class Tally:
    """How a delivery went at one receiver.

    Attributes:
        delivered: alerts that it has got.
        waiting: alerts that it has yet to get.
        dead: alerts that it will not get unless `redeliver` is called.
        detail: how the last try that failed ended.
        mourned: whether an alert about its dead ones was queued for the others.
    """

    delivered: int = 0
    waiting: int = 0
    dead: int = 0
    detail: str = ""
    mourned: bool = False


def run(receivers: Sequence[Receiver], clock: Clock, until: float) -> dict[str, Tally]:
    """Serves every receiver, to the end or to a moment of the monotonic clock."""

    async def all_of_them() -> list[Tally]:
        return await asyncio.gather(*(_Service(each, clock, until).run() for each in receivers))

    # Recorded before the first alert is sent: receivers met together are owed the same,
    # even if we are killed when only the first has got it.
    names = [receiver.name for receiver in receivers]
    outbox_table.append(unmet(names, clock()))
    return dict(zip(names, outside_loop(all_of_them), strict=True))


def try_out(
    receivers: Sequence[Receiver], alerts: Sequence[Alert], now: datetime
) -> list[tuple[str, Alert, Answer]]:
    """Sends alerts past the outbox; each receiver's answer to each."""

    async def one(receiver: Receiver) -> list[tuple[str, Alert, Answer]]:
        answers: list[tuple[str, Alert, Answer]] = []
        async with _line(receiver) as line:
            for alert in filter(receiver.wants, alerts):
                await asyncio.sleep(PACE.get(receiver.kind, 0.0) if answers else 0)
                message = Message(id=alert.id, alerts=(alert,), since=now)
                answers.append((receiver.name, alert, await send(receiver, line, message, now)))
        return answers

    async def all_of_them() -> list[tuple[str, Alert, Answer]]:
        found = await asyncio.gather(*(one(receiver) for receiver in receivers))
        return [answer for answers in found for answer in answers]

    return outside_loop(all_of_them)


async def send(receiver: Receiver, line: Line | None, message: Message, now: datetime) -> Answer:
    """Sends one message to one receiver; how it failed is in the answer."""
    if line is None:
        return await apprises.send(receiver.url, message, formats.plain_text(message))
    try:
        body = formats.encode(receiver, message, now)
    except Exception as error:  # one message that cannot be written must not stop the others
        return Answer("refused", f"no {receiver.kind} message: {type(error).__name__}")
    headers = {"content-type": "application/json", "webhook-id": message.id}
    if receiver.kind == "standard":
        seconds = int(now.timestamp())
        headers["webhook-timestamp"] = str(seconds)
        headers["webhook-signature"] = sign(receiver.secrets, message.id, seconds, body)
    answer = await line.request("POST", body, headers)
    # Both answer 200 where they, or something in between, did not take it.
    if answer.verdict == "ok" and receiver.kind == "slack" and answer.body.strip() != b"ok":
        return Answer("retry", "answered 200 without Slack's ok")
    if receiver.kind == "teams" and b"delivery failed" in answer.body:
        return Answer("retry", "answered 200 but Teams did not take it")
    return answer


@asynccontextmanager
async def _line(receiver: Receiver) -> AsyncIterator[Line | None]:
    if receiver.kind == "apprise":
        yield None
        return
    line = Line(receiver.url)
    try:
        yield line
    finally:
        await line.close()


@asynccontextmanager
async def _turn(name: str) -> AsyncIterator[bool]:
    """Waits until no other process of this machine serves the receiver; False if in vain.

    One that goes on serving it looks for what came in before it ends, so there is no need
    to wait for long. In an object store there is no such lock: two at once may tell a thing twice.
    """
    if not home.is_local():
        yield True
        return
    folder = Path(home.address()) / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"outbox-{sha256(name.encode()).hexdigest()[:16]}").open("w") as file:
        until = time.monotonic() + TURN_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a kill lets go of it
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    yield False
                    return
                await asyncio.sleep(0.05)
        yield True


class _Journal:
    """Writes rows in the background, a batch a commit."""

    def __init__(self) -> None:
        self._rows: list[Event] = []
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def add(self, *events: Event) -> None:
        self._rows += events
        if self._task is None or self._task.done():
            if self._task is not None:
                self._task.result()  # an outbox that cannot be written must not be served
            self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._rows:
            rows, self._rows = self._rows, []
            await asyncio.to_thread(outbox_table.append, rows)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), GATHER_SECONDS)

    async def flush(self) -> None:
        self._hurry.set()
        if self._task is not None:
            await self._task
        self._hurry.clear()


class _Service:
    """Serves one receiver for one round."""

    def __init__(self, receiver: Receiver, clock: Clock, until: float) -> None:
        self._receiver, self._clock, self._until = receiver, clock, until
        self._journal = _Journal()
        self._counts: Counter[str] = Counter()
        self._failed_in_a_row = 0
        self._detail = ""
        self._halted = self._mourned = False

    async def run(self) -> Tally:
        """Sends until nothing is due, the receiver is down, or the time is over."""
        async with _turn(self._receiver.name) as ours, _line(self._receiver) as line:
            while True:
                owed = await asyncio.to_thread(plan, self._receiver, self._clock())
                if not ours:
                    return Tally(waiting=owed.open, detail="another process is serving it")
                self._record(owed.settled)
                if owed.disabled:
                    await self._journal.flush()
                    dead = self._counts["dead"] + owed.open
                    return Tally(dead=dead, detail="disabled: it answered 410")
                before = self._counts["sent"]
                await self._send_all(line, owed.due)
                await self._journal.flush()
                left = owed.open - (self._counts["sent"] - before)
                if not owed.due or self._is_over():
                    return self._tally(left)

    def _tally(self, left: int) -> Tally:
        delivered, dead = self._counts["delivered"], self._counts["dead"]
        return Tally(delivered, left, dead, self._detail, self._mourned)

    def _is_over(self) -> bool:
        return self._halted or time.monotonic() >= self._until

    async def _send_all(self, line: Line | None, due: Sequence[Due]) -> None:
        left = iter(due)  # shared: each worker takes the next

        async def work() -> None:
            for each in left:
                if self._is_over():
                    return
                began = time.monotonic()
                faults.reached("before sending")
                answer = await send(self._receiver, line, each.message, self._clock())
                faults.reached("sent")
                self._conclude(each, answer)
                if pace is not None:
                    await asyncio.sleep(max(pace - (time.monotonic() - began), 0))

        pace = PACE.get(self._receiver.kind)
        await asyncio.gather(*(work() for _ in range(1 if pace is not None else AT_ONCE)))

    def _conclude(self, due: Due, answer: Answer) -> None:
        now, first = self._clock(), due.items[0]
        first = first._replace(attempts=first.attempts + 1)
        items = (first, *due.items[1:])
        self._failed_in_a_row = 0 if answer.verdict == "ok" else self._failed_in_a_row + 1
        self._halted |= self._failed_in_a_row >= GIVE_UP_AFTER or answer.verdict == "gone"
        if answer.verdict == "ok":
            self._settle(items, "delivered", now, answer.detail)
            return
        self._detail = answer.detail
        if answer.verdict == "retry" and now - (first.failing_since or now) < DEAD_AFTER:
            self._record([self._retry(first, answer, now)])
            return
        if answer.verdict == "gone":
            self._record([Event(now, "", "", "disabled", self._receiver.name)])
        old = [item for item in items if answer.verdict != "retry" or item.failing_since]
        self._settle(old, "dead", now, answer.detail)

    def _settle(self, items: Sequence[Item], event: str, now: datetime, detail: str) -> None:
        self._counts["sent"] += len(items)
        self._record([item.settle(event, self._receiver, now, detail) for item in items])

    def _retry(self, item: Item, answer: Answer, now: datetime) -> Event:
        wait = min(FIRST_RETRY_SECONDS * 2.0 ** (item.attempts - 1), LAST_RETRY_SECONDS)
        wait *= random.uniform(0.75, 1.25)
        if answer.retry_after is not None:
            wait = max(answer.retry_after, 1.0)
            self._pause(now + timedelta(seconds=wait))
        row = item.settle("failed", self._receiver, now, answer.detail)
        return row._replace(due=now + timedelta(seconds=wait))

    def _pause(self, until: datetime) -> None:
        # It said when it wants to be called again: that holds for all of its messages.
        self._halted = True
        self._record([Event(self._clock(), "", "", "paused", self._receiver.name, due=until)])

    def _record(self, events: Sequence[Event]) -> None:
        if not events:
            return
        self._counts.update(event.event for event in events)
        dead = [event for event in events if event.event == "dead"]
        if dead and not self._mourned:
            self._mourned = True
            self._journal.add(*events, self._obituary(dead[0]))
        else:
            self._journal.add(*events)

    def _obituary(self, dead: Event) -> Event:
        # In the commit that buries the alert, so that no kill comes between them. One a day.
        name = self._receiver.name
        alert = Alert(
            kind=UNDELIVERED,
            subject=name,
            title=f"Alerts do not reach {name}",
            text=f"{dead.detail}. What it was not told stays in the outbox.",
            todo="python -m flows alerts",
            key=f"{dead.at:%Y-%m-%d}",
        )
        return opener("queued", dead.at, alert)
