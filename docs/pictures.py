"""Makes `demo.png` again, the README's picture: `python docs/pictures.py` (needs Chromium).

Runs `make run`'s job on an empty home in a terminal of its own and photographs what it prints.
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
        chromium = shutil.which("chromium") or sys.exit("needs chromium")
        subprocess.run(
            [
                chromium,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                f"--user-data-dir={folder}/profile",
                f"--window-size={COLUMNS * 8 + 120},{height}",
                "--force-device-scale-factor=1.5",
                f"--screenshot={Path(__file__).with_name('demo.png')}",
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
