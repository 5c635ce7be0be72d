"""Backfill: an interval of a dataset's history, in bulk.

Runs ad hoc: the first load, or after a source or a rule was fixed. A chunk is a month, or
the whole where one file holds it all; several are loaded at once. Killed, it goes on where it
was. Running it again changes nothing.
"""

import logging
import os
import time
from datetime import date
from uuid import UUID

from prefect import flow
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.futures import PrefectFuture, as_completed

import catalog
from core import home, progress
from core.errors import SourceEmpty
from core.intervals import Interval
from core.load import backfilling, recording
from core.load.recording import Loaded
from flows.etl import load_days, log_loaded, raise_if_refused, tell_of
from flows.parameters import DatasetName, day_before, run_name
from tasks import alerting, data
from tasks.patience import source_seconds
from tasks.runners import runner

log = logging.getLogger("dayloop")
AT_ONCE = int(os.environ.get("DAYLOOP_WORKERS") or 2)


@flow(
    flow_run_name=run_name,
    task_runner=runner(AT_ONCE),
    **alerting.TELLING,
)
def backfill(
    dataset: DatasetName, start: date, end: date | None = None, *, allow_breaking: bool = False
) -> Loaded:
    """Loads the days from start up to, but not including, end.

    Args:
        dataset: a dataset of the catalog.
        start: the first day, UTC.
        end: the day after the last one, UTC; today when left out.
        allow_breaking: converts the table where the declaration does not fit it any more.
    """
    interval = Interval(start, end or Interval.of_day(day_before()).end)
    chunks = backfilling.chunks(catalog.dataset(dataset), interval)
    if len(chunks) == 1:
        loaded = load_days(dataset, interval, allow_breaking)
    else:
        loaded = _load_chunks(dataset, interval, chunks, allow_breaking)
        tell_of(loaded)
    alerting.deliver()
    raise_if_refused(loaded)
    return loaded


def _load_chunks(
    dataset: str, interval: Interval, chunks: list[Interval], allow_breaking: bool
) -> Loaded:
    declared = catalog.dataset(dataset)
    known = backfilling.finished(declared, interval)
    finished = [chunk for chunk in chunks if chunk in known]
    if finished:
        log.info("%s: %s of %s chunks were finished before", dataset, len(finished), len(chunks))
    left = [chunk for chunk in chunks if chunk not in known]
    loads = [recording.recorded(declared, chunk) for chunk in finished]
    loads += [load for load in _load_left(dataset, interval, left, allow_breaking) if load]
    if not loads:
        raise SourceEmpty(f"{dataset} {interval}: the source has nothing for any of its days")
    backfilling.forget(declared, interval)
    loaded = backfilling.merged(interval, loads)
    log_loaded(loaded)
    return loaded


def _load_left(
    dataset: str, interval: Interval, chunks: list[Interval], allow_breaking: bool
) -> list[Loaded | None]:
    load = data.load_chunk.with_options(retry_delay_seconds=source_seconds())
    shown = create_progress_artifact(0.0, key=f"backfill-{dataset}".replace("_", "-"))
    assert isinstance(shown, UUID)  # a coroutine it is in an async flow only
    began = time.monotonic()
    # The first by itself: what the declaration changes in the table is changed once.
    where = home.address()
    first = [load(where, dataset, interval, chunk, allow_breaking) for chunk in chunks[:1]]
    futures: list[PrefectFuture[Loaded | None]] = []
    for chunk in chunks[1:]:
        # Of the rows of a key the first is kept, by day: these chunks go one after the other.
        before = futures[-1:] if catalog.dataset(dataset).key else []
        given = (where, dataset, interval, chunk, allow_breaking)
        futures.append(load.submit(*given, wait_for=before, return_state=False))
    done = len(first)
    for future in as_completed(futures):
        future.wait()
        if not future.state.is_completed():
            continue
        done += 1
        update_progress_artifact(shown, 100.0 * done / len(chunks))
        words = progress.time_left(done, len(chunks), time.monotonic() - began)
        log.info("%s: %s of %s chunks, %s", dataset, done, len(chunks), words, extra=progress.STEP)
    return first + [future.result() for future in futures]  # raises what one of them failed by
