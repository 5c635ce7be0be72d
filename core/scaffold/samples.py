"""A sample: where it lies, landed as a load would land it, and how its text is cut.

Whatever the source is, its bytes are landed in a scratch home first: what looks at them, and
the load that proves the declaration, read the same files.
"""

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from glob import glob
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
from pandera.pandas import Column, DataFrameSchema

from catalog.kinds import Dataset, File, Http, Source
from catalog.sources import compression_of, format_of
from core import home
from core.errors import SourceEmpty, SourceRefused, SourceUnreachable, UsageError
from core.intervals import DAY, Interval, yesterday
from core.reader import pages
from core.sources import landing
from core.sources.landing import Landed

NEWEST_DAYS = 31  # of daily files
API_DAYS = 7
HEAD_BYTES = 1 << 16
MARKS = ",;\t|"
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
SECRET = re.compile(r"(?i)token|secret|password|passwd|api_?key|\Akey\Z|auth|signature|\Asig\Z")


@dataclass(frozen=True)
class Sample:
    """What a source sent.

    Attributes:
        source: as it will be declared.
        files: as they landed in the scratch home.
    """

    source: Source
    files: tuple[Landed, ...]

    def open(self, file: Landed) -> BinaryIO:
        """Opens the landed bytes."""
        return home.open_read(file.path)


def take(name: str, where: str, *, token: str = "", today: date | None = None) -> Sample:
    """Lands a sample in the present home, which should be a scratch one.

    Args:
        name: of the dataset to be.
        where: a path or pattern, `{day}` for the ISO date, or an http(s) address.
        token: the environment variable with an API's token.
        today: an API is asked for the week before it.

    Raises:
        UsageError: there is nothing at that place, or the address holds a secret.
        DayloopError: as `landing.land`.
    """
    if where.startswith(("http://", "https://")):
        end = today or yesterday() + DAY
        return _of_api(name, _http(where, token), Interval(end - API_DAYS * DAY, end))
    source = File(path=_path(where))
    files = _landed(name, source, _days(source))
    if format_of(source.path) == "json":
        try:
            return Sample(_with_records(source, home.read_bytes(files[0].path)), files)
        except ValueError:
            said = "is not JSON; where it has an object a line, have it called .jsonl"
            raise SourceRefused(f"{files[0].origin} {said}") from None
    return Sample(_cut(source, files), files)


def _path(where: str) -> str:
    if "://" in where:
        return where
    path, root = Path(where).expanduser().resolve(), home.PROJECT.resolve()
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _days(source: File) -> Interval:
    """The newest days that daily files are of; any day where files hold many."""
    if not source.daily:
        return Interval.of_day(yesterday())
    if "://" in source.path:
        raise UsageError(
            f"{source.path}: name one file of the store to look at, and put {{day}} into "
            "source.path afterwards"
        )
    wild = source.path.replace("[", "[[]").replace("{day}", re.sub("0", "[0-9]", "0000-00-00"))
    names = glob(wild, root_dir=home.PROJECT)  # noqa: PTH207 Path's takes no absolute pattern
    days = sorted({day for name in names for text in DATE.findall(name) if (day := _day(text))})
    if not days:
        raise UsageError(f"there is no file {source.path}; {{day}} stands for an ISO date")
    return Interval(days[-NEWEST_DAYS:][0], days[-1] + DAY)


def _day(text: str) -> date | None:
    with suppress(ValueError):  # a month 13
        return date.fromisoformat(text)
    return None


def _landed(name: str, source: Source, interval: Interval) -> tuple[Landed, ...]:
    schema = DataFrameSchema({"day": Column("datetime64[us, UTC]")})
    stand_in = Dataset(name=name, owner="nobody", source=source, schema=schema, day="day")
    try:
        return landing.land(stand_in, interval)
    except SourceEmpty as error:
        raise UsageError(f"{error.__cause__ or error}; look at the path or address") from None
    except SourceUnreachable as error:
        raise SourceUnreachable(f"{error.__cause__ or error}; look at the address") from None


def _http(where: str, token: str) -> Http:
    parts = urlsplit(where)
    params = dict(parse_qsl(parts.query, keep_blank_values=True))
    for param in params:
        if SECRET.search(param):
            raise UsageError(
                f"the parameter '{param}' of the address looks like a secret; leave it out, set "
                "an environment variable to it and name that with --token"
            )
    ending = parts.path.rsplit(".", 1)[-1].lower()
    form = {"csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl"}.get(ending, "json")
    url = where.split("?")[0].split("#")[0]
    return Http(url=url, params=params, format=form, token=token)  # type: ignore[arg-type]


def _of_api(name: str, source: Http, interval: Interval) -> Sample:
    files = _landed(name, source, interval)
    if source.format != "json":
        return Sample(_cut(source, files), files)
    head = home.read_bytes(files[0].path).lstrip(b"\x1e \t\r\n")
    if head[:1] not in (b"[", b"{"):
        return _of_api(name, replace(source, format="csv"), interval)
    try:
        return Sample(_with_records(source, head), files)
    except ValueError:
        return _of_api(name, replace(source, format="jsonl"), interval)


def _with_records(source: Source, page: bytes) -> Source:
    """The source with where the longest list of objects stands: keys with dots between them.

    Raises:
        SourceRefused: there is none.
        ValueError: it is not JSON.
    """
    found = {path: len(rows) for path, rows in _lists(pages.value(page, ""), "") if rows}
    if not found:
        raise SourceRefused("there is no list of objects in it; look at what the source sends")
    return replace(source, records=max(found, key=lambda path: found[path]))


def _lists(page: object, path: str) -> Iterator[tuple[str, list[object]]]:
    if isinstance(page, list):
        if all(isinstance(row, dict) for row in page):
            yield path, page
    elif isinstance(page, dict):
        for key, value in page.items():
            if "." not in key:
                yield from _lists(value, f"{path}.{key}".strip("."))


def _cut(source: Source, files: tuple[Landed, ...]) -> Source:
    """The source with the delimiter and the encoding that its first file has."""
    if format_of(files[0].origin) in ("json", "parquet"):
        return source
    head = _head(files[0])
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        source = replace(source, encoding="utf-16")
    if format_of(files[0].origin) == "delimited":
        source = replace(source, delimiter=_delimiter(head.decode(source.encoding, "replace")))
    return source


def _head(file: Landed) -> bytes:
    with home.open_read(file.path) as raw:
        packed = compression_of(file.origin)
        stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), packed) if packed else raw
        try:
            return bytes(stream.read(HEAD_BYTES))
        except OSError:
            return b""  # the reader says what is wrong with it


def _delimiter(head: str) -> str:
    """The mark that cuts most of the first lines into as many fields as the header, the most."""
    lines = head.splitlines()[:100]
    lines = lines if len(head) < HEAD_BYTES // 4 else lines[:-1]

    def fields(mark: str) -> int:
        widths = [len(row) for row in csv.reader(lines, delimiter=mark) if row] or [0]
        alike = sum(width == widths[0] for width in widths)
        return widths[0] if alike >= 0.9 * len(widths) else 0

    best = max(MARKS, key=fields)
    return best if fields(best) > 1 else ","
