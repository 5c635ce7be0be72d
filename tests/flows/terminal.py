"""A terminal for a program to print on."""

import os
import pty
import subprocess
import sys

from tests.conftest import ROOT


def on_a_terminal(*words: str, **env: str) -> str:
    """What Python prints when called with these words, where it sees a terminal."""
    master, slave = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", **env},
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
    os.close(master)
    said = b"".join(parts).decode()
    assert running.wait() == 0, said
    return said
