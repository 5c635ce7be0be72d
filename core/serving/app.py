"""The scoring API: the champion's predictions over HTTP, for one model.

`POST /v1/models/<model>/predict` answers rows of features with scores; `/health`, `/ready`,
`/metrics` and `/docs` are for those who run and call it, and `/` is the page of `report`. Every
answer names model and version. With a token, all but the two probes want it: metrics and features
are nobody else's business. A browser may show it at `/` as a password, of whatever user.
"""

import asyncio
import hmac
import json
import os
import re
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from core.errors import UsageError
from core.intervals import utc_now
from core.serving import docs, http, page
from core.serving.champion import Champion, Serving, one_thread_each
from core.serving.log import Answered, RequestLog
from core.serving.metrics import Metrics
from core.serving.middleware import Counted, Guarded
from core.serving.rows import Refused, parse

TOKEN = "DAYLOOP_API_TOKEN"  # noqa: S105  the name of a setting
MOST_BYTES = 1 << 20
HELD_BYTES = 64 << 20  # of all bodies at a time
WAITING = 100  # for a thread, or in one
SECONDS = 10.0  # for a request, from its head to its answer
LOOK_SECONDS = 2.0
FLUSH_SECONDS = 60.0
QUICK_SECONDS, SMALL_BYTES = 0.002, 16 * 1024  # what is done without a thread
WORKERS = min(4, os.cpu_count() or 1)
BUSY = "too many requests at a time; ask again"
HEADERS = {
    401: {"www-authenticate": "Bearer"},
    408: {"connection": "close"},
    503: {"retry-after": "1"},
}
LOCAL = ("127.0.0.1", "::1", "localhost")


def serve(
    model: str, *, host: str, port: int, log: bool, make_page: Callable[[], str] | None = None
) -> None:
    """Serves a model until a signal comes, and a page at `/`.

    Raises:
        UsageError: it would be open to a network without a token.
    """
    token = os.environ.get(TOKEN, "")
    if not token and host not in LOCAL:
        raise UsageError(f"{host} is open to others: set {TOKEN}, or serve on 127.0.0.1")
    if token and not re.fullmatch(r"[!-~]{16,}", token):
        raise UsageError(f"{TOKEN} must be 16 or more letters, digits and signs, without blanks")
    app = Api(model, token=token, log_requests=log, make_page=make_page).app()
    with suppress(KeyboardInterrupt):
        http.server(app, host=host, port=port, stop_seconds=int(SECONDS) + 1).run()


