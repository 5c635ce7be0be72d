"""`python -m flows`: runs a verb, shows what came of it, and ends with a status.

A verb's module, and Prefect with it, is imported only when the verb runs.
"""

import json
import os
import re
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, redirect_stdout, suppress
from difflib import get_close_matches
from pathlib import Path
from socket import create_connection
from typing import Any
from urllib.parse import urlsplit

from cyclopts import CycloptsError

import catalog
from catalog.kinds import DeclarationError
from core.errors import DayloopError, UsageError
from flows import progress, signatures
from flows.verbs import VERBS, app

REFUSED, USAGE, STOPPED = 1, 2, 130
SERVER = Path(__file__).parent.parent / ".dayloop" / "server"  # of `make server`, its address


def main(words: list[str]) -> int:
    """Runs a verb, shows what came of it, returns the exit status."""
    own = words[: words.index("--")] if "--" in words else words
    as_json = "--json" in own
    try:
        result = _run([word for word in own if word != "--json"] + words[len(own) :])
        status = REFUSED if getattr(result, "failed", False) else 0
    except (UsageError, DeclarationError, catalog.UnknownName) as mistake:
        result, status = mistake, USAGE
    except DayloopError as refusal:
        result, status = refusal, REFUSED
    except KeyboardInterrupt as stop:
        result, status = stop, STOPPED
    except Exception as error:
        if not _is_the_servers(error):
            raise
        result, status = DayloopError(_of_the_server(error)), REFUSED
    if isinstance(result, BaseException):
        print(
            f"dayloop: {str(result) or 'stopped; what it had begun, it does when run again'}",
            file=sys.stderr,
        )
        if as_json:
            print(json.dumps({"error": type(result).__name__, "message": str(result)}))
    else:
        _show(result, as_json)
    return status


def _is_the_servers(error: Exception) -> bool:
    """Whether it is Prefect's server that did not answer; Prefect is not imported to ask."""
    return "Failed to reach API" in str(error) or type(error).__name__ == "PrefectHTTPStatusError"


def _of_the_server(error: Exception) -> str:
    first = str(error).splitlines()[0].partition(" - Response")[0]
    return f"Prefect's server failed ({first}); run it again: what is done is not done twice"


def _show(result: Any, as_json: bool) -> None:
    if result is None and not as_json:
        return
    from flows import show

    if as_json:
        print(show.as_json(result))
    else:
        show.show(result)


def _run(words: list[str]) -> Any:
    _check_verb(words)
    try:
        command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as mistake:
        raise UsageError(f"{_in_one_line(mistake)}; --help shows what there is") from None
    if not signatures.is_one(command):
        return command(*bound.args, **bound.kwargs)
    _check_names(bound.arguments)
    with progress.line(words) as line:
        verb = signatures.load(command)
        progress.listen(line, words[0])
        with redirect_stdout(sys.stderr), _reported(words):
            return verb(*bound.args, **bound.kwargs)


def _in_one_line(mistake: CycloptsError) -> str:
    words = " ".join(str(mistake).split()).rstrip(".")
    words = re.sub(r"Unused Tokens: \[(.*)\]", r"\1 is more than it takes", words)
    return re.sub(r"\d+ validation errors? for \S+ (.*?) \[type=.*", r"\1", words)  # pydantic's own


def _reported(words: list[str]) -> AbstractContextManager[object]:
    """Has a server's automations report the run where it is killed and cannot tell for itself.

    Not so what itself tells people: it would report itself.
    """
    if "prefect" not in sys.modules or words[:1] == ["deliver"]:
        return nullcontext()
    from prefect import tags

    return tags("dayloop", "ad hoc")


def _check_verb(words: list[str]) -> None:
    verb = (*words, "")[0]
    if verb and not verb.startswith("-") and verb not in VERBS:
        close = get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "--help lists them"
        raise UsageError(f"no verb '{verb}'; {hint}")


def _check_names(given: Mapping[str, Any]) -> None:
    # Before the verb is imported: a wrong name should not cost ten seconds to hear of.
    if given.get("dataset"):
        catalog.require_dataset(given["dataset"])
    if given.get("model"):
        catalog.require_model(given["model"])


def _quiet_prefect() -> None:
    # What a person at a terminal wants to read; in a worker the settings of prefect.yaml hold.
    for name, value in {
        "DO_NOT_TRACK": "1",
        "PREFECT_CLIENT_MAX_RETRIES": "7",  # 5 were too few where 8 begin at once, on SQLite
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
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough; what is still buffered has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1  # as rich has it for tables
    sys.exit(status)
