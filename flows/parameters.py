"""The parameters flows share: bounded and described, so that the UI's form explains itself."""

from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import Field

import catalog
from core.intervals import yesterday

DatasetName = Annotated[str, Field(json_schema_extra={"enum": [*catalog.dataset_names()]})]
ModelName = Annotated[str, Field(json_schema_extra={"enum": [*catalog.model_names()]})]
VersionNumber = Annotated[int, Field(ge=1)]
Words = Annotated[str, Field(min_length=1, max_length=500)]


def day_before() -> date:
    """The day before the one this run was meant for, UTC, however late it began.

    After two nights without a worker both runs begin now: each still loads its own day.
    """
    from prefect import runtime  # not for who only reads what a verb takes

    due = runtime.flow_run.scheduled_start_time
    return yesterday(datetime.fromtimestamp(due.timestamp(), UTC))


def run_name() -> str:
    """How a flow run is called: the verb and what it is given, `etl sales 1998-04-01`."""
    from prefect import runtime

    from tasks.messages import called

    return called(runtime.flow_run.flow_name, runtime.flow_run.parameters)
