"""The automation that `prefect deploy` cannot make: runs whose process died are marked Crashed.

    python deployments/automations.py

A run says every 30 seconds that it lives (PREFECT_FLOWS_HEARTBEAT_FREQUENCY in prefect.yaml).
One that has said nothing for a while, and has not ended, is changed to Crashed; the automation
in prefect.yaml then reports it. Two automations, because this one sometimes fires for a run
that has just ended: the server refuses to change that, so nothing happens, where an alert of
its own would be false. Running the command again changes nothing.
"""

from datetime import timedelta

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events import EventTrigger, Posture
from prefect.events.actions import ChangeFlowRunState

SILENCE = timedelta(seconds=100)  # three signs of life left out, and some time for the third
ENDED = ("Completed", "Failed", "Crashed", "Cancelled", "Cancelling")
RESTING = ("Paused", "Suspended", "Scheduled", "Late", "AwaitingRetry")


def zombies() -> Automation:
    """Changes a run to Crashed that has given no sign of life and has not ended."""
    alive = "prefect.flow-run.heartbeat"
    return Automation(
        name="dayloop marks dead runs as crashed",
        description="Made by deployments/automations.py",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            after={alive},
            expect={alive, *(f"prefect.flow-run.{state}" for state in (*ENDED, *RESTING))},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={
                "prefect.resource.id": "prefect.tag.dayloop",
                "prefect.resource.role": "tag",
            },
            for_each={"prefect.resource.id"},
            threshold=1,
            within=SILENCE,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                name="Crashed",
                message="Its process died: no sign of life for "
                f"{SILENCE.total_seconds():.0f} seconds",
            )
        ],
    )


def put(wanted: Automation) -> str:
    """Makes the automation, or brings the one of that name up to date; says which."""
    try:
        known = Automation.read(name=wanted.name)
    except ValueError:  # there is none
        wanted.create()
        return "made"
    wanted.id = known.id
    wanted.update()
    return "up to date"


if __name__ == "__main__":
    automation = zombies()
    print(f"{automation.name}: {put(automation)}")
