"""Files: local or on an object store, one by one or by a pattern."""

from collections.abc import Iterator
from fnmatch import translate
from re import fullmatch

from pyarrow import fs

from catalog.kinds import Arrival, File
from core import home
from core.errors import SourceEmpty, SourceUnreachable
from core.intervals import Interval
from core.sources import Secret

CHUNK_BYTES = 1 << 20


def pull(source: File, interval: Interval, secret: Secret) -> Iterator[Arrival]:
    """The files there are for these days, in order of day and name.

    Raises:
        SourceEmpty: there is none at all.
    """
    days = list(interval.days()) if source.daily else [None]
    found = False
    for day in days:
        for name in _matching(source.path.replace("{day}", str(day))):
            found = True
            yield Arrival(name, _chunks(name), day)
    if not found:
        first = source.path.replace("{day}", str(days[0]))
        last = f" to {source.path.replace('{day}', str(days[-1]))}" if len(days) > 1 else ""
        raise SourceEmpty(f"there is no file {first}{last}")


def _matching(path: str) -> list[str]:
    folder, _, pattern = path.rpartition("/")
    if not any(mark in pattern for mark in "*?"):
        system, target = _open(path)
        return [path] if system.get_file_info(target).type == fs.FileType.File else []
    system, target = _open(folder or ".")
    entries = system.get_file_info(fs.FileSelector(target, allow_not_found=True))
    names = [entry.base_name for entry in entries if entry.type == fs.FileType.File]
    wanted = translate(pattern)
    prefix = f"{folder}/" if folder else ""
    return [prefix + name for name in sorted(names) if fullmatch(wanted, name)]


def _chunks(name: str) -> Iterator[bytes]:
    system, target = _open(name)
    before = system.get_file_info(target)
    with system.open_input_file(target) as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
    after = system.get_file_info(target)
    if (before.size, before.mtime_ns) != (after.size, after.mtime_ns):
        raise SourceUnreachable(f"{name} changed while it was read")


def _open(path: str) -> tuple[fs.FileSystem, str]:
    if "://" in path:
        system, target = fs.FileSystem.from_uri(path)
        return system, target
    return fs.LocalFileSystem(), str(home.PROJECT / path)
