"""Prefect's server with its page, every deployment and automation, and a worker. `make server`.

    python deployments/server.py

Stays until Ctrl-C. Meanwhile `python -m flows` finds the server by the file ADDRESS, so an ad
hoc run starts in seconds: it need not start a server of its own. Settings are taken from the
environment, PREFECT_SERVER_API_PORT among them; the worker's environment is the runs'.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

PROJECT = Path(__file__).parent.parent
ADDRESS = PROJECT / ".dayloop" / "server"
PREFECT = [sys.executable, "-m", "prefect"]
SECONDS = 120  # to start in, on a slow machine
SET_UP = (
    [*PREFECT, "work-pool", "create", "dayloop", "--type", "process", "--overwrite"],
    [*PREFECT, "--no-prompt", "deploy", "--all"],
    [sys.executable, "deployments/automations.py"],
)


def main() -> int:
    """Starts all of it; the exit status is 0 after Ctrl-C, 1 where a part did not start or died."""
    port = int(os.environ.get("PREFECT_SERVER_API_PORT", "4200"))
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return _say(f"port {port} is taken; stop what is there, or set PREFECT_SERVER_API_PORT")
    os.environ.update(
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        PREFECT_SERVER_DATABASE_TIMEOUT="60",  # 10 is too few for SQLite on a busy machine
        DO_NOT_TRACK="1",
        DAYLOOP_HOME=os.environ.get("DAYLOOP_HOME", str(PROJECT / ".dayloop")),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _running("server", "start", "--port", str(port)) as server, _address():
            if not _is_up(server):
                return _say("the server did not start; its words are above")
            for command in SET_UP:
                done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
                if done.returncode:
                    print(done.stdout, done.stderr, file=sys.stderr)
                    return _say(f"{' '.join(command)} failed; its words are above")
            with _running("worker", "start", "--pool", "dayloop", "--limit", "4") as worker:
                print(
                    f"\nThe page: http://127.0.0.1:{port}   (Ctrl-C ends server and worker)\n",
                    flush=True,
                )
                while server.poll() is None and worker.poll() is None:
                    time.sleep(1)
                return _say(f"the {'worker' if server.poll() is None else 'server'} died")
    except KeyboardInterrupt:
        return 0


def _say(problem: str) -> int:
    print(f"dayloop: {problem}", file=sys.stderr)
    return 1


@contextmanager
def _running(*words: str) -> Iterator["subprocess.Popen[bytes]"]:
    # In a session of its own, so that Ctrl-C comes here only, and parts end in their order.
    process = subprocess.Popen([*PREFECT, *words], cwd=PROJECT, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _address() -> Iterator[None]:
    ADDRESS.parent.mkdir(exist_ok=True)
    ADDRESS.write_text(os.environ["PREFECT_API_URL"])
    try:
        yield
    finally:
        ADDRESS.unlink(missing_ok=True)


def _is_up(server: "subprocess.Popen[bytes]") -> bool:
    end = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            if httpx.get(f"{os.environ['PREFECT_API_URL']}/health", timeout=5).is_success:
                return True
        except httpx.TransportError:
            time.sleep(0.3)
    return False


if __name__ == "__main__":
    sys.exit(main())
