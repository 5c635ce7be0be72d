"""Stanzas for `prefect.yaml`: added as text, so that its comments and anchors stay as they are."""

import re
from collections.abc import Mapping

DATASET = {
    "etl": "Loads one day of {name} again; yesterday when no day is given.",
    "backfill": "Loads an interval of the history of {name}, in bulk.",
}
MODEL = {
    "retrain": "Fits the candidates of {name} and lets the gate decide.",
    "score": "Writes the predictions of {name} for a day.",
    "monitor": "Measures drift of {name}, and the metric of predictions that have matured.",
}
YAML_WORDS = ("true", "false", "yes", "no", "on", "off", "null")  # which YAML takes for no text
TRIGGER = """\
    triggers:
      - name: dayloop retrains {name} when due
        expect: [dayloop.retrain.due]
        match:
          prefect.resource.id: dayloop://models/{name}
        parameters:
          as_of: "{{{{ event.payload.as_of }}}}"
"""


def with_dataset(text: str, name: str) -> str:
    """The file with the stanzas of a dataset, after those of the others."""
    return _with(text, name, DATASET, "dataset")


def with_model(text: str, name: str) -> str:
    """The file with the stanzas of a model, after those of the others."""
    return _with(text, name, MODEL, "model")


def _with(text: str, name: str, verbs: Mapping[str, str], parameter: str) -> str:
    missing = {
        verb: words
        for verb, words in verbs.items()
        if not re.search(rf"^ *(- )?name: {verb}-{name}\s*$", text, re.MULTILINE)
    }
    stanzas = "".join(
        "\n" + _stanza(text, verb, words, name, parameter) for verb, words in missing.items()
    )
    at = _after(text, verbs)
    line_end = "" if text[:at].endswith("\n") else "\n"
    return text[:at] + line_end + stanzas + text[at:]


def _after(text: str, verbs: Mapping[str, str]) -> int:
    """After the last stanza of these verbs, before the comments of the next one; else the end."""
    entrypoint = re.compile(rf"^ +entrypoint: flows\.({'|'.join(verbs)})\.\1\s*$", re.MULTILINE)
    last = max((match.end() for match in entrypoint.finditer(text)), default=len(text))
    following = re.compile(r"^(  - |\S)", re.MULTILINE).search(text, last)
    lines = text[: following.start() if following else len(text)].splitlines(keepends=True)
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    return len("".join(lines))


def _stanza(text: str, verb: str, words: str, name: str, parameter: str) -> str:
    plain = f'"{name}"' if name in YAML_WORDS else name
    pool = "*pool" if "&pool\n" in text else "{name: dayloop}"
    turn = "*one-by-one" if "&one-by-one\n" in text else "{limit: 1, collision_strategy: ENQUEUE}"
    return (
        f"  - name: {verb}-{name}\n"
        f"    entrypoint: flows.{verb}.{verb}\n"
        f"    description: {words.format(name=name)}\n"
        f"    tags: [dayloop, {plain}]\n"
        f"    parameters: {{{parameter}: {plain}}}\n"
        f"    work_pool: {pool}\n"
        f"    concurrency_limit: {turn}\n"
        + (TRIGGER.format(name=name) if verb == "retrain" else "")
    )
