"""How results look: plain tables for people, one JSON document for programs."""

import json
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from functools import singledispatch
from typing import Any

from rich.console import Console
from rich.table import Table

from core.intervals import Interval
from core.loading import Loaded
from core.monitoring import Watched
from core.overview import Overview
from core.scoring import Scored

console = Console(highlight=False, soft_wrap=False)


def as_json(result: Any) -> str:
    """The result's fields as JSON; days and moments in ISO 8601."""
    plain = asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
    return json.dumps(plain, default=_text, indent=2)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


@singledispatch
def as_text(result: Any) -> None:
    """Prints a result for people."""
    console.print(as_json(result))
