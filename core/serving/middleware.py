"""What every request passes before the endpoints see it: the clock, and the guard."""

import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.serving.metrics import Metrics

PROBES = ("/health", "/ready")  # open to all: an orchestrator shows no token


class Guarded:
    """Lets nobody pass without the token, but to the probes."""

    def __init__(self, app: ASGIApp, refusal: Callable[[str, str], Response | None]) -> None:
        self._app, self._refusal = app, refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes it on, or refuses it before a byte of its body is read."""
        passed: ASGIApp = self._app
        if scope["type"] == "http" and scope["path"] not in PROBES:
            shown = Headers(scope=scope).get("authorization", "")
            passed = self._refusal(shown, scope["path"]) or passed
        await passed(scope, receive, send)


class Counted:
    """Counts and times every request by its path, as far as it is one of ours."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: set[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - begun)
