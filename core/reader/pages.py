"""JSON pages of an API, each landed as it came, read as one stream of objects.

A landed file of pages is a JSON text sequence (RFC 7464): a record separator before each.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from catalog.kinds import Source
from core.reader import jsonl
from core.reader.parsed import Parsed
from core.reader.refusing import refuse

SEPARATOR = b"\x1e"
_SPACE = re.compile(r"[ \t\r\n]*")

Open = Callable[[], BinaryIO]


def json(
    source: Source,
    columns: Mapping[str, str],
    open_file: Open,
    name: str,
    nullable: Collection[str],
) -> Iterator[Parsed]:
    """The rows of all pages; arguments as of `reading.read`."""
    yield from jsonl.parse(source, columns, _as_lines(source, open_file, name), name, nullable)


def names(source: Source, open_file: Open, name: str) -> tuple[str, ...]:
    """The keys of the first rows."""
    return jsonl.names(source, _as_lines(source, open_file, name), name)


def _as_lines(source: Source, open_file: Open, name: str) -> Open:
    """Opens the rows of all pages as a line each; every character within a row is kept."""

    def opened() -> BinaryIO:
        lines = cast(BinaryIO, TemporaryFile(prefix="dayloop-"))  # noqa: SIM115
        for number, page in enumerate(_pages(open_file), 1):
            for row in _rows(page, source.records, f"page {number}", name):
                lines.write(row.translate({10: " ", 13: " "}).encode() + b"\n")
        lines.seek(0)
        return lines

    return opened


def _pages(open_file: Open) -> Iterator[bytes]:
    held = b""
    with open_file() as file:
        while block := file.read(1 << 20):
            *whole, held = (held + block).split(SEPARATOR)
            yield from (page for page in whole if page.strip())
    if held.strip():
        yield held


def _rows(page: bytes, records: str, where: str, name: str) -> Iterator[str]:
    try:
        text = page.decode("utf-8-sig")
        jsonl.DECODER.decode(text)
        at = _after_space(text, 0)
        for key in records.split(".") if records else ():
            at = _value(text, at, key)
    except (jsonl.NotJson, ValueError, RecursionError) as error:
        found = f"{where} is not JSON: {error}"
        raise refuse(name, found, "look at what the source answers") from None
    except LookupError:
        found = f"{where} has no '{records}'"
        raise refuse(name, found, "correct source.records, or what is sent") from None
    if text[at] != "[":
        found = f"{where} holds no list at '{records or 'its top'}'"
        raise refuse(name, found, "correct source.records, or what is sent")
    yield from _elements(text, at)


def _elements(text: str, at: int) -> Iterator[str]:
    """The text of each element of the list that begins there; the page is known to be JSON."""
    at = _after_space(text, at + 1)
    while text[at] != "]":
        _, end = jsonl.DECODER.raw_decode(text, at)
        yield text[at:end]
        at = _after_space(text, end)
        at = _after_space(text, at + 1) if text[at] == "," else at


def _value(text: str, at: int, key: str) -> int:
    """Where the value of a key begins in the object that begins there."""
    if text[at] != "{":
        raise LookupError
    at = _after_space(text, at + 1)
    while text[at] != "}":
        found, end = jsonl.DECODER.raw_decode(text, at)
        at = _after_space(text, _after_space(text, end) + 1)
        if found == key:
            return at
        _, end = jsonl.DECODER.raw_decode(text, at)
        at = _after_space(text, end)
        at = _after_space(text, at + 1) if text[at] == "," else at
    raise LookupError


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def value(page: bytes, path: str) -> object:
    """What stands in a page at keys with dots between them; None where nothing does.

    Raises:
        ValueError: the page is not JSON.
    """
    found: object = jsonl.DECODER.decode(page.decode("utf-8-sig"))
    keys: Sequence[str] = path.split(".") if path else ()
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found
