"""How the making of the page looks."""

from textwrap import shorten

from flows.report import Report
from flows.show import as_text, commands


@as_text.register
def _(made: Report) -> None:
    page = made.page
    print(f"{page.verdict}: {page.sentence}")
    commands((step.command, shorten(step.why, 70, placeholder=" …")) for step in page.steps[:1])
    print(f"The page: {made.path}")
