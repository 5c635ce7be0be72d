"""The raw bytes as they pass: unpacked, decoded, guarded, and cut where records end.

A parser that gets its text from here cannot be fooled by a torn archive, an error page, a
quote that never closes or a byte that is not text: those are refused on the way.
"""

import codecs
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO
from unicodedata import category

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.kinds import Source, Sql
from catalog.sources import compression_of
from core.errors import SourceRefused

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


Spans = tuple[tuple[int, int], ...]
Marks = npt.NDArray[np.int64]
NO_MARKS: Marks = np.zeros(0, np.int64)


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


def refuse(name: str, found: str, advice: str) -> SourceRefused:
    """The one line every refusal of a file is."""
    return SourceRefused(f"{name}: {found}; {advice}")


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
            end, malformed = _cut(block, source, name, line, quoted, final=False)
        if end:
            data = b"".join((rest, memoryview(block)[:end]))
            if quotes and not quoted:
                malformed = _stray_returns(data, NO_MARKS)
            yield Chunk(data, line, malformed, quoted)
            line, rest = line + _lines(data), block[end:]
        elif len(block) < 2 * BLOCK_BYTES:
            rest = block
        else:
            found = f"line {line} begins a record of more than {BLOCK_BYTES:,} bytes"
            raise refuse(name, found, "look for a quote never closed, or for other line ends")
    if rest:
        quoted = quotes and b'"' in rest
        _, malformed = _cut(rest, source, name, line, quoted, final=True)
        if quotes and not quoted:
            malformed = _stray_returns(rest, NO_MARKS)
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


def _cut(
    data: bytes, source: Source, name: str, line: int, quoted: bool, *, final: bool
) -> tuple[int, Spans]:
    """Where the last whole record ends (0: nowhere), and the records with malformed quotes."""
    if not quoted:
        return _last_line_end(data), ()
    array = np.frombuffer(data, np.uint8)
    marks = np.flatnonzero(array == ord('"'))
    malformed: list[tuple[int, int]] = []
    if not _well_formed(array, marks, ord(source.delimiter)) or (final and len(marks) % 2):
        marks, malformed = _walk(data, marks, source.delimiter.encode(), name, line, final)
    end = _last_end_outside(array, marks) or (0 if len(marks) else _last_line_end(data))
    spans = sorted({*malformed, *_stray_returns(data, marks)})
    return end, tuple(span for span in spans if final or span[1] < end)


def _stray_returns(data: bytes, marks: Marks) -> Spans:
    """The records with a carriage return that ends no line, though others end in line feeds.

    Half of the readers would begin a row there, and the others would not.
    """
    if b"\r" not in data or b"\n" not in data:
        return ()
    array = np.frombuffer(data, np.uint8)
    found = np.flatnonzero(array == ord("\r"))
    found = found[array[np.minimum(found + 1, len(array) - 1)] != ord("\n")]
    found = found[np.searchsorted(marks, found) % 2 == 0]
    if not len(found):
        return ()
    ends = np.flatnonzero(array == ord("\n"))
    ends = np.append(ends[np.searchsorted(marks, ends) % 2 == 0], len(data))
    at = np.unique(np.searchsorted(ends, found))
    starts = np.where(at > 0, ends[at - 1] + 1, 0)
    return tuple(zip(starts.tolist(), ends[at].tolist(), strict=True))


