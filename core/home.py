"""Where all state lives: the address in `DAYLOOP_HOME`, a folder or an object store."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from pyarrow import fs

PROJECT = Path(__file__).parent.parent


def address() -> str:
    """The value of `DAYLOOP_HOME`; a folder is made absolute."""
    given = os.environ.get("DAYLOOP_HOME", "").rstrip("/") or ".dayloop"
    return given if "://" in given else str(Path(given).absolute())


def is_local() -> bool:
    """Whether the home is a folder of this machine."""
    return "://" not in address()


@cache
def _store(home: str) -> tuple[fs.FileSystem, str]:
    found: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(home)
    return found


def store(path: str) -> tuple[fs.FileSystem, str]:
    """The file system that home is on, and where on it this path lies."""
    system, root = _store(address())
    return system, f"{root}/{path}"


def sync(path: Path) -> None:
    """Has the disk hold a file, or a folder's entries, before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exists(path: str) -> bool:
    """Whether there is a whole file at this path below home."""
    system, target = store(path)
    return bool(system.get_file_info(target).type == fs.FileType.File)


def size(path: str) -> int:
    """Bytes of the file at this path below home."""
    system, target = store(path)
    return int(system.get_file_info(target).size)


def listing(path: str) -> tuple[str, ...]:
    """Names of what lies directly below this path, sorted."""
    system, target = store(path)
    found = system.get_file_info(fs.FileSelector(target, allow_not_found=True))
    return tuple(sorted(entry.base_name for entry in found))


def open_read(path: str) -> BinaryIO:
    """Opens the file at this path below home for reading its bytes."""
    system, target = store(path)
    return system.open_input_file(target)


def read_bytes(path: str) -> bytes:
    """The whole file at this path below home."""
    with open_read(path) as file:
        return file.read()


@contextmanager
def open_write(path: str) -> Iterator[BinaryIO]:
    """Writes a file so that others see the whole of it or nothing.

    Locally it is written aside, synced and renamed; an object store shows an object only
    once its upload is complete.
    """
    system, target = store(path)
    if not is_local():
        with system.open_output_stream(target) as remote:
            yield remote
        return
    final = Path(target)
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = final.with_name(f".{final.name}.{uuid4().hex}")
    try:
        with aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(final)
    finally:
        aside.unlink(missing_ok=True)
    sync(final.parent)


def write_bytes(path: str, data: bytes) -> None:
    """Writes a whole file, atomically."""
    with open_write(path) as file:
        file.write(data)
