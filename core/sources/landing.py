"""Landing: keeps the very bytes that upstream sent, before anything looks at them.

A file lies at `landing/<dataset>/<sha256>.<ext>`: the same bytes are kept once, however
many days or runs need them.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from catalog.kinds import Arrival, Dataset
from catalog.sources import extension
from core import home, lake, sources
from core.errors import LakeDamaged, SourceEmpty, SourceFailed, SourceUnreachable
from core.intervals import Interval


@dataclass(frozen=True)
class Landed:
    """A landed file.

    Attributes:
        path: where it is, below home.
        sha256: of its bytes, as they came.
        size_bytes: how many.
        origin: where it came from, for people.
        day: the day upstream sent it for; None where one file holds many days.
    """

    path: str
    sha256: str
    size_bytes: int
    origin: str
    day: date | None = None


def land(
    dataset: Dataset, interval: Interval, secret: sources.Secret = sources.from_environment
) -> tuple[Landed, ...]:
    """Lands what the source has for these days; days it has nothing for are left out.

    Args:
        dataset: whose source.
        interval: the days.
        secret: looks up a secret that the source names.

    Raises:
        SourceEmpty: it has nothing for any of them.
        SourceUnreachable: it did not answer, or broke off.
        SourceFailed: it answered what asking again does not mend.
    """
    arrivals = sources.pull(dataset.source, interval, secret)
    landed = []
    while True:
        with _asking(dataset, interval):
            arrival = next(arrivals, None)
        if arrival is None:
            break
        landed.append(_keep(dataset, interval, arrival))
    if not landed:
        with _asking(dataset, interval):
            raise SourceEmpty("the source has nothing for it")
    return tuple(landed)


def landed_before(dataset: Dataset, sha256s: str, day: date) -> tuple[Landed, ...]:
    """The landed files that the ledger names for a day, as `land` returned them then.

    Raises:
        LakeDamaged: one of them is not there any more.
    """
    known = home.listing(f"landing/{dataset.name}")
    found = []
    for sha256 in sha256s.split(","):
        name = next((file for file in known if file.startswith(sha256)), None)
        if name is None:
            raise LakeDamaged(
                f"{dataset.name} {day}: the landed file {sha256[:12]} is gone; restore it from a "
                f"backup, or load the day from its source: python -m flows etl {dataset.name} "
                f"--day {day}"
            )
        path = f"landing/{dataset.name}/{name}"
        of_day = day if dataset.source.daily else None
        found.append(Landed(path, sha256, home.size(path), path, of_day))
    return tuple(found)


def _keep(dataset: Dataset, interval: Interval, arrival: Arrival) -> Landed:
    folder, ending, size = f"landing/{dataset.name}", extension(arrival.name), 0
    if not ending:
        raise SourceFailed(f"{dataset.name}: {arrival.name} does not say by its end what it is")
    digest, chunks = hashlib.sha256(), iter(arrival.chunks)
    with lake.in_words("landing"), home.open_unnamed(folder) as file:
        while True:
            with _asking(dataset, interval, arrival.name):
                chunk = next(chunks, None)
            if chunk is None:
                break
            size += len(chunk)
            digest.update(chunk)
            file.write(chunk)
        name = f"{digest.hexdigest()}{ending}"
        if not home.exists(f"{folder}/{name}"):
            file.name = name
    return Landed(f"{folder}/{name}", digest.hexdigest(), size, arrival.name, arrival.day)


@contextmanager
def _asking(dataset: Dataset, interval: Interval, name: str = "") -> Iterator[None]:
    # Only what the source does: a full disk on our side would not go away by asking again.
    try:
        yield
    except SourceUnreachable as error:
        raise type(error)(
            f"{dataset.name} {interval}: {error}; ask upstream, or correct source in "
            f"catalog/datasets/{dataset.name}.py"
        ) from error
    except SourceFailed as error:
        raise SourceFailed(f"{dataset.name} {interval}: {error}") from error
    except OSError as error:
        said = f"{name}: {error.strerror or type(error).__name__}".removeprefix(": ")
        raise SourceUnreachable(f"{dataset.name} {interval}: {said}") from error