def _last_end_outside(array: npt.NDArray[np.uint8], marks: Marks) -> int:
    """After the last line end that is not within quotes; looks from the back."""
    step = 1 << 16
    for at in range((len(array) - 1) // step * step, -1, -step):
        ends = np.flatnonzero(array[at : at + step] == ord("\n")) + at
        outside = ends[np.searchsorted(marks, ends) % 2 == 0]
        if len(outside):
            return int(outside[-1]) + 1
    return 0


def _last_line_end(data: bytes) -> int:
    """After the last line end; of files with bare carriage returns only, after one of those."""
    return data.rfind(b"\n") + 1 or data.rfind(b"\r", 0, -1) + 1


def _well_formed(array: npt.NDArray[np.uint8], marks: Marks, delimiter: int) -> bool:
    """Whether every quote opens or closes a field, or is one of a doubled pair.

    By turns they must open and close; then their count alone says what is within quotes.
    """
    edges = np.zeros(256, np.bool_)
    edges[[delimiter, 10, 13]] = True
    step = 1 << 14  # even, and small enough to stay in the cache
    for at in range(0, len(marks), step):
        opens, closes = marks[at : at + step : 2], marks[at + 1 : at + step : 2]
        doubled = closes + 1 == np.append(marks[at + 2 : at + step + 2 : 2], -1)[: len(closes)]
        after = np.minimum(closes + 1, len(array) - 1)
        if not (edges[array[after]] | doubled | (after == closes)).all():
            return False
        doubled = opens == np.append(marks[max(at - 1, 0)], closes)[: len(opens)] + 1
        before = edges[array[opens - 1]] | (opens == 0)  # -1 is the last byte, but only for 0
        if not (before | doubled).all():
            return False
    return True


def _walk(
    data: bytes, marks: Marks, delimiter: bytes, name: str, line: int, final: bool
) -> tuple[Marks, list[tuple[int, int]]]:
    """The quotes that open or close a field, and the lines where that cannot be told.

    A quote within an unquoted field is text. A closing quote that more text follows spoils
    its record where that is one line; over several lines, a quote was never closed.
    """
    places = marks.tolist()
    kept: list[int] = []
    spoiled: list[tuple[int, int]] = []
    index = 0
    while index < len(places):
        start = places[index]
        if start and data[start - 1 : start] not in (delimiter, b"\n", b"\r"):
            index += 1
            continue
        close = index + 1
        while close + 1 < len(places) and places[close + 1] == places[close] + 1:
            close += 2
        stop = places[close] if close < len(places) else len(data)
        if stop + 1 >= len(data) and not final:
            return np.array([*kept, start]), spoiled
        if stop < len(data) and data[stop + 1 : stop + 2] in (delimiter, b"\n", b"\r", b""):
            kept += [start, stop]
            index = close + 1
            continue
        span = _one_line(data, start, stop, kept)
        if span is None:
            at = line + data.count(b"\n", 0, start)
            raise refuse(
                name, f"the quote opened on line {at} is never closed", "have the file sent again"
            )
        spoiled.append(span)
        while index < len(places) and places[index] < span[1]:
            index += 1
    return np.array(kept, np.int64), spoiled


def _one_line(data: bytes, start: int, stop: int, kept: list[int]) -> tuple[int, int] | None:
    """The line both quotes are on; None if they are not, or a field began on an earlier one."""
    begin = data.rfind(b"\n", 0, start) + 1
    if stop >= len(data) or b"\n" in data[start:stop] or (kept and kept[-2] < begin <= kept[-1]):
        return None
    end = data.find(b"\n", stop)
    return begin, end if end >= 0 else len(data)


def check_names(names: Sequence[str], name: str) -> None:
    """Refuses column names that are missing, invisible or given twice."""
    for position, column in enumerate(names, 1):
        if not column.strip() or any(category(mark) == "Cf" or mark == "\0" for mark in column):
            raise refuse(
                name,
                f"column {position} of the header has no name or invisible marks in it: {column!r}",
                "correct the header",
            )
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise refuse(name, f"the header names {listed(twice)} twice", "correct the header")


def check_columns(
    names: Collection[str], columns: Iterable[str], nullable: Collection[str], name: str
) -> None:
    """Refuses a file without a declared column."""
    missing = [column for column in columns if column not in names and column not in nullable]
    if missing:
        raise refuse(
            name,
            f"no column {listed(missing)}: expected {listed(columns)}, found {listed(names)}",
            "correct the header or the schema",
        )


def listed(names: Iterable[str]) -> str:
    """Names for a message, cut to a readable length."""
    text = ", ".join(repr(column)[:60] for column in names)
    return text if len(text) <= 400 else f"{text[:400]} and more"
