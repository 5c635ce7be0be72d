"""What the commands that measure for a page share: Markdown tables, and where they go."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path


def write(page: Path, tables: Mapping[str, Sequence[str]]) -> None:
    """Puts each table between its markers in the page, and the day of the measurement."""
    text = page.read_text()
    made = f"Measured {datetime.now(UTC):%d %B %Y} with `python docs/{page.stem}.py`."
    for name, lines in {**tables, "made": [made]}.items():
        marked = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text, found = re.subn(marked, "\\1" + "\n".join(lines) + "\n\\2", text, flags=re.DOTALL)
        if found != 1:
            sys.exit(f"{page.name} has no place for '{name}'")
    page.write_text(text)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(each) for each in line) + " |" for line in lines]
