"""The dead-man service: it is asked for a page at each sign of life, and alarms when none comes.

In the manner of healthchecks.io and others: the address itself when all is well, and with
`/fail` behind its path when something is not. Whoever has the address can keep it quiet, so
it is a secret like any other.
"""

import os
from urllib.parse import urlsplit

from core.alerting.webhooks import ping

VARIABLE = "DAYLOOP_DEADMAN_URL"


def from_environment() -> str:
    """The address in `DAYLOOP_DEADMAN_URL`; empty where it is not set."""
    return os.environ.get(VARIABLE, "").strip()


def give_sign(url: str, *, well: bool) -> str:
    """Gives a sign of life or of trouble; what was answered, nothing without an address."""
    if not url:
        return ""
    if not _is_address(url):  # not raised: what is late must be told all the same
        return f"not heard: {VARIABLE} is no http or https address"
    split = urlsplit(url)
    path = split.path if well else split.path.rstrip("/") + "/fail"
    answer = ping(split._replace(path=path).geturl())
    return answer.detail if answer.verdict == "ok" else f"not heard: {answer.detail}"


def _is_address(url: str) -> bool:
    try:
        split = urlsplit(url)
        return split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:
        return False
