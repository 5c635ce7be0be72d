"""HTTP to the world outside: one request with a deadline, to an address that was checked.

Signatures follow Standard Webhooks 1.0 (https://www.standardwebhooks.com). Nothing here
logs, raises or returns an address: webhook addresses are secrets.
"""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import logging
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Literal

import httpx

from core import faults
from core.alerting.addresses import AddressRefused, outside_loop, resolve
from core.intervals import utc_now

REQUEST_SECONDS = 15.0
CONNECT_SECONDS = 5.0
MOST_BYTES = 64 * 1024  # of an answer; what it says beyond that is not read
TOLERANCE_SECONDS = 300
LONGEST_WAIT_SECONDS = 3600.0
_REASONS = {
    socket.gaierror: "its host name has no address",
    ssl.SSLCertVerificationError: "its certificate is not trusted",
    ConnectionRefusedError: "connection refused",
    ConnectionResetError: "connection reset",
    httpx.RemoteProtocolError: "its answer broke off, or is no HTTP",
    httpx.ReadTimeout: "it fell silent",
}

# httpcore writes the headers of answers at DEBUG, and a receiver may echo what it was sent.
logging.getLogger("httpcore").setLevel(logging.INFO)


@dataclass(frozen=True)
class Answer:
    """How a request ended.

    Attributes:
        verdict: ok; retry, it may go away by itself; refused, it will not; gone (410).
        detail: one line for people, with nothing secret in it.
        retry_after: seconds the receiver asked to be left alone, at most an hour.
        body: the beginning of what it said. Never to be stored or shown.
    """

    verdict: Literal["ok", "retry", "refused", "gone"]
    detail: str
    retry_after: float | None = None
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Answer({self.verdict}: {self.detail})"


