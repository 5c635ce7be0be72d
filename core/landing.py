"""Landing: keeps the very bytes that upstream sent, before anything looks at them.

A file lies at `landing/<dataset>/<sha256>.<ext>`: the same bytes are kept once, however
many days or runs need them.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

from catalog.kinds import Dataset
from core import home, lake
from core.errors import LakeDamaged, SourceUnreachable
from core.intervals import Interval

CHUNK_BYTES = 1 << 20


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


def land(dataset: Dataset, interval: Interval) -> tuple[Landed, ...]:
    """Lands what the source has for these days; days it has no file for are left out.

    Raises:
        SourceUnreachable: it has nothing for any of them, or broke off.
    """
    source = dataset.source
    origins: list[tuple[str, date | None]] = [(source.path, None)]
    if source.daily:
        origins = [(source.path.replace("{day}", str(day)), day) for day in interval.days()]
    found = [(origin, day) for origin, day in origins if (home.PROJECT / origin).is_file()]
    if not found:
        raise SourceUnreachable(
            f"{dataset.name} {interval}: there is no file {origins[0][0]}"
            f"{f' to {origins[-1][0]}' if len(origins) > 1 else ''}; ask upstream, or correct "
            f"source.path in catalog/datasets/{dataset.name}.py"
        )
    return tuple(_land_file(dataset, origin, day) for origin, day in found)


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


def _land_file(dataset: Dataset, origin: str, day: date | None) -> Landed:
    file = home.PROJECT / origin
    extension = "".join(file.suffixes[-2:] if file.suffix in (".gz", ".zst") else [file.suffix])
    with _reading(dataset, origin):
        digest = _sha256(file)
    path = f"landing/{dataset.name}/{digest}{extension}"
    if not home.exists(path):
        with lake.in_words("landing"), home.open_write(path) as target:
            _copy(dataset, origin, file, target, digest)
    return Landed(path, digest, home.size(path), origin, day)


def _copy(dataset: Dataset, origin: str, file: Path, target: BinaryIO, digest: str) -> None:
    copied = hashlib.sha256()
    with _reading(dataset, origin):
        source = file.open("rb")
    with source:
        while True:
            with _reading(dataset, origin):
                chunk = source.read(CHUNK_BYTES)
            if not chunk:
                break
            copied.update(chunk)
            target.write(chunk)
    if copied.hexdigest() != digest:
        raise SourceUnreachable(f"{dataset.name}: {origin} changed while it was read")


@contextmanager
def _reading(dataset: Dataset, origin: str) -> Iterator[None]:
    # Only what the source does: a full disk on our side would not go away by asking again.
    try:
        yield
    except OSError as error:
        raise SourceUnreachable(f"{dataset.name}: {origin}: {error.strerror}") from error


def _sha256(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
