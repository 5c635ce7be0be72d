"""The table of `docs/survives.md`: a row an outcome, written where `SURVIVES_WRITE` is set."""

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HEAD = ["| what was done | how often | expected | seen |", "| --- | --- | --- | --- |"]
BLOCK = re.compile(r"(?<=<!-- outcomes -->\n).*?(?=<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Outcomes:
    """Rows, each by what was done; those that a run of the tests did not make anew stay."""

    page: Path

    def add(self, what: str, times: str, expected: str, seen: str) -> None:
        day = f"{datetime.now(UTC):%d %B %Y}"
        row = f"| {what} | {times} | {expected} | {seen} ({day}) |"
        if "SURVIVES_WRITE" not in os.environ:
            return
        text = self.page.read_text()
        [before] = BLOCK.findall(text)
        known = {line.split(" | ")[0]: line for line in before.splitlines()[len(HEAD) :]}
        lines = [*HEAD, *(known | {f"| {what}": row}).values()]
        self.page.write_text(BLOCK.sub(lambda _: "\n".join([*lines, ""]), text))
