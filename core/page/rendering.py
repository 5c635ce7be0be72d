"""From what the page is made of to its HTML: self-contained, readable without a script."""

import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

from core import faults
from core.errors import DayloopError
from core.page import drawings, plots
from core.page.contents import Contents

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

WHOLE = re.compile(r"(?<!\S)--[a-z-]+(?: [^-\s]\S*)?|\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b")


def html(contents: Contents, *, home: str = "") -> str:
    """The page.

    Args:
        contents: what it shows.
        home: where home is, seen from the page, for links to model cards; none when empty.
    """
    return _template().render(
        page=contents,
        home=quote(home),
        calendar=drawings.calendar,
        lineage=drawings.lineage,
        control_chart=plots.control_chart,
        metric_plot=plots.metric_plot,
        strip=plots.strip,
        far=plots.FAR,
    )


def write(path: Path, page: str) -> None:
    """Puts the page in its place whole.

    Raises:
        DayloopError: it cannot be written there.
    """
    aside = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        aside.parent.mkdir(parents=True, exist_ok=True)
        faults.reached(f"before writing {path.name}")
        aside.write_text(page, encoding="utf-8")
        faults.reached(f"written aside {path.name}")
        aside.replace(path)
        faults.reached(f"written {path.name}")
    except OSError as error:
        said = error.strerror or str(error)
        raise DayloopError(f"{path} cannot be written: {said}; name another with --to") from error
    finally:
        with suppress(OSError):  # what went wrong is said already
            aside.unlink(missing_ok=True)


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["whole"] = _whole
    return environment.get_template("page.html")


def _whole(words: object) -> "Markup":
    """Words in which no line ends within a date or an option."""
    from markupsafe import Markup, escape

    spanned = WHOLE.sub(r'<span class="whole-word">\g<0></span>', str(escape(words)))
    return Markup(spanned)  # noqa: S704 escaped above
