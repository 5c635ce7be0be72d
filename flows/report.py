"""Report: everything on one page, for people who would rather look than read. Not a flow."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import catalog
from core import home

if TYPE_CHECKING:
    from core.page.contents import Contents

FILE = "report.html"


@dataclass(frozen=True)
class Report:
    """Where the page was written, and what it is made of."""

    path: str
    page: "Contents"


def report(*, to: Path | None = None) -> Report:
    """Writes one self-contained HTML page: the verdict, datasets, models, alerts, what is next.

    Args:
        to: the file; else report.html in DAYLOOP_HOME where that is a folder of this machine,
            or in the current folder.
    """
    from core.page import rendering

    path = (to or _default()).absolute()
    page = look()
    root = os.path.relpath(home.address(), path.parent) if home.is_local() else ""
    rendering.write(path, rendering.html(page, home=root))
    return Report(str(path), page)


def look() -> "Contents":
    """What the page is made of."""
    from core.page import contents

    return contents.contents(
        {name: catalog.dataset(name) for name in catalog.datasets_in_order()},
        [catalog.model(name) for name in catalog.model_names()],
    )


def html() -> str:
    """The page as the API serves it, which imports nothing of it itself: without links."""
    from core.page import rendering

    return rendering.html(look())


def _default() -> Path:
    return Path(home.address() if home.is_local() else ".", FILE)
