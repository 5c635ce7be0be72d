"""The page about everything, for people, at `/`: made in a process of its own when asked for.

It takes seconds of a CPU, which predictions must not wait for, and memory, which ends with it.
"""

import asyncio
import base64
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from fastapi import Request, Response

PATH = "/"
FRESH_SECONDS = 60.0
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}


class Page:
    """Answers with the page; at most one is made at a time, and it holds for a minute.

    Args:
        make: a function of a module, which a new process can import, that returns the HTML.
    """

    def __init__(self, make: Callable[[], str]) -> None:
        self._make, self._turn = make, asyncio.Lock()
        self._html, self._until = "", 0.0

    async def answer(self, _: Request) -> Response:
        """The page."""
        async with self._turn:
            if time.monotonic() >= self._until:
                self._html = await self._made()
                self._until = time.monotonic() + FRESH_SECONDS
        return Response(self._html, 200, HEADERS, "text/html")

    async def _made(self) -> str:
        # Not forked: a child of this process would hold its sockets and its threads' locks.
        pool = ProcessPoolExecutor(1, get_context("spawn"))
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, self._make)
        finally:
            pool.shutdown(wait=False)


def password(authorization: str) -> str:
    """What a browser sends that has asked for a password; empty where it is something else."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
    except ValueError:  # not base64, or no text in it
        return ""
