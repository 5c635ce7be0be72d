"""Fault points: named moments before and after every write and send, to be killed at by tests.

`DAYLOOP_FAULT="committed ledger:2"` has the process kill itself when it reaches that point for
the second time. Where nothing is set, a point costs a look into the environment.
"""

import os
import signal
from threading import Lock

VARIABLE = "DAYLOOP_FAULT"
seen: list[str] = []  # in order; kept only where the variable is set
_lock = Lock()


def reached(point: str) -> None:
    """Says that a point is reached; the process ends here where that is asked for."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    with _lock:
        seen.append(point)
        if f"{point}:{seen.count(point)}" == wanted:
            os.kill(os.getpid(), signal.SIGKILL)
