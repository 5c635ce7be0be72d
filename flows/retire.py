"""Retire: a version may never serve again, on the record."""

from prefect import flow

from flows.parameters import ModelName, VersionNumber, Words, run_name
from tasks import alerting, governance
from tasks.governance import Ruling


@flow(flow_run_name=run_name, **alerting.TELLING)
def retire(model: ModelName, version: VersionNumber, *, by: Words, reason: Words) -> Ruling:
    """Takes a version out of service for good.

    Args:
        model: a model of the catalog.
        version: the version's number.
        by: who decides.
        reason: why; it goes on the record.
    """
    ruling = governance.retire(model, version, by, reason)
    alerting.deliver()
    return ruling
