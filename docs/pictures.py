"""Makes the README's pictures again: `python docs/pictures.py` (needs Chromium).

Runs `make run`'s job on an empty home in a terminal of its own and photographs what it prints,
`demo.png`, and then the page of `report`, `report.png`.
"""

import os
import pty
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

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
    with tempfile.TemporaryDirectory() as folder:
        text = Text.from_ansi("$ make run\n" + _printed(Path(folder) / "home"))
        console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
        console.print(text)
        page = Path(folder) / "page.html"
        page.write_text(console.export_html(theme=MONOKAI, code_format=PAGE))
        height = 16 * 2 + round((len(text.plain.splitlines()) + 3) * 14 * 1.35)
        _photograph(page, "demo.png", COLUMNS * 8 + 120, height)
        report = Path(folder) / "report.html"
        subprocess.run(
            [sys.executable, "-m", "flows", "report", "--to", str(report)],
            env={**os.environ, "DAYLOOP_HOME": str(Path(folder) / "home")},
            cwd=Path(__file__).parent.parent,
            check=True,
        )
        _photograph(report, "report.png", 1200, 1280)


def _photograph(page: Path, name: str, width: int, height: int) -> None:
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
                f"--screenshot={Path(__file__).with_name(name)}",
                page.as_uri(),
            ],
            check=True,
        )


def _printed(home: Path) -> str:
    master, slave = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "flows", "demo"],
        env={**os.environ, "DAYLOOP_HOME": str(home), "COLUMNS": str(COLUMNS)},
        cwd=Path(__file__).parent.parent,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    parts = []
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        parts.append(part)
    if running.wait():
        sys.exit("the demo failed")
    return b"".join(parts).decode().replace("\r\n", "\n")


if __name__ == "__main__":
    main()
