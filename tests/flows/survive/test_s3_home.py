"""The verbs with their home on a real S3 server: they leave what they leave in a folder."""

from pathlib import Path

import httpx
import pytest
from pyarrow import fs

from core.intervals import DAY
from tests.core import local_s3
from tests.core.alerting.local_receiver import Server as Receiver
from tests.flows.support import free_port, until
from tests.flows.survive.flow_runs import WHO
from tests.flows.survive.shop import END, START, Shop
from tests.flows.survive.state import differences, state

HISTORY = f"buys --start {START} --end {END}"
WRITING = (
    f"backfill {HISTORY}",
    f"etl buys --day {END}",
    f"requeue {HISTORY}",
    f"retrain returns --as-of {END - 4 * DAY}",
    f"retrain returns --as-of {END - 3 * DAY}",
    f"score returns --day {END}",
    f"monitor returns --day {END}",
    f"daily --day {END}",
    "approve|returns|3" + WHO,
    "promote|returns|1" + WHO,
    "rollback|returns" + WHO,
    "reject|returns|2" + WHO,
    "retire|returns|1" + WHO,
    "heartbeat",
    "deliver",
    "maintain",
)
READING = (
    "verify",
    f"plan --start {END} --end {END + DAY}",
    "quarantine buys",
    "history buys",
    "diff buys --from 1 --to 2",
    "models returns",
    "runs returns",
    f"why returns --entity 1 --day {END}",
    "reproduce returns",
    "alerts",
    "diagnose",
    "report",
    "replay returns --policy never",
    "preview",
)
pytestmark = pytest.mark.timeout(600)


def test_the_verbs_leave_in_an_object_store_what_they_leave_in_a_folder(
    shop: Shop, told: Receiver, tmp_path: Path
) -> None:
    env = {"DAYLOOP_WEBHOOKS": f"{told.url}/of-a-folder"}
    folder, remote = tmp_path / "folder" / "home", tmp_path / "remote" / "home"
    shop.require(folder, *WRITING, **env)
    with local_s3.serve() as settings:
        there = {**env, **settings, "DAYLOOP_HOME": f"s3://{local_s3.BUCKET}/home"}
        shop.require(remote, *WRITING, **there)
        shop.require(remote, *READING, **there)
        with_a_champion(shop, remote, there)
        store = fs.S3FileSystem(
            access_key=settings["AWS_ACCESS_KEY_ID"],
            secret_key=settings["AWS_SECRET_ACCESS_KEY"],
            endpoint_override=settings["AWS_ENDPOINT_URL"],
        )
        fs.copy_files(f"{local_s3.BUCKET}/home", str(remote), source_filesystem=store)
    expected = {**state(folder), "page": False}  # which is written where a browser finds it
    assert differences(expected, state(remote)) == []


def with_a_champion(shop: Shop, home: Path, env: dict[str, str]) -> None:
    """The scoring API serves the champion of that home."""
    port = free_port()
    running = shop.start(home, f"serve returns --port {port}", **env)
    until(lambda: ready(port), 60, "the champion is loaded")
    running.kill()
    running.wait()


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=5).is_success
    except httpx.TransportError:
        return False
