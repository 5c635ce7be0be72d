"""Run by test_outbox in processes that get killed: queues alerts, then delivers and delivers."""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core import outbox, receivers
from core.alerts import Alert

FAST = 300  # seconds of the loop's clock in one of ours, so that retries come soon


def clock(base: float) -> datetime:
    return datetime.fromtimestamp(base, UTC) + timedelta(seconds=(time.time() - base) * FAST)


def main(run: str, base: float, ledger: Path, alerts: int) -> None:
    named = [Alert(kind="drift", subject=f"{run}-{i}", title="it moved") for i in range(alerts)]
    for part in (named[: alerts // 2], named[alerts // 2 :]):
        queued = outbox.queue(part, now=clock(base))
        with ledger.open("a") as file:
            file.write("".join(f"{alert.id}\n" for alert in queued))
            file.flush()
            os.fsync(file.fileno())
    while outbox.waiting(now=clock(base)):
        outbox.deliver(receivers.from_environment(), now=clock(base), seconds=5)
        time.sleep(0.05)


if __name__ == "__main__":
    print("begin", flush=True)
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