def sign(secrets: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature a secret, so that secrets can rotate.

    Args:
        secrets: each `whsec_` and base64; the prefix and the padding may be missing.
        message_id: the `webhook-id` header.
        timestamp: the `webhook-timestamp` header, seconds since 1970 UTC.
        body: the bytes as they are sent.

    Raises:
        ValueError: a secret is not base64 or is empty.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    made = (hmac.digest(decode_secret(secret), signed, hashlib.sha256) for secret in secrets)
    return " ".join("v1," + base64.b64encode(digest).decode() for digest in made)


def verify(
    secrets: Sequence[str],
    headers: Mapping[str, str],
    body: bytes | str,
    *,
    now: datetime | None = None,
) -> bool:
    """Whether a request was signed with one of the secrets, at most five minutes from now.

    Takes the same time whichever signature is wrong; malformed headers are False.

    Raises:
        ValueError: a secret of ours is not base64 or is empty.
    """
    keys = [decode_secret(secret) for secret in secrets]
    found = {str(name).lower(): value for name, value in headers.items()}
    message_id, timestamp, given = (
        found.get(f"webhook-{name}") for name in ("id", "timestamp", "signature")
    )
    if not (isinstance(message_id, str) and isinstance(given, str) and message_id):
        return False
    if not (isinstance(timestamp, str) and re.fullmatch("[0-9]{1,12}", timestamp)):
        return False
    if abs((now or utc_now()).timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    content = body.encode() if isinstance(body, str) else body
    signed = f"{message_id}.{timestamp}.".encode("utf-8", "replace") + content
    matches = False
    for key in keys:
        want = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
        for signature in given.split(" "):
            matches |= hmac.compare_digest(want, signature.encode("utf-8", "replace"))
    return matches


def decode_secret(secret: str) -> bytes:
    """The key in a `whsec_` secret.

    Raises:
        ValueError: it is not base64 or is empty; does not say what it was.
    """
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("a webhook secret is whsec_ and base64")
    return key


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


class Line:
    """The connections to one host, for one delivery: looked up and checked once."""

    def __init__(self, url: str) -> None:
        self._url = httpx.URL(url)
        self._secure = self._url.scheme == "https"
        self._transport = httpx.AsyncHTTPTransport(verify=_tls() if self._secure else False)
        self._addresses: list[str] = []

    async def request(
        self,
        method: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = REQUEST_SECONDS,
    ) -> Answer:
        """Sends one request and reads its answer, all within the given seconds.

        Redirects are not followed, proxies and .netrc are not asked, and nothing is raised:
        how it failed is in the answer.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(method, body, headers or {})
        except TimeoutError:
            return Answer("retry", f"no whole answer within {seconds:.3g} s")
        except AddressRefused as error:
            return Answer("retry", f"not called: {error}")
        except (httpx.HTTPError, OSError) as error:
            return Answer("retry", reason(error))
        except Exception as error:  # a broken answer must not stop the other alerts
            return Answer("retry", f"failed with {type(error).__name__}")

    async def close(self) -> None:
        """Ends its connections."""
        await self._transport.aclose()

    async def _exchange(self, method: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if not self._addresses:
            port = self._url.port or (443 if self._secure else 80)
            host = self._url.raw_host.decode()
            self._addresses = await resolve(host, port, encrypted=self._secure)
        for address in self._addresses[:-1]:
            with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._exchange_with(address, method, body, headers)
        return await self._exchange_with(self._addresses[-1], method, body, headers)

    async def _exchange_with(
        self, address: str, method: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        request = httpx.Request(
            method,
            self._url.copy_with(host=address, userinfo=b""),
            headers={
                "host": self._url.netloc.decode(),
                "user-agent": "dayloop",
                "accept-encoding": "identity",
                **self._login(),
                **headers,
            },
            content=body,
            extensions={
                # The certificate is checked against the name, not against the address.
                "sni_hostname": self._url.raw_host.decode(),
                "timeout": {"connect": CONNECT_SECONDS},
            },
        )
        response = await self._transport.handle_async_request(request)
        try:
            return judge(response.status_code, response.headers, await _beginning(response))
        finally:
            await response.aclose()

    def _login(self) -> dict[str, str]:
        if not self._url.userinfo:
            return {}
        pair = f"{self._url.username}:{self._url.password}".encode()
        return {"authorization": "Basic " + base64.b64encode(pair).decode()}


async def _beginning(response: httpx.Response) -> bytes:
    read = b""
    async for chunk in response.aiter_raw():
        read += chunk
        if len(read) >= MOST_BYTES:
            break
    return read[:MOST_BYTES]


def judge(status: int, headers: Mapping[str, str], body: bytes = b"") -> Answer:
    """What a status means: 408, 425, 429 and 5xx may go away, a redirect is a failure."""
    detail = f"answered {status}"
    if 200 <= status < 300:
        return Answer("ok", detail, body=body)
    if status == 410:
        return Answer("gone", detail)
    if status in (408, 425, 429) or status >= 500:
        return Answer("retry", detail, _retry_after(headers.get("retry-after", "")))
    if 300 <= status < 400:
        return Answer("refused", f"{detail}: redirects are not followed")
    return Answer("refused", detail)


def _retry_after(value: str, now: datetime | None = None) -> float | None:
    try:
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value.strip()):
            seconds = float(value)
        else:
            seconds = (parsedate_to_datetime(value) - (now or utc_now())).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


def reason(error: BaseException) -> str:
    """Why there was no answer, in words of our own: what the error says may hold the address."""
    cause: BaseException | None = error
    while cause is not None:
        for kind, words in _REASONS.items():
            if isinstance(cause, kind):
                return words
        cause = cause.__cause__ or cause.__context__
    return f"no connection ({type(error).__name__})"


def ping(url: str, *, seconds: float = REQUEST_SECONDS) -> Answer:
    """Asks for an address, as dead-man services want at every sign of life."""

    async def once() -> Answer:
        line = Line(url)
        faults.reached("before a sign of life")
        try:
            answer = await line.request("GET", seconds=seconds)
            faults.reached("gave a sign of life")
            return answer
        finally:
            await line.close()

    return outside_loop(once)
