"""Every flow that writes, from where it begins, and one run of it, undisturbed or killed."""

import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from deltalake import DeltaTable

from core.intervals import DAY
from tests.core.alerting.local_receiver import Server as Receiver
from tests.flows.support import rows
from tests.flows.survive.shop import END, START, Run, Shop, days
from tests.flows.survive.state import State, copied, differences, state

Problems = list[str]
WHO = "|--by|Ann|--reason|she has looked"
RETRAIN = f"retrain returns --as-of {END - 3 * DAY}"  # due again on the day of END
LATE = "late"  # all of it was loaded two days ago
# Each home to begin from: made of which, by what.
BASES: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "history": ("", (f"backfill buys --start {START} --end {END}",), {}),
    "strict": ("", (f"backfill buys --start {START} --end {END}",), {"MOST": "70"}),
    "trained": ("history", (f"retrain returns --as-of {END - 4 * DAY}", RETRAIN), {}),
    "scored": ("trained", (f"score returns --day {END}",), {}),
    "crowded": ("trained", tuple(f"etl buys --day {day}" for day in days(8)), {}),
    LATE: ("trained", (), {}),
}
FLOWS: dict[str, tuple[str, str]] = {
    "etl": ("", f"etl buys --day {START}"),
    "backfill": ("", f"backfill buys --start {START} --end {END}"),
    "requeue": ("strict", f"requeue buys --start {START} --end {END}"),
    "retrain": ("history", RETRAIN),
    "score": ("trained", f"score returns --day {END}"),
    "monitor": ("scored", f"monitor returns --day {END}"),
    "approve": ("trained", "approve|returns|2" + WHO),
    "promote": ("trained", "promote|returns|1" + WHO),
    "reject": ("trained", "reject|returns|1" + WHO),
    "retire": ("trained", "retire|returns|2" + WHO),
    "rollback": ("trained", "rollback|returns" + WHO),
    "heartbeat": (LATE, "heartbeat"),
    "deliver": ("trained", "deliver"),
    "daily": ("trained", f"daily --day {END}"),
    "maintain": ("crowded", "maintain"),
}


@dataclass
class Homes:
    """Homes to begin from, each made when it is first asked for."""

    shop: Shop
    folder: Path
    made: dict[str, Path] = field(default_factory=lambda: {"": Path("nowhere")})

    def __getitem__(self, name: str) -> Path:
        if name not in self.made:
            before, steps, env = BASES[name]
            home = copied(self[before], self.folder / name / "home")
            self.shop.require(home, *steps, **env)
            left = home / "landing" / "buys" / f".{'0' * 32}"  # by a process killed long ago
            left.touch()
            os.utime(left, (0, 0))
            if name == LATE:
                ledger = DeltaTable(home / "tables" / "ledger")
                ledger.update({"loaded_at": "loaded_at - interval '2 days'"})
            self.made[name] = home
        return self.made[name]


@dataclass(frozen=True)
class Flow:
    """A flow, ready to be run in homes of its own."""

    name: str
    shop: Shop
    base: Path
    words: str
    folder: Path
    told: Receiver

    def home(self, name: str) -> Path:
        return copied(self.base, self.folder / self.name / name / "home")

    def start(self, home: Path, **env: str) -> Run:
        url = f"{self.told.url}/{self.own(home)}"
        env |= {"DAYLOOP_WEBHOOKS": url, "DAYLOOP_DEADMAN_URL": f"{self.told.url}/alive"}
        return self.shop.start(home, self.words, **env)

    @property
    def ends(self) -> int:
        """The status of an undisturbed run: heartbeat says by it that something is late."""
        return int(self.name == "heartbeat")

    def ended(self, home: Path, **env: str) -> Run:
        """A run that has ended; tried again where Prefect's server would not begin it.

        On SQLite it cannot where others write at the same time, whatever its timeout.
        """
        for _ in range(3):
            run = self.start(home, **env)
            if run.wait() != 1 or "503 Service Unavailable" not in run.said:
                break
        return run

    def own(self, home: Path) -> str:
        """The end of the address that alerts of a home are sent to."""
        return f"{self.name}-{home.parent.name}"

    def finish(self, expected: State, home: Path, after: str, **env: str) -> Problems:
        """Runs to the end and compares; what is not as it should be, in words."""
        done = self.ended(home, **env)
        if done.wait() != self.ends:
            return [f"{self.name} after {after}: status {done.status}\n{done.said}"]
        found = differences(expected, state(home)) + self.untold(home)
        return [f"{self.name} after {after}: {each}" for each in found]

    def untold(self, home: Path) -> Problems:
        """Where the receiver has got other alerts than those that the outbox calls delivered.

        Alerts about the same thing that wait together are one message, with the first one's id.
        """
        got: dict[str, int] = {}
        for each in self.told.seen:
            if each.path.endswith("/" + self.own(home)):
                got[each.id] = max(each.json["count"], got.get(each.id, 0))
        said = {row["alert_id"] for row in rows(home, "outbox") if row["event"] == "delivered"}
        same = {*got} <= said and sum(got.values()) == len(said)
        return [] if same else [f"of alerts {got} were sent, and {sorted(said)} are delivered"]

    def undisturbed(self, **env: str) -> tuple[State, list[str]]:
        """What it leaves, and the points it reaches, in order."""
        home = self.home("undisturbed")
        seen = home.with_name("seen")
        run = self.start(home, DAYLOOP_FAULT="none", SEEN=str(seen), **env)
        assert run.wait() == self.ends, run.said
        return state(home), seen.read_text().splitlines()


def day_by_day(flow: Flow, count: int) -> list[tuple[Flow, State, float]]:
    """Days of the loop: each one's run, what it leaves undisturbed, and its seconds."""
    home, found = flow.home("day-by-day"), []
    for day in days(count):
        today, begun = replace(flow, words=f"daily --day {day}"), time.monotonic()
        run = today.start(home)
        assert run.wait() == 0, run.said
        found.append((today, state(home), time.monotonic() - begun))
    return found
