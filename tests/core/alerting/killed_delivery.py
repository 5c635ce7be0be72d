"""Run by test_outbox in processes that get killed: queues alerts, then delivers and delivers."""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from core.alerting import outbox, receivers
from core.alerting.alerts import Alert


def main(run: str, base: float, fast: float, ledger: Path, alerts: int) -> None:
    def clock() -> datetime:  # fast, so that retries come soon
        return datetime.fromtimestamp(base, UTC) + timedelta(seconds=(time.time() - base) * fast)

    named = [Alert(kind="drift", subject=f"{run}-{i}", title="it moved") for i in range(alerts)]
    for part in (named[: alerts // 2], named[alerts // 2 :]):
        queued = outbox.queue(part, now=clock())
        with ledger.open("a") as file:
            file.write("".join(f"{alert.id}\n" for alert in queued))
            file.flush()
            os.fsync(file.fileno())
    while outbox.waiting(now=clock()):
        outbox.deliver(receivers.from_environment(), now=clock(), seconds=5)
        time.sleep(0.05)


if __name__ == "__main__":
    print("begin", flush=True)
    run, base, fast, ledger, alerts = sys.argv[1:]
    main(run, float(base), float(fast), Path(ledger), int(alerts))
