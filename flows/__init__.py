"""In what order: one flow a file, one file a verb."""

import logging

from core.errors import DayloopError

# A worker's root logger stands at WARNING, and at INFO httpx would log whole addresses there.
logging.getLogger("dayloop").setLevel(logging.INFO)


def _in_one_line(record: logging.LogRecord) -> bool:
    """What Dayloop says no to is said in one line, without a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, DayloopError):
        record.msg, record.args = str(error), ()
        record.exc_info = record.exc_text = None
    return True


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_in_one_line)
