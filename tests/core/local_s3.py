"""An S3 server on this machine for the tests, and the settings that lead to a bucket of it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.flows.support import free_port, until

BUCKET = "lake"


@contextmanager
def serve() -> Iterator[dict[str, str]]:
    """The environment in which `s3://lake/...` is a home."""
    # A process of its own: delta-rs holds the interpreter while it asks for a table's history.
    port = free_port()
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        url = f"http://127.0.0.1:{port}"
        until(lambda: _answers(url), 60, "the S3 server answers")
        httpx.put(f"{url}/{BUCKET}").raise_for_status()
        yield {
            **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test"),
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
        }
        running.terminate()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
