"""How a diagnosis looks."""

from core.watch.diagnosis import NEXT_DAY, Diagnosis
from core.watch.finding import Finding
from flows.show import as_text, commands, table


@as_text.register
def _(seen: Diagnosis) -> None:
    verdict(seen)
    found = (*seen.evidence, *seen.besides)
    commands((each.command, _why(each)) for each in found if each.command)


def verdict(seen: Diagnosis) -> None:
    """The verdict and its evidence, without what to do next."""
    print(f"{seen.verdict}: {seen.words}")
    found = (*seen.evidence, *seen.besides)
    table("", ("rule", "about", "evidence"), ((e.rule, e.about, e.evidence) for e in found))


def _why(found: Finding) -> str:
    return NEXT_DAY if found.rule == "healthy" else f"about {found.about}"
