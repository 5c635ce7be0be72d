"""Deliver: sends what waits in the outbox. Every flow does so at its end; this one retries."""

from typing import Any

from prefect import flow

from tasks import alerting


@flow(flow_run_name="deliver")
def deliver() -> dict[str, Any]:
    """Sends every waiting alert to every receiver that has not got it yet."""
    return alerting.deliver()
