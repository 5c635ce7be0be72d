"""Makes the README's pictures again: `python docs/pictures.py` (needs Chromium).

Runs `make run`'s job on an empty home, with a Prefect server of its own and in a terminal of its
own, and photographs what it prints, `demo.png`, the page of `report`, `report.png`, and what
Prefect shows of the last `daily`, `run.png`.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.flows.terminal import on_a_terminal  # noqa: E402 the project is not installed

COLUMNS = 128
FONT = "font-family: 'DejaVu Sans Mono', monospace; font-size: 14px; line-height: 1.35"
PAGE = (
    "<!doctype html><meta charset=utf-8><style>{stylesheet} body {{ color: {foreground}; "
    "background: {background}; margin: 16px; overflow: hidden }} pre {{ "
    + FONT
    + " }}</style><pre>{code}</pre>"
)


def main() -> None:
    """Runs, renders, photographs."""
    with tempfile.TemporaryDirectory() as folder, _server(folder) as address:
        text = Text.from_ansi("$ make run\n" + _printed(Path(folder) / "home"))
        console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
        console.print(text)
        page = Path(folder) / "page.html"
        page.write_text(console.export_html(theme=MONOKAI, code_format=PAGE))
        height = 16 * 2 + round((len(text.plain.splitlines()) + 3) * 14 * 1.35)
        _photograph(page.as_uri(), "demo.png", COLUMNS * 8 + 120, height)
        report = Path(folder) / "report.html"
        subprocess.run(
            [sys.executable, "-m", "flows", "report", "--to", str(report)],
            env={**os.environ, "DAYLOOP_HOME": str(Path(folder) / "home")},
            cwd=ROOT,
            check=True,
        )
        _photograph(report.as_uri(), "report.png", 1200, 1280)
        wanted = {"sort": "START_TIME_DESC", "flows": {"name": {"any_": ["daily"]}}}
        [last, *_] = httpx.post(f"{address}/api/flow_runs/filter", json=wanted).json()
        _photograph(f"{address}/runs/flow-run/{last['id']}", "run.png", 1400, 1000)


@contextmanager
def _server(folder: str) -> Iterator[str]:
    """A Prefect server that nobody else uses, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"http://127.0.0.1:{port}"
    os.environ.update(
        PREFECT_HOME=f"{folder}/prefect",
        PREFECT_SERVER_API_PORT=port,
        PREFECT_API_URL=f"{address}/api",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        DO_NOT_TRACK="1",
    )
    words = [sys.executable, "-m", "prefect", "server", "start"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while not _is_up(address) and running.poll() is None:
            time.sleep(0.3)
        yield address
        running.terminate()


def _is_up(address: str) -> bool:
    try:
        return httpx.get(f"{address}/api/health", timeout=5).is_success
    except httpx.TransportError:
        return False


def _photograph(address: str, name: str, width: int, height: int) -> None:
    chromium = shutil.which("chromium") or sys.exit("needs chromium")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--hide-scrollbars",
                "--disable-background-networking",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                "--force-device-scale-factor=1.5",
                "--virtual-time-budget=20000",  # until what is loaded bit by bit is there
                f"--screenshot={Path(__file__).with_name(name)}",
                address,
            ],
            check=True,
        )


def _printed(home: Path) -> str:
    where = {"DAYLOOP_HOME": str(home), "COLUMNS": str(COLUMNS)}
    said = on_a_terminal("-m", "flows", "demo", **where).replace("\r\n", "\n")
    # Without the line on how long it takes, which is drawn over again and again and then cleared.
    said = re.sub(r"[^\n]*\n(\x1b\[\?25h)?\r\x1b\[1A\x1b\[2K", "", said)
    return re.sub(r"[^\n]*\r\x1b\[2K|\x1b\[\?25[lh]", "", said)


if __name__ == "__main__":
    main()
