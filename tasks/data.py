"""Tasks of the data's way: land and load."""

from datetime import date

from prefect import runtime, task

import catalog
from core import home
from core.errors import SourceEmpty
from core.intervals import Interval
from core.load import backfilling, loading, recording
from core.load import requeue as requeueing
from core.load.recording import Loaded
from core.load.requeue import Requeued
from core.sources import landing
from core.sources.landing import Landed
from tasks import lineage, runners, secrets
from tasks.patience import ATTEMPTS, COMMON, ON_LAKE


@task(task_run_name="land {dataset} {interval}", retries=ATTEMPTS - 1, **COMMON)
def land(dataset: str, interval: Interval) -> tuple[Landed, ...]:
    """Keeps the raw bytes that the source has for these days."""
    return landing.land(catalog.dataset(dataset), interval, secrets.find)


@task(task_run_name="load {dataset} {interval}", **ON_LAKE)
def load(
    dataset: str, interval: Interval, landed: tuple[Landed, ...], allow_breaking: bool = False
) -> Loaded:
    """Checks the landed bytes and replaces the days in the table."""
    run_id = runtime.flow_run.id or ""
    declared = catalog.dataset(dataset)
    # The second of two finds all of it known, and no day in flux that the first one scores from.
    with home.in_turn(f"landing/{dataset}"):
        loaded = loading.load(
            declared, interval, landed, run_id=run_id, allow_breaking=allow_breaking
        )
    lineage.loaded(loaded)
    return loaded


@task(task_run_name="load {dataset} {chunk}", retries=ATTEMPTS - 1, **COMMON)
def load_chunk(
    address: str, dataset: str, interval: Interval, chunk: Interval, allow_breaking: bool = False
) -> Loaded | None:
    """Lands and loads a chunk of a backfill; None where the source has nothing for it."""
    runners.require_home(address)
    declared, run_id = catalog.dataset(dataset), runtime.flow_run.id or ""
    try:
        landed = landing.land(declared, chunk, secrets.find)
    except SourceEmpty:
        return None
    loaded = loading.load(declared, chunk, landed, run_id=run_id, allow_breaking=allow_breaking)
    if not loaded.refused:  # a refused day is tried again
        backfilling.finish(declared, interval, chunk)
    lineage.loaded(loaded)
    return loaded


@task(task_run_name="skip {dataset}", **ON_LAKE)
def skip(dataset: str, days: list[date]) -> None:
    """Enters missed days that the dataset goes without."""
    recording.skip(catalog.dataset(dataset), days, run_id=runtime.flow_run.id or "")


@task(task_run_name="requeue {dataset} {interval}", **ON_LAKE)
def requeue(
    dataset: str, interval: Interval, dry_run: bool = False, allow_breaking: bool = False
) -> Requeued:
    """Replays landed bytes through today's rules."""
    return requeueing.requeue(
        catalog.dataset(dataset),
        interval,
        dry_run=dry_run,
        allow_breaking=allow_breaking,
        run_id=runtime.flow_run.id or "",
    )
