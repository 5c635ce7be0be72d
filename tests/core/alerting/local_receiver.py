"""A receiver on this machine for the tests: real sockets, and as bad as it is told to be."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request, and ways to answer it."""

    protocol_version = "HTTP/1.1"
    body: bytes

    def do_POST(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        # A copy: this very object serves the next request on the connection too.
        self.server.seen.append(copy(self))  # type: ignore[attr-defined]
        self.server.behave(self)  # type: ignore[attr-defined]

    do_GET = do_POST

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def answer(self, status: int = 200, body: bytes = b"ok", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drip(self, seconds: float) -> None:
        """Answers 200, one byte at a time."""
        self.send_response(200)
        self.send_header("content-length", "20")
        self.end_headers()
        try:
            for _ in range(20):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(seconds / 20)
        except OSError:
            self.close_connection = True

    def reset(self) -> None:
        """Breaks the connection off without an answer."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    seen: list[Request]
    behave: Behaviour

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    @property
    def port(self) -> int:
        return self.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook/TOKEN-in-the-path"


@contextmanager
def serve(behave: Behaviour = lambda request: request.answer()) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Request)
    server.seen, server.behave = [], behave
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
