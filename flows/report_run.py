"""Report-run: tells of a flow run that cannot tell for itself, dead or never begun.

Run by the automations in prefect.yaml: at once for a run that crashed, after a while for one
that is late, which then is told only where it still has not begun.
"""

from typing import Literal
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from tasks import alerting, messages


@flow(flow_run_name="report-run {name} {state}")
def report_run(
    run: str, state: Literal["Crashed", "Late"], name: str = "", deployment: str = ""
) -> bool:
    """Queues one alert about a flow run, and delivers; False where there is nothing to tell.

    Args:
        run: the flow run's id, or the resource id that ends with it.
        state: what became of it.
        name: what it is called.
        deployment: the deployment it is of.
    """
    identity = UUID(run.rpartition(".")[2])
    with get_client(sync_client=True) as client:
        try:
            found = client.read_flow_run(identity)
            flow_name = client.read_flow(found.flow_id).name
        except ObjectNotFound:  # deleted in the meantime: nobody misses it
            return False
    if found.state is None or found.state.name != state:
        return False  # it has begun, or was started again
    made = messages.crashed if state == "Crashed" else messages.late_run
    new = alerting.tell([made(flow_name, found, deployment)])
    alerting.deliver()
    return bool(new)
