"""HTTP/1.1 with an end to waiting, for a server that strangers may talk to."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0  # for a request's head, from the connection or the last answer on
REQUEST_SECONDS = 20.0  # for the rest, answer and all: longer than the app itself takes
MOST_CONNECTIONS = 500
MOST_HEAD_BYTES = 16 * 1024


class Impatient(H11Protocol):
    """Ends a connection that does not get on.

    uvicorn's own limit is for connections that are silent after an answer: of half-sent
    requests it held 300 for as long as they liked.
    """

    _end: float
    _timer: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection."""
        super().connection_made(transport)
        self._end_in(HEAD_SECONDS)
        self._look()
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()

    def handle_events(self) -> None:
        """Bytes have come."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:  # with them the end of a request's head
            self._end_in(REQUEST_SECONDS)

    def on_response_complete(self) -> None:
        """The answer is written; the next request may lie there already."""
        self._end_in(HEAD_SECONDS)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._timer.cancel()
        super().connection_lost(exc)

    def _end_in(self, seconds: float) -> None:
        self._end = self.loop.time() + seconds

    def _look(self) -> None:
        # One timer that looks now and then: to set one for each request costs more than that.
        if self.loop.time() >= self._end:
            self.transport.abort()
        self._timer = self.loop.call_later(1, self._look)


def server(app: Any, *, host: str, port: int, stop_seconds: int) -> uvicorn.Server:
    """A server of one process; `run` ends with a signal, the requests under way answered first.

    Args:
        app: an ASGI application.
        host: the address to listen on.
        port: the port to listen on, 0 for a free one.
        stop_seconds: how long they have for that.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=Impatient,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=MOST_HEAD_BYTES,
        timeout_graceful_shutdown=stop_seconds,
    )
    return uvicorn.Server(config)
