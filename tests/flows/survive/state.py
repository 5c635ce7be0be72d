"""What a home holds, so that two of them can be compared: byte for byte where that is promised."""

import json
import shutil
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from core import care
from tests.flows.support import contents, models, rows

State = dict[str, Any]
SETTLED = ("delivered", "suppressed", "skipped", "dead")
_one_home = Lock()


def state(home: Path) -> State:
    """Rows of every table, models, landed bytes, and each alert with what became of it.

    Left out is when and by whose hand; and of the alerts the receiver, which each home has of its
    own. What is damaged is in it too, and that it is nothing.
    """
    tables = contents(home)
    tables.pop("outbox", None)
    return {
        "tables": tables,
        "models": {name: of for name, of in models(home).items() if "/." not in name},
        "files": {str(file.relative_to(home)): digest(file) for file in kept(home)},
        "alerts": told(home),
        "page": (home / "report.html").exists(),
        "damage": damage(home),
    }


def told(home: Path) -> list[tuple[str, ...]]:
    """Each alert, and what became of it; that a run failed, as some are made to, is not of it."""
    opened = {
        row["alert_id"]: json.loads(row["alert"]) for row in rows(home, "outbox") if row["alert"]
    }
    events = {(row["alert_id"], row["event"]) for row in rows(home, "outbox")}
    return sorted(
        (key, each["kind"], each["title"], *(event for event in SETTLED if (key, event) in events))
        for key, each in opened.items()
        if each["kind"] != "failed_flow"
    )


def differences(expected: State, found: State) -> list[str]:
    """In words, what is not as it should be."""
    return [
        f"{part}: {_changes(expected[part], found[part])}"
        for part in expected
        if expected[part] != found[part]
    ]


def _changes(expected: Any, found: Any) -> str:
    if isinstance(expected, dict):
        names = sorted({*expected} | {*found})
        return ", ".join(n for n in names if expected.get(n) != found.get(n))
    if isinstance(expected, list):
        lost, new = (
            [x for x in a if x not in b] for a, b in ((expected, found), (found, expected))
        )
        return f"lost {lost}, new {new}, {len(expected)} were {len(found)}"
    return f"{found}, not {expected}"


def kept(home: Path) -> list[Path]:
    """Files that are the same to the last byte in every run."""
    found = [*home.glob("landing/*/[!.]*"), *home.glob("models/*/[!.]*/model.joblib")]
    return sorted([*found, *home.glob("models/*/snapshots/*/[!.]*")])


def digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()


def damage(home: Path) -> list[str]:
    """What `verify` finds."""
    with _one_home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAYLOOP_HOME", str(home))
        return [f"{each.where} {each.what}" for each in care.verify()]


def copied(base: Path, home: Path) -> Path:
    """A home that is as another one, and nothing of what was there."""
    shutil.rmtree(home, ignore_errors=True)
    if base.exists():
        shutil.copytree(base, home)
    return home
