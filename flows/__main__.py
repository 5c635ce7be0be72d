"""`python -m flows`: every flow as a command, its signature the command line.

A verb's module, and Prefect with it, is imported only when the verb runs.
"""

import json
import logging
import os
import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stdout, suppress
from difflib import get_close_matches
from pathlib import Path
from socket import create_connection
from typing import Any
from urllib.parse import urlsplit

from cyclopts import App

import catalog
from catalog.kinds import DeclarationError
from core.errors import DayloopError, UsageError

REFUSED, USAGE = 1, 2
SERVER = Path(__file__).parent.parent / ".dayloop" / "server"  # of `make server`, its address
VERBS = {
    "etl": "Load one day of a dataset.",
    "backfill": "Load an interval of a dataset's history.",
    "retrain": "Fit the candidates and let the gate decide.",
    "score": "Write the champion's predictions for a day.",
    "serve": "Answer requests with the champion's predictions; needs no Prefect.",
    "monitor": "Measure drift, and the metric of matured predictions.",
    "daily": "The whole loop for one day.",
    "approve": "Vouch for a version.",
    "reject": "Turn a version down for good.",
    "promote": "Make a version the champion.",
    "rollback": "Let the earlier champion serve again.",
    "retire": "Take a version out of service for good.",
    "models": "A model's versions, their states, who decided and why.",
    "runs": "Every candidate that was fitted, listed or compared.",
    "why": "Where a prediction comes from, and what came true.",
    "reproduce": "Make versions again from what is on record, and compare.",
    "deliver": "Send the alerts that wait.",
    "alerts": "What was told, what waits and what is dead.",
    "alert-test": "One alert of each kind to each receiver, and what it answers.",
    "heartbeat": "Tell what has not come in time; for cron, needs no Prefect.",
    "diagnose": "Whose problem is it: one verdict, its evidence, the next command.",
    "report": "Everything on one page, to look at.",
    "replay": "What other retraining policies would have brought, over history.",
    "plan": "What would be loaded, trained and scored.",
    "quarantine": "Bad rows by rule, with samples.",
    "requeue": "Replay landed bytes through today's rules.",
    "history": "A dataset's versions.",
    "diff": "What differs between two versions of a dataset.",
    "preview": "What this checkout would make of the last days; CI for data.",
    "maintain": "Compact, checkpoint and clean the lake.",
    "verify": "Read everything and find damage.",
    "new": "A dataset's file, test and stanzas from a sample of its data.",
    "new-model": "A model's file, test and stanzas on a dataset.",
    "demo": "The loop on the sample data, from nothing to its first days.",
}

app = App(
    name="python -m flows",
    help="A small team's daily data-to-model loop. Without a verb: what there is.",
    help_epilogue="Every verb takes --help, and --json for one JSON document on standard output.",
    version_flags=[],
)
OF_DATASETS = {"etl", "backfill", "requeue", "quarantine", "history", "diff", "preview"}
OF_MODELS = {
    "retrain",
    "score",
    "serve",
    "monitor",
    "replay",
    "approve",
    "reject",
    "promote",
    "rollback",
    "retire",
    "models",
    "runs",
    "why",
    "reproduce",
}
ELSEWHERE = {"diff": "history", "verify": "maintain"}
for verb, words in VERBS.items():
    function = verb.replace("-", "_")
    app.command(f"flows.{ELSEWHERE.get(verb, function)}:{function}", name=verb, help=words)


@app.default
def overview() -> Any:
    """What there is: datasets, models, alerts waiting."""
    from core import overview

    return overview.overview(catalog.dataset_names(), catalog.model_names())


def main(words: list[str]) -> int:
    """Runs a verb, shows what came of it, returns the exit status."""
    as_json = "--json" in words
    try:
        result = _run([word for word in words if word != "--json"])
        status = REFUSED if getattr(result, "failed", False) else 0
    except (UsageError, DeclarationError, catalog.UnknownName) as mistake:
        result, status = mistake, USAGE
    except DayloopError as refusal:
        result, status = refusal, REFUSED
    if isinstance(result, Exception):
        print(f"dayloop: {result}", file=sys.stderr)
        if as_json:
            print(json.dumps({"error": type(result).__name__, "message": str(result)}))
    else:
        _show(result, as_json)
    return status


def _show(result: Any, as_json: bool) -> None:
    if result is None and not as_json:
        return
    from flows import show

    if as_json:
        print(show.as_json(result))
    else:
        show.show(result)


def _run(words: list[str]) -> Any:
    _check_names(words)
    command, bound, _ = app.parse_args(words, exit_on_error=True)
    _show_progress()
    with redirect_stdout(sys.stderr), _reported(words):
        return command(*bound.args, **bound.kwargs)


def _reported(words: list[str]) -> AbstractContextManager[object]:
    """Has a server's automations report the run where it is killed and cannot tell for itself.

    Not so what itself tells people: it would report itself.
    """
    if "prefect" not in sys.modules or words[:1] == ["deliver"]:
        return nullcontext()
    from prefect import tags

    return tags("dayloop", "ad hoc")


def _check_names(words: list[str]) -> None:
    # Before anything is imported: a wrong name should not cost ten seconds to hear of.
    verb, name = (*words, "", "")[:2]
    if verb and not verb.startswith("-") and verb not in VERBS:
        close = get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "--help lists them"
        raise UsageError(f"no verb '{verb}'; {hint}")
    if not name or name.startswith("-"):
        return
    if verb in OF_DATASETS:
        catalog.require_dataset(name)
    elif verb in OF_MODELS:
        catalog.require_model(name)


def _show_progress() -> None:
    # After Prefect's own logging set-up, which gave the logger its way to the server.
    log = logging.getLogger("dayloop")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    for theirs in logging.getLogger().handlers:
        theirs.setLevel(logging.CRITICAL)  # `main` says what went wrong, once


def _quiet_prefect() -> None:
    # What a person at a terminal wants to read; in a worker the settings of prefect.yaml hold.
    for name, value in {
        "DO_NOT_TRACK": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # as in prefect.yaml: else it looks dead
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "dayloop",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    }.items():
        os.environ.setdefault(name, value)


def _find_server() -> None:
    """Uses the server that `make server` keeps running, where no other is set."""
    profiles = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser() / "profiles.toml"
    if "PREFECT_API_URL" in os.environ or not SERVER.exists():
        return
    if profiles.exists() and "PREFECT_API_URL" in profiles.read_text():
        return
    url = SERVER.read_text()
    with suppress(OSError), create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=1):
        os.environ["PREFECT_API_URL"] = url  # a server that was killed leaves only the file


if __name__ == "__main__":
    _quiet_prefect()
    _find_server()
    sys.exit(main(sys.argv[1:]))
