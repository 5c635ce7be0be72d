"""Where all state lives: the address in `DAYLOOP_HOME`, a folder or an object store."""

import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast
from uuid import uuid4

from pyarrow import fs

from core import faults
from core.errors import DayloopError, UsageError

MISREAD = re.compile(r"[%\[\]]")  # by delta-rs: a URI's escape, and a panic
PROJECT = Path(__file__).parent.parent


def address() -> str:
    """The value of `DAYLOOP_HOME`; a folder is made absolute.

    Raises:
        UsageError: it is a folder that delta-rs would misread.
    """
    given = os.environ.get("DAYLOOP_HOME", "").rstrip("/") or ".dayloop"
    given = given.removeprefix("file://")
    if "://" in given:
        return given
    folder = str(Path(given).expanduser().absolute())
    if found := MISREAD.search(folder):
        raise UsageError(f"DAYLOOP_HOME: {folder} has a {found.group()} in it; use another folder")
    return folder


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
    file: BinaryIO = system.open_input_file(target)
    return file


def read_bytes(path: str) -> bytes:
    """The whole file at this path below home."""
    with open_read(path) as file:
        return file.read()


@contextmanager
def in_turn(path: str) -> Iterator[None]:
    """Has those who work at the same folder, on one machine, wait for each other.

    It saves them doing the same twice, and nothing else may rest on it: an object store knows
    no locks, and there nobody waits.
    """
    if not is_local():
        yield
        return
    folder = Path(store(path)[1])
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class Unnamed:
    """A file that is seen under its name once it is written; without a name it is dropped."""

    def __init__(self, file: BinaryIO) -> None:
        self.name = ""
        self.write = file.write


@contextmanager
def open_unnamed(folder: str) -> Iterator[Unnamed]:
    """Writes a file of a folder so that others see the whole of it or nothing.

    Locally it is written aside, synced and renamed. An object store shows an object once its
    upload is closed, also by an error half-way: so what goes there is gathered first.
    """
    system, target = store(folder)
    if not is_local():
        with tempfile.TemporaryFile(prefix="dayloop-") as gathered:
            remote_file = Unnamed(cast(BinaryIO, gathered))
            yield remote_file
            if remote_file.name:
                gathered.seek(0)
                final = f"{target}/{remote_file.name}"
                faults.reached(f"written aside {folder}/{remote_file.name}")
                with system.open_output_stream(final, compression=None) as remote:
                    shutil.copyfileobj(gathered, remote)
                faults.reached(f"written {folder}/{remote_file.name}")
        return
    Path(target).mkdir(parents=True, exist_ok=True)
    aside = Path(target, f".{uuid4().hex}")
    try:
        with aside.open("wb") as file:
            faults.reached(f"before writing to {folder}")
            local_file = Unnamed(file)
            yield local_file
            if local_file.name:
                file.flush()
                os.fsync(file.fileno())
        if local_file.name:
            faults.reached(f"written aside {folder}/{local_file.name}")
            aside.replace(Path(target, local_file.name))
            faults.reached(f"written {folder}/{local_file.name}")
    finally:
        aside.unlink(missing_ok=True)
    sync(Path(target))


@contextmanager
def open_write(path: str) -> Iterator[Unnamed]:
    """As `open_unnamed`, for a file whose name is known."""
    folder, _, name = path.rpartition("/")
    with open_unnamed(folder) as file:
        yield file
        file.name = name


def write_bytes(path: str, data: bytes) -> None:
    """Writes a whole file, atomically.

    Raises:
        DayloopError: the disk is full, or this may not be written.
    """
    try:
        with open_write(path) as file:
            file.write(data)
    except OSError as error:
        raise _unwritable(path, error) from error


def publish(folder: str, files: Mapping[str, bytes]) -> bool:
    """Puts a folder of files in its place whole; False where there is one already.

    Of two at once one wins, and the other's bytes are nowhere to be seen. An object store
    knows no folders: there the files are written in their order, over what there is.

    Raises:
        DayloopError: the disk is full, or this may not be written.
    """
    if not is_local():
        for name, data in files.items():
            write_bytes(f"{folder}/{name}", data)
        return True
    final = Path(store(folder)[1])
    aside = final.with_name(f".{final.name}.{uuid4().hex}")
    try:
        aside.mkdir(parents=True)
        faults.reached(f"before writing to {folder}")
        for name, data in files.items():
            (aside / name).write_bytes(data)
            sync(aside / name)
            faults.reached(f"written aside {folder}/{name}")
        sync(aside)
        done = _renamed(aside, final)
        faults.reached(f"published {folder}")
        return done
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _renamed(aside: Path, final: Path) -> bool:
    try:
        aside.rename(final)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    sync(final.parent)
    return True


def _unwritable(path: str, error: OSError) -> DayloopError:
    said = error.strerror or str(error)
    return DayloopError(f"{path} cannot be written: {said}; put that right and run it again")
