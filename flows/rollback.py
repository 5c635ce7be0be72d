"""Rollback: the champion before this one serves again, on the record."""

from prefect import flow

from flows.parameters import ModelName, Words, run_name
from tasks import alerting, governance
from tasks.governance import Ruling


@flow(flow_run_name=run_name, **alerting.TELLING)
def rollback(model: ModelName, *, by: Words, reason: Words) -> Ruling:
    """Makes the earlier champion serve again; verified, golden rows and all.

    Args:
        model: a model of the catalog.
        by: who decides.
        reason: why; it goes on the record.
    """
    ruling = governance.rollback(model, by, reason)
    alerting.deliver()
    return ruling
