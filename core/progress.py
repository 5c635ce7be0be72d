"""How far long work has come and how long the rest may take, said in the log."""

import logging
import time
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")
PAUSE_SECONDS = 2.0
STEP = {
    "step": True
}  # marks a record that only says how far it is: on a terminal the next replaces it
log = logging.getLogger("dayloop")


def each(items: Collection[T], what: str) -> Iterator[T]:
    """Hands out items one by one, and says every few seconds how many of them are done."""
    began = said = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - said >= PAUSE_SECONDS:
            words = (what, done, len(items), time_left(done, len(items), now - began))
            log.info("%s: %s of %s, %s", *words, extra=STEP)
            said = now
        yield item


def time_left(done: int, of: int, seconds: float) -> str:
    """An estimate in words, by the pace so far."""
    left = timedelta(seconds=round(seconds / done * (of - done)))
    return f"about {left} left" if left > timedelta(seconds=2) else "nearly done"
