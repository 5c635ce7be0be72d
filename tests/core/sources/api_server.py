"""An HTTP API on this machine for the tests, and the ways in which one can be bad."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.core.alerting.local_receiver import Behaviour, Request

Rows = list[dict[str, Any]]


def path(request: Request) -> str:
    return urlsplit(request.path).path


def query(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(request.path).query).items()}


def say(body: bytes | str | Any, status: int = 200, **headers: str) -> Behaviour:
    """Answers this; what is no text, as JSON."""
    return lambda request: request.answer(status, encoded(body), **headers)


def encoded(body: bytes | str | Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One after the other, the last one for ever."""
    left = list(behaviours)
    return lambda request: (left.pop(0) if len(left) > 1 else left[0])(request)


def raw(*pieces: bytes, pause: float = 0.0) -> Behaviour:
    """These very bytes, then the end of the connection."""

    def behave(request: Request) -> None:
        request.close_connection = True
        for piece in pieces:
            request.wfile.write(piece)
            request.wfile.flush()
            time.sleep(pause)

    return behave


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


def numbered(pages: Sequence[Any], after: Any, param: str = "page", first: int = 1) -> Behaviour:
    """Pages by number; after the last one, this."""

    def behave(request: Request) -> None:
        number = int(query(request)[param]) - first
        request.answer(200, encoded(pages[number] if number < len(pages) else after))

    return behave


def chained(pages: Sequence[Rows], last: dict[str, Any]) -> Behaviour:
    """Pages by cursor: `{"data": {"rows": …}, "next": …}`; the last one says this of the next."""

    def behave(request: Request) -> None:
        number = int(query(request).get("after", "c0")[1:])
        more = {"next": f"c{number + 1}"} if number + 1 < len(pages) else last
        request.answer(200, encoded({"data": {"rows": pages[number]}, **more}))

    return behave


def linked(pages: Sequence[Any], link: Callable[[int], str]) -> Behaviour:
    """Pages by the header Link, which this makes for all but the last."""

    def behave(request: Request) -> None:
        number = int(query(request).get("p", "0"))
        headers = {"link": link(number + 1)} if number + 1 < len(pages) else {}
        request.answer(200, encoded(pages[number]), **headers)

    return behave


def endless(pieces: Iterable[bytes]) -> Behaviour:
    """A body that never ends."""

    def behave(request: Request) -> None:
        request.wfile.write(head("transfer-encoding: chunked"))
        try:
            for piece in pieces:
                request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        except OSError:
            request.close_connection = True

    return behave
