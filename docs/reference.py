"""Writes docs/reference.md from the code: `python docs/reference.py`; a test says when to."""

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from catalog import kinds  # noqa: E402 the project is not installed
from core.alerting.alerts import SEVERITIES  # noqa: E402
from core.load.spool import QUARANTINE_SCHEMA  # noqa: E402
from flows.verbs import VERBS, app  # noqa: E402

TABLES = {  # by name: the module whose SCHEMA it has, and what a row is
    "ledger": ("core.ledger", "a dataset-day, and what became of it; written last"),
    "contracts": ("core.load.contracts", "a declaration that days were judged by"),
    "backfills": ("core.load.backfilling", "a finished chunk of a backfill that is under way"),
    "profiles": ("core.quality.profiles", "a figure of a column on a day, or of all rows"),
    "runs": ("core.models.runs", "a candidate that was fitted"),
    "registry": ("core.models.events", "something that happened to a version, and by whom"),
    "<model>_predictions": ("core.models.scoring", "a score of an entity on a day"),
    "<model>_requests": ("core.serving.log", "a row that the API was asked for, with `--log`"),
    "drift": ("core.watch.monitoring", "how far a feature, or the score, has moved on a day"),
    "performance": ("core.watch.performance_table", "a metric of a day's predictions"),
    "decisions": ("core.watch.policy", "a model-day: retrain, ignore or escalate, and why"),
    "outbox": ("core.alerting.outbox_table", "an event of an alert: queued, delivered, failed"),
}
ALERTS = {
    "refused_data": "a day was refused; the table keeps what it had",
    "data_warning": "a day is unusual, or a rule that only warns was broken; it is loaded",
    "late": "a dataset's day or a model's predictions are not in by `due`",
    "heartbeat": "the heartbeat cannot look at something",
    "failed_flow": "a run failed or crashed",
    "late_run": "a run has not begun five minutes after it was due",
    "drift": "what a model sees has moved since it was trained",
    "decay": "predictions broke what was promised of them",
    "approval_needed": "a challenger waits for a person",
    "promotion": "another version serves",
    "diagnosis": "whose problem it is, where the day ended with one",
    "undelivered": "a receiver does not take its alerts",
}
SETTINGS = {
    "DAYLOOP_HOME": "where all state lies: a folder, or `s3://…`; `.dayloop`",
    "DAYLOOP_WEBHOOKS": "who is told: addresses, comma-separated, or the Secret block "
    "`dayloop-webhooks`; nobody",
    "DAYLOOP_DEADMAN_URL": "a service that misses the loop's sign of life, or the block "
    "`dayloop-deadman-url`; none",
    "DAYLOOP_ALLOW_PRIVATE": "`1` lets webhooks go to private addresses; not",
    "DAYLOOP_ALLOWED_HOSTS": "the only hosts that webhooks may go to; any public one",
    "DAYLOOP_REPORT_URL": "where people find the page of `report`; nowhere",
    "DAYLOOP_RETRY_SECONDS": "before a silent source is asked again; 300 in a deployment, 2 ad hoc",
    "DAYLOOP_WORKERS": "months of a backfill that are loaded at once; 2",
    "DAYLOOP_TASK_RUNNER": "`threads`, `dask=tcp://…` or `ray=…`; `threads`",
    "DAYLOOP_API_TOKEN": "what callers of `serve` must show, 16 signs or more; none",
    "DAYLOOP_SIGNING_KEY": "signs manifests of models, and refuses what is not signed; none",
    "DAYLOOP_CODE_VERSION": "the code's version where there is no git; what git says",
    "DAYLOOP_FAULT": "for tests: the point at which a process kills itself; none",
    "MLFLOW_TRACKING_URI": "an MLflow server that is shown runs and versions too; none",
    "PREFECT_API_URL": "Prefect's server; the one of `make server`, else one of the run's own",
    "PREFECT_LOGGING_LEVEL": "`INFO` has what a verb does said where there is no terminal; `ERROR`",
}
HEAD = """\
# Reference

Written by `python docs/reference.py` from the code; a test says when it is old.

- [Verbs](#verbs) and [exit status](#exit-status)
- [Catalog](#catalog): what a declaration may say
- [Alerts](#alerts)
- [Tables](#tables)
- [Settings](#settings)
"""
STATUS = """\
## Exit status

| status | |
|---|---|
| 0 | done, also where there was nothing to do |
| 1 | data, a gate, a tolerance or damage says no; the reason is one line on standard error |
| 2 | a mistake in the call or in the catalog |
| 130 | stopped by Ctrl-C; what it had begun, it does when it is run again |

With `--json` standard output is one JSON document; of a status 1 or 2 `{"error": …, "message": …}`,
or the result where it is one that can fail. Where standard error is no terminal, only warnings
go there.
"""


def main() -> None:
    """Writes the file."""
    Path(__file__).with_suffix(".md").write_text(text())


def text() -> str:
    """All of it."""
    parts = (HEAD, _verbs(), STATUS, _catalog(), _alerts(), _tables(), _settings())
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _verbs() -> str:
    found = ["## Verbs\n", "`python -m flows VERB …`; every one takes `--help` and `--json` too.\n"]
    for verb in VERBS:
        taken = app[verb].assemble_argument_collection(parse_docstring=True)
        shown = [a for a in taken if a.field_info.name != "words"]
        found.append(
            f"### {verb}\n\n    {' '.join(['python -m flows', verb, *map(_usage, shown)])}\n"
        )
        found.append(
            f"{inspect.getdoc(app[verb].default_command or '').split('Args:')[0].strip()}\n"
        )
        rows = [f"- `{_name(a)}`: {_plain(a.parameter.help or '')}{_default(a)}" for a in shown]
        found.append("\n".join(rows) + "\n" if rows else "")
    return "\n".join(part for part in found if part)


