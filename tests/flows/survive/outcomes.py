"""The table of `docs/survives.md`: a row an outcome, written where `SURVIVES_WRITE` is set."""

import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

HEAD = ["| what was done | how often | expected | seen |", "| --- | --- | --- | --- |"]
BLOCK = re.compile(r"(?<=<!-- outcomes -->\n).*?(?=<!-- end -->)", re.DOTALL)


@dataclass
class Outcomes:
    """Rows, each by what was done; those that a run of the tests did not make anew stay."""

    page: Path
    rows: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, times: str, expected: str, seen: str) -> None:
        day = f"{datetime.now(UTC):%d %B %Y}"
        self.rows[f"| {what}"] = f"| {what} | {times} | {expected} | {seen} ({day}) |"

    def write(self) -> None:
        if not self.rows or "SURVIVES_WRITE" not in os.environ:
            return
        text = self.page.read_text()
        [before] = BLOCK.findall(text)
        known = {line.split(" | ")[0]: line for line in before.splitlines()[len(HEAD) :]}
        lines = [*HEAD, *(known | self.rows).values()]
        self.page.write_text(BLOCK.sub(lambda _: "\n".join([*lines, ""]), text))
