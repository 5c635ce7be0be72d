"""The flow around `heartbeat`: the same look, every 15 minutes, on Prefect's page.

What it finds is an alert and not a failure of its own. Cron runs the plain command as well,
for the day when Prefect is what died.
"""

from prefect import flow

from core.alerting.heartbeat import Heartbeat
from flows.heartbeat import look
from tasks import alerting


@flow(
    name="heartbeat",
    flow_run_name="heartbeat",
    **alerting.TELLING,
)
def heartbeat() -> Heartbeat:
    """Tells what is late, sends what waits, and gives the dead-man service a sign of life."""
    return look(alerting.find_receivers(), alerting.find_deadman())
