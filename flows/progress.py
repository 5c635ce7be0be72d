"""What a person sees while a verb works: its log, and how long it has taken and may yet take.

Where nobody watches, as under cron, only warnings are said.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer

from rich.console import Console
from rich.live import Live
from rich.text import Text

KEPT = Path(__file__).parent.parent / ".dayloop" / "took.json"  # by verb, the seconds of the last
UNTIL_STOPPED = ("serve",)  # no line, and the whole log: in a container it is all there is
QUIET_SECONDS = 1.0  # most verbs that only look are done by then
log = logging.getLogger("dayloop")


class Line:
    """The line that a terminal ends with: what runs, since when, how much is left."""

    def __init__(self, words: str, usual: float | None) -> None:
        """The verb and its name, and how many seconds it took the last time."""
        self.words, self.usual = words, usual
        self.step = ""
        self.began = time.monotonic()
        self.console = Console(stderr=True, highlight=False)

    @property
    def seconds(self) -> float:
        """Since the verb began."""
        return time.monotonic() - self.began

    def __rich__(self) -> Text:
        """The line as it is now."""
        left = self.step
        if self.usual and not left:
            more = self.usual - self.seconds
            left = f"about {more:.0f} s left" if more > 0 else "longer than the last time"
        return Text(f"{self.words}: {self.seconds:.0f} s{left and '; '}{left}", "dim")


class Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes the log above the line, and into it how far work is; where there is none, warnings."""

    def __init__(self, line: Line | None, everything: bool) -> None:
        """To standard error; `everything` has the log said where there is no line, too."""
        super().__init__(sys.stderr)
        self.line = line
        self.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
        asked = os.environ.get("PREFECT_LOGGING_LEVEL", "") in ("INFO", "DEBUG")
        self.setLevel(logging.INFO if line or everything or asked else logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Says it."""
        if self.line is None:
            super().emit(record)
        elif getattr(record, "step", False):
            self.line.step = record.getMessage()
        else:
            self.line.step = ""  # what it said of is over, or says so again soon
            self.line.console.print(self.format(record), markup=False, soft_wrap=True)


@contextmanager
def line(words: list[str]) -> Iterator[Line | None]:
    """Ends a terminal with a line on how long a verb takes; None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    name = " ".join(word for word in words[:2] if not word.startswith("-"))
    known = _known()
    shown = Line(name, known.get(name))
    # Our own redirection of standard output would be undone in the wrong order.
    live = Live(shown, console=shown.console, transient=True, redirect_stdout=False)
    begin = Timer(QUIET_SECONDS, live.start)
    if words[0] not in UNTIL_STOPPED:
        begin.start()
    try:
        yield shown
    finally:
        begin.cancel()
        if begin.ident:
            begin.join()
        live.stop()
    if shown.seconds > QUIET_SECONDS:
        with suppress(OSError):  # a folder that may only be read keeps no estimates
            KEPT.parent.mkdir(exist_ok=True)
            KEPT.write_text(json.dumps({**known, name: round(shown.seconds, 1)}))


def _known() -> dict[str, float]:
    with suppress(OSError, ValueError):  # none yet, or cut off while it was written
        found: dict[str, float] = json.loads(KEPT.read_text())
        return found
    return {}


def listen(shown: Line | None, verb: str) -> None:
    """Has the log said, once Prefect has set up its own, which gave it its way to the server."""
    log.setLevel(logging.INFO)
    log.propagate = False
    log.addHandler(Handler(shown, everything=verb in UNTIL_STOPPED))
    for theirs in logging.getLogger().handlers:
        theirs.setLevel(logging.CRITICAL)  # `main` says what went wrong, once
