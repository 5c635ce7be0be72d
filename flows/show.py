"""How results look: plain tables for people, one JSON document for programs."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, fields, is_dataclass
from datetime import date, datetime
from functools import singledispatch
from importlib import import_module
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDTH_WITHOUT_TERMINAL = 120
FORMS = {  # by result: the module with its form, and Prefect or pandas with it, is imported then
    "show_data": {"Overview", "Loaded", "Quarantine", "DatasetPlan", "ModelPlan", "Difference"},
    "show_alerts": {"Alerts", "Trial", "Heartbeat", "dict"},
    "show_models": {"Models", "Runs", "Reproductions", "Lineage"},
    "show_runs": {"Trained", "Scored", "Watched", "Ruling", "Day", "Demo", "Verified"},
    "show_diagnosis": {"Diagnosis"},
    "show_new": {"NewDataset", "NewModel"},
    "show_preview": {"Preview"},
    "show_replay": {"Replay"},
    "show_report": {"Report"},
}


def as_json(result: Any) -> str:
    """The result's fields as JSON; days and moments in ISO 8601."""
    plain = asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
    return json.dumps(plain, default=_text, indent=2)


def _text(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def show(result: Any) -> None:
    """Prints a result, or each of a list of them, for people."""
    some = result[0] if isinstance(result, list) and result else result
    for module, names in FORMS.items():
        if type(some).__name__ in names:
            import_module(f"flows.{module}")
    as_text(result)


@singledispatch
def as_text(result: Any) -> None:
    """A result's form for people; what has none of its own is shown as JSON."""
    print(as_json(result))


@as_text.register
def _(words: str) -> None:
    print(words)


@as_text.register
def _(results: list) -> None:  # type: ignore[type-arg]
    some = next(iter(results), None)
    if some is None:
        print("nothing")
    elif as_text.dispatch(type(some)) is not as_text.dispatch(object):
        for each in results:
            as_text(each)
    else:
        names = [field.name for field in fields(some)]
        rows = [[_cell(getattr(each, name)) for name in names] for each in results]
        numbers = {name for name in names if isinstance(getattr(some, name), int)}
        table("", [f"{n.replace('_', ' ')}#" if n in numbers else n for n in names], rows)


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(str(each)[:12] for each in value)
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Prints a table; columns whose name ends in `#` hold numbers."""
    columns = tuple(columns)
    # Escaped: a bad row's value may look like markup.
    cells = [[f"{c:,}" if isinstance(c, int) else escape(str(c)) for c in row] for row in rows]
    if title:  # not the table's own, which would be folded to its width
        console().print(f"[italic]{escape(title)}[/italic]")
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.show_header = any(columns)
    for place, column in enumerate(columns):
        number = column.endswith("#")
        shown.add_column(
            column.rstrip("#"),
            justify="right" if number else "left",
            min_width=max((len(row[place]) for row in cells), default=0) if number else None,
            overflow="fold",
        )
    for row in cells:
        shown.add_row(*row)
    console().print(shown)


def counted(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def commands(pairs: Iterable[tuple[str, str]]) -> None:
    """Prints the next commands to try, each with what it is for."""
    shown = [(each.replace("python ", f"{_python()} ", 1), purpose) for each, purpose in pairs]
    if not shown:
        return
    out = console()
    width, widest = (max(len(words[n]) for words in shown) for n in (0, 1))
    fits = width + widest + 4 <= out.width  # else a purpose stands below: a command is not cut
    out.print("Next")
    for command, purpose in shown:
        gap = " " * (width - len(command) + 2) if fits else "\n    "
        out.print(f"  {escape(command)}{gap}[dim]{escape(purpose)}[/dim]", soft_wrap=True)


def _python() -> str:
    # `python` is the right one only where the environment is active.
    here, python = Path.cwd(), Path(sys.executable)
    if os.environ.get("VIRTUAL_ENV") or not python.is_relative_to(here):
        return "python"
    return str(python.relative_to(here))


def console() -> Console:
    """Standard output; as wide as the terminal, or wide enough for a log."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDTH_WITHOUT_TERMINAL)


def watched() -> bool:
    """Whether anybody sees what is printed: under cron no stream is a terminal."""
    return any(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