def _name(argument: Any) -> str:
    return (
        argument.field_info.name
        if argument.required and argument.index is not None
        else argument.names[0]
    )


def _usage(argument: Any) -> str:
    name = argument.names[0]
    if argument.index is not None and argument.required:
        return argument.field_info.name.upper()
    value = "" if argument.hint is bool else f" {name.strip('-').upper()}"
    return f"{name}{value}" if argument.required else f"[{name}{value}]"


def _default(argument: Any) -> str:
    value = argument.field_info.default
    if argument.required or value in (None, "", False, 0, inspect.Parameter.empty):
        return ""
    shown = ", ".join(map(str, value)) if isinstance(value, tuple) else value
    return f" Default: {shown}." if shown else ""


def _catalog() -> str:
    found = [
        "## Catalog\n",
        "`from catalog.kinds import …`; examples: [datasets.md](datasets.md).\n",
    ]
    for name in kinds.__all__:
        kind = getattr(kinds, name)
        if not is_dataclass(kind):
            continue
        said = _attributes(kind)
        found.append(f"### {name}\n\n{_paragraph(kind)}\n")
        own = [f for f in fields(kind) if f.name in vars(kind)["__annotations__"]]
        rows = [f"| `{f.name}` | {_value(f)} | {said.get(f.name, '')} |" for f in own]
        if kind.__base__ is kinds.Source:
            rows.append("| | | and what every [Source](#source) has |")
        if rows:
            found.append("\n".join(["| field | default | |", "|---|---|---|", *rows]) + "\n")
    return "\n".join(found)


def _paragraph(kind: type) -> str:
    words = re.split(r"\n\s*Attributes:", inspect.getdoc(kind) or "")[0]
    return "\n\n".join(_plain(part) for part in words.strip().split("\n\n"))


def _attributes(kind: type) -> dict[str, str]:
    """What the docstrings of a class and of those it extends say of each field."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        _, _, words = inspect.cleandoc(vars(each).get("__doc__") or "").partition("Attributes:\n")
        pairs = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", words, re.MULTILINE)
        found.update({name: _plain(said) for name, said in pairs})
    return found


def _value(field: Field[Any]) -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return "required"
    value = field.default if field.default is not MISSING else field.default_factory()
    return f"`{type(value).__name__}()`" if is_dataclass(value) else f"`{value!r}`"


def _plain(words: str) -> str:
    return re.sub(r"\s+", " ", words).strip().replace("|", "\\|")


def _alerts() -> str:
    rows = [f"| `{kind}` | {' or '.join(sorted(of))} | {ALERTS[kind]} |" for kind, of in sent()]
    head = "## Alerts\n\n`page` wakes somebody, `warn` is for the working day, `info` is news.\n\n"
    return head + "\n".join(["| kind | severity | |", "|---|---|---|", *rows]) + "\n"


def sent() -> list[tuple[str, set[str]]]:
    """The kinds of alerts that the code makes, each with its severities, in the order of ALERTS."""
    found: dict[str, set[str]] = {}
    for file in (*ROOT.glob("core/alerting/*.py"), *ROOT.glob("tasks/*.py")):
        for kind, severity in _made(file):
            found.setdefault(kind, set()).add(severity)
    return sorted(found.items(), key=lambda each: [*ALERTS].index(each[0]))


def _made(file: Path) -> Iterator[tuple[str, str]]:
    for call in ast.walk(ast.parse(file.read_text())):
        if not (isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Alert"):
            continue
        given = {each.arg: each.value for each in call.keywords}
        if "todo" in given and "resolves" not in given:  # others are copies, or only looked up
            names = vars(import_module(".".join(file.relative_to(ROOT).with_suffix("").parts)))
            kind = eval(ast.unparse(given["kind"]), names)  # noqa: S307 our own file
            words = ast.walk(given.get("severity", ast.Constant("warn")))
            yield from ((kind, w.value) for w in words if getattr(w, "value", "") in SEVERITIES)


def _tables() -> str:
    found = ["## Tables\n"]
    found.append(
        "Delta tables below `tables/` in `DAYLOOP_HOME`; `<dataset>` has its schema's columns\n"
        "and `_month`, by which it is partitioned.\n"
    )
    columns = {"<dataset>_quarantine": ("a row that was put aside, and why", QUARANTINE_SCHEMA)}
    for name, (module, words) in TABLES.items():
        known = import_module(module)
        columns[name] = (words, getattr(known, "DRIFT_SCHEMA", None) or known.SCHEMA)
    for name, (words, schema) in columns.items():
        listed = ", ".join(f"{field.name} `{field.type}`" for field in schema)
        found.append(
            f"### {name.replace('<', '&lt;')}\n\n{words[:1].upper()}{words[1:]}.\n\n{listed}\n"
        )
    return "\n".join(found)


def _settings() -> str:
    rows = []
    for name, words in SETTINGS.items():
        said, _, default = words.rpartition("; ")
        rows.append(f"| `{name}` | {said} | {default} |")
    return "\n".join(["## Settings\n", "| variable | what for | default |", "|---|---|---|", *rows])


if __name__ == "__main__":
    main()
