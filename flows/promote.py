"""Promote: a person makes a version the champion, on the record."""

from prefect import flow

from flows.parameters import ModelName, VersionNumber, Words, run_name
from tasks import alerting, governance
from tasks.governance import Ruling


@flow(flow_run_name=run_name, **alerting.TELLING)
def promote(model: ModelName, version: VersionNumber, *, by: Words, reason: Words) -> Ruling:
    """Makes a version the champion; its artifact is verified and its golden rows scored first.

    Where the model's gate is `manual`, somebody must have approved the version.

    Args:
        model: a model of the catalog.
        version: the version's number.
        by: who decides.
        reason: why; it goes on the record.
    """
    ruling = governance.promote(model, version, by, reason)
    alerting.deliver()
    return ruling
