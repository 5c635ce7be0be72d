"""Reject: a version may never serve, on the record."""

from prefect import flow

from flows.parameters import ModelName, VersionNumber, Words, run_name
from tasks import alerting, governance
from tasks.governance import Ruling


@flow(flow_run_name=run_name, **alerting.TELLING)
def reject(model: ModelName, version: VersionNumber, *, by: Words, reason: Words) -> Ruling:
    """Turns a version down for good.

    Args:
        model: a model of the catalog.
        version: the version's number.
        by: who decides.
        reason: why; it goes on the record.
    """
    ruling = governance.reject(model, version, by, reason)
    alerting.deliver()
    return ruling
