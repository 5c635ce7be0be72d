"""Approve: a person vouches for a version, on the record.

Where a model's gate is `manual` nothing is promoted without. It is of the artifact as it is: were
it changed, it could not serve. With a signing key, a manifest from before there was one is signed.
"""

from prefect import flow

from flows.parameters import ModelName, VersionNumber, Words, run_name
from tasks import alerting, governance
from tasks.governance import Ruling


@flow(flow_run_name=run_name, **alerting.TELLING)
def approve(model: ModelName, version: VersionNumber, *, by: Words, reason: Words) -> Ruling:
    """Approves a version; its artifact is verified and its golden rows scored first.

    Args:
        model: a model of the catalog.
        version: the version's number.
        by: who vouches for it.
        reason: why; it goes on the record.
    """
    ruling = governance.approve(model, version, by, reason)
    alerting.deliver()
    return ruling
