"""The raw bytes as they pass: unpacked, decoded, guarded, and cut where records end.

A parser that gets its text from here cannot be fooled by a torn archive, an error page, a
quote that never closes or a byte that is not text: those are refused on the way.
"""

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from catalog.kinds import Source, Sql
from catalog.sources import compression_of
from core.errors import SourceRefused
from core.reader.cutting import NO_MARKS, Spans, last_record, stray_returns
from core.reader.refusing import refuse

BLOCK_BYTES = 4 << 20
MAX_RATIO = 200
RATIO_FROM_BYTES = 64 << 20  # small files of one repeated value pack well and harm nobody

_LOOKS_LIKE = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "a zip archive or an Excel file"),
    (b"PAR1", "parquet"),
    (b"%PDF", "PDF"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
_UTF8 = ("utf-8", "utf-8-sig", "ascii")


@dataclass(frozen=True)
class Chunk:
    """Whole records, in UTF-8.

    Attributes:
        data: the records with their line ends; only the last of a file may lack one.
        line: the number in the file of its first line, from 1.
        malformed: (start, end) of each record whose quotes or line end cannot be understood.
        quoted: whether there are quotes in it.
    """

    data: bytes
    line: int
    malformed: Spans = ()
    quoted: bool = False


def chunks(
    source: Source, open_file: Callable[[], BinaryIO], name: str, *, quotes: bool
) -> Iterator[Chunk]:
    """The file's records in chunks of about BLOCK_BYTES.

    A last line without a line end comes with the lines before it, to be compared with them.

    Args:
        source: what was declared.
        open_file: opens the landed bytes.
        name: of the file, for messages.
        quotes: whether a line end may stand within quotes.

    Raises:
        SourceRefused: the bytes cannot be text of the declared kind.
    """
    held: Chunk | None = None
    for chunk in _chunks(source, open_file, name, quotes):
        if held and chunk.data.endswith((b"\n", b"\r")):
            yield held
        elif held:
            at = len(held.data)
            moved = tuple((at + start, at + end) for start, end in chunk.malformed)
            quoted = held.quoted or chunk.quoted
            chunk = Chunk(held.data + chunk.data, held.line, held.malformed + moved, quoted)
        held = chunk
    if held:
        yield held


def _chunks(
    source: Source, open_file: Callable[[], BinaryIO], name: str, quotes: bool
) -> Iterator[Chunk]:
    rest, line = b"", 1
    for block in _text(source, open_file, name):
        if line == 1 and not rest:
            block = block.removeprefix(codecs.BOM_UTF8)
        quoted = quotes and (b'"' in block or b'"' in rest)
        malformed: Spans = ()
        end = block.rfind(b"\n") + 1
        if quoted or not end:
            rest, block = b"", rest + block
            end, malformed = last_record(block, source, name, line, quoted, final=False)
        if end:
            data = b"".join((rest, memoryview(block)[:end]))
            if quotes and not quoted:
                malformed = stray_returns(data, NO_MARKS)
            yield Chunk(data, line, malformed, quoted)
            line, rest = line + _lines(data), block[end:]
        elif len(block) < 2 * BLOCK_BYTES:
            rest = block
        else:
            found = f"line {line} begins a record of more than {BLOCK_BYTES:,} bytes"
            raise refuse(name, found, "look for a quote never closed, or for other line ends")
    if rest:
        quoted = quotes and b'"' in rest
        _, malformed = last_record(rest, source, name, line, quoted, final=True)
        if quotes and not quoted:
            malformed = stray_returns(rest, NO_MARKS)
        yield Chunk(rest, line, malformed, quoted)


def _lines(data: bytes) -> int:
    array, step = np.frombuffer(data, np.uint8), 1 << 16  # in steps that stay in the cache
    return sum(
        int(np.count_nonzero(array[at : at + step] == 10)) for at in range(0, len(data), step)
    )


def _text(source: Source, open_file: Callable[[], BinaryIO], name: str) -> Iterator[bytes]:
    """The file unpacked and in UTF-8, checked byte for byte."""
    decoder = codecs.getincrementaldecoder(_codec(source))()
    done, plain = 0, codecs.lookup(source.encoding).name in _UTF8
    for block in _unpacked(source, open_file, name):
        if not done:
            _sniff(block, source, name)
        clean = plain and block.isascii() and not decoder.getstate()[0]
        try:
            text = "" if clean else decoder.decode(block)
        except UnicodeDecodeError as error:
            raise _undecodable(error, done + len(block) - len(error.object), source, name) from None
        done += len(block)
        yield block if clean else text.encode()
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _undecodable(error, done - len(error.object), source, name) from None


def _codec(source: Source) -> str:
    return "utf-8" if source.encoding.lower() in ("utf-8-sig", "utf_8_sig") else source.encoding


def _undecodable(error: UnicodeDecodeError, base: int, source: Source, name: str) -> SourceRefused:
    byte = error.object[error.start] if error.start < len(error.object) else 0
    return refuse(
        name,
        f"byte {base + error.start + 1:,} (0x{byte:02x}) is not {source.encoding}: {error.reason}",
        "declare source.encoding, or have the file sent again",
    )


def _sniff(head: bytes, source: Source, name: str) -> None:
    """Refuses what is plainly something else."""
    for magic, what in _LOOKS_LIKE:
        if head.startswith(magic) and not (what.startswith("UTF") and "16" in source.encoding):
            raise refuse(name, f"holds {what}, not text", "correct source.path or what is sent")
    if head.startswith(codecs.BOM_UTF8) and codecs.lookup(source.encoding).name not in _UTF8:
        raise refuse(name, f"begins as UTF-8, not {source.encoding}", "declare encoding='utf-8'")
    text = head[:256].replace(b"\0", b"").lstrip(codecs.BOM_UTF8 + b" \t\r\n")
    if text[:1] == b"<" and (text[1:2].isalpha() or text[1:2] in b"!?"):
        start = text[:40].split(b"\n")[0].decode("ascii", "replace").strip()
        raise refuse(name, f"begins with {start!r}: HTML or XML", "look at what the source answers")


def _unpacked(source: Source, open_file: Callable[[], BinaryIO], name: str) -> Iterator[bytes]:
    """Blocks of the file, unpacked; never more than declared."""
    total = 0
    with open_file() as raw:
        stream = raw
        if compression_of(name):
            stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), compression_of(name))
        while block := _read(stream, source, name, total):
            total += len(block)
            _guard(total, raw, source, name)
            yield block


def _read(stream: BinaryIO, source: Source, name: str, total: int) -> bytes:
    try:
        return stream.read(BLOCK_BYTES)
    except OSError as error:
        if error.errno is not None or not compression_of(name):
            raise  # the disk or the network, not the file
        raise refuse(
            name,
            f"is cut off or not {compression_of(name)}: {error} after {total:,} unpacked bytes",
            "have it sent again",
        ) from None


def _guard(total: int, raw: BinaryIO, source: Source, name: str) -> None:
    if total > source.max_bytes:
        raise refuse(
            name, f"unpacks to more than {source.max_bytes:,} bytes", "raise source.max_bytes"
        )
    foreign = compression_of(name) and not isinstance(source, Sql)  # whose rows we packed
    if foreign and total > RATIO_FROM_BYTES and total > MAX_RATIO * raw.tell():
        raise refuse(
            name,
            f"unpacks to more than {MAX_RATIO} times its size (at {total:,} bytes)",
            "if that is meant, have it sent with less compression",
        )