class Api:
    """The endpoints and what they share.

    Args:
        model: whose champion answers.
        token: what callers must show, but for the probes; none when empty.
        log_requests: appends what was asked and answered to `<model>_requests`.
        look_seconds: how often the registry is asked.
        make_page: makes the page at `/`, in another process; none when left out.
    """

    def __init__(
        self,
        model: str,
        *,
        token: str = "",
        log_requests: bool = False,
        look_seconds: float = LOOK_SECONDS,
        make_page: Callable[[], str] | None = None,
    ) -> None:
        self.metrics = Metrics()
        self.serving = Serving(model, self.metrics)
        self._log = RequestLog(model, self.metrics) if log_requests else None
        self._page = page.Page(make_page) if make_page else None
        self._token, self._look_seconds = token.encode(), look_seconds
        self._pool = ThreadPoolExecutor(WORKERS, "predict", initializer=one_thread_each)
        self._held = self._waiting = 0
        self.metrics.held.set_function(lambda: self._held)
        self.metrics.waiting.set_function(lambda: self._waiting)

    def app(self) -> FastAPI:
        """The application, to be run in one process."""
        model = self.serving.model
        app = FastAPI(title=f"Dayloop: {model}", redoc_url=None, lifespan=self._lifespan)
        predict = f"/v1/models/{model}/predict"
        app.add_route(predict, self.predict, methods=["POST"])
        app.add_route("/health", self.health)
        app.add_route("/ready", self.ready)
        app.add_route("/metrics", self.expose)
        app.add_exception_handler(HTTPException, self._unroutable)
        app.add_exception_handler(Exception, self._failed)
        paths = {predict, "/health", "/ready", "/metrics"}
        if self._page:
            app.add_route(page.PATH, self._page.answer)
            paths.add(page.PATH)
        if self._token:
            app.add_middleware(Guarded, refusal=self._unauthorized)
        app.add_middleware(Counted, metrics=self.metrics, paths=paths)
        app.openapi = lambda: docs.openapi(  # type: ignore[method-assign]
            model, self.serving.champion, protected=bool(self._token)
        )
        return app

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        stopped = threading.Event()
        self.serving.follow()
        one_thread_each()
        threads = [_every(self._look_seconds, self.serving.follow, stopped)]
        if self._log:
            threads.append(_every(FLUSH_SECONDS, self._log.flush, stopped))
        yield
        stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for thread in threads:
            thread.join()
        if self._log:
            self._log.flush()

    async def health(self, _: Request) -> Response:
        """Whether the process lives."""
        return self._state(200, "alive")

    async def ready(self, _: Request) -> Response:
        """Whether there is a champion to answer with."""
        ready = self.serving.champion is not None
        return self._state(200, "ready") if ready else self._state(503, "no champion serves")

    async def expose(self, _: Request) -> Response:
        """The metrics."""
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def predict(self, request: Request) -> Response:
        """Scores of the rows of a request."""
        body = bytearray()
        try:
            return await self._answer(request, body)
        except ClientDisconnect:
            return Response(status_code=499)  # nobody hears it
        finally:
            self._held -= len(body)

    async def _answer(self, request: Request, body: bytearray) -> Response:
        """Reads, scores and answers, all of it in time."""
        champion = None
        try:
            async with asyncio.timeout(SECONDS):
                await self._read(request, body)
                champion = self.serving.champion
                if champion is None:
                    raise Refused(503, "no champion serves")
                answer, answered = await self._score(champion, bytes(body))
        except TimeoutError:
            said = f"no answer within {SECONDS:.0f} seconds"
            return self._problem(503 if champion else 408, said, champion)
        except Refused as refused:
            return self._problem(refused.status, refused.detail, champion)
        self.metrics.rows.labels(champion.model, str(champion.version)).inc(len(answered.scores))
        if self._log:
            self._log.add(answered)
        return Response(answer, media_type="application/json")

    async def _read(self, request: Request, body: bytearray) -> None:
        """Reads a body, and no more of it than is allowed."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" or "content-encoding" in request.headers:
            raise Refused(415, "the body must be application/json, not compressed")
        too_large = Refused(413, f"the body must not be larger than {MOST_BYTES:,} bytes")
        if int(request.headers.get("content-length", 0)) > MOST_BYTES:
            raise too_large
        async for chunk in request.stream():
            body += chunk
            self._held += len(chunk)
            if len(body) > MOST_BYTES:
                raise too_large
            if self._held > HELD_BYTES:
                raise Refused(503, BUSY)

    async def _score(self, champion: Champion, body: bytes) -> tuple[bytes, Answered]:
        if champion.seconds < QUICK_SECONDS and len(body) < SMALL_BYTES:
            return _scored(champion, body)  # sooner than a thread would begin
        if self._waiting >= WAITING:
            raise Refused(503, BUSY)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, _scored, champion, body)
        finally:
            self._waiting -= 1

    def _unauthorized(self, authorization: str, path: str) -> Response | None:
        """The refusal, unless this header shows the token."""
        scheme, _, given = authorization.partition(" ")
        bearer = given.strip() if scheme.lower() == "bearer" else ""
        shown = bearer or (page.password(authorization) if path == page.PATH else "")
        if hmac.compare_digest(shown.encode("utf-8", "replace"), self._token):
            return None
        refusal = self._problem(401, f"the header Authorization must be: Bearer, and {TOKEN}")
        if path == page.PATH:  # a browser asks for a password then
            refusal.headers["www-authenticate"] = 'Basic realm="Dayloop", charset="UTF-8"'
        return refusal

    def _state(self, status: int, said: str) -> Response:
        return _json(status, {"status": said, **self._named(self.serving.champion)})

    def _problem(self, status: int, detail: str, champion: Champion | None = None) -> Response:
        """A refusal as RFC 9457 has it."""
        named = self._named(champion or self.serving.champion)
        said = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail, **named}
        headers = HEADERS.get(status)
        return _json(status, said, "application/problem+json", headers)

    def _named(self, champion: Champion | None) -> dict[str, Any]:
        return {"model": self.serving.model, "version": champion.version if champion else None}

    async def _unroutable(self, _: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = self._problem(error.status_code, "see /docs")
        answer.headers.update(error.headers or {})
        return answer

    async def _failed(self, _: Request, error: Exception) -> Response:
        return self._problem(500, f"{type(error).__name__}; the server's log tells more")


def _scored(champion: Champion, body: bytes) -> tuple[bytes, Answered]:
    rows = parse(body, champion.features, champion.nullable)
    scores = champion.scores(rows.numbers)
    said = {"model": champion.model, "version": champion.version, "scores": scores.tolist()}
    return json.dumps(said).encode(), Answered(champion, rows, scores, utc_now())


def _json(
    status: int,
    said: dict[str, Any],
    kind: str = "application/json",
    headers: dict[str, str] | None = None,
) -> Response:
    return Response(json.dumps(said), status, headers, kind)


def _every(seconds: float, work: Callable[[], None], stopped: threading.Event) -> threading.Thread:
    def loop() -> None:
        while not stopped.wait(seconds):
            work()

    thread = threading.Thread(target=loop, name=work.__qualname__, daemon=True)
    thread.start()
    return thread
