"""How a diagnosis looks."""

from core.watch.diagnosis import Diagnosis
from flows.show import as_text, commands, table


@as_text.register
def _(seen: Diagnosis) -> None:
    print(f"{seen.verdict}: {seen.words}")
    rows = [(each.rule, each.about, each.evidence) for each in (*seen.evidence, *seen.besides)]
    table("", ("rule", "about", "evidence"), rows)
    found = (*seen.evidence, *seen.besides)
    commands((each.command, each.about) for each in found if each.command)
