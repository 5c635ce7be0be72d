"""Rows of Python values as JSON lines that the strict reader takes for what they are."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from json import JSONEncoder
from math import isfinite
from types import NoneType
from typing import Any

import pyarrow as pa

ZSTD = pa.Codec("zstd")


def packed(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """The rows, one JSON object a line, as a zstd frame; frames after each other are a file.

    Numbers keep their own digits. What JSON has no word for is text, and so are nested
    values and bytes (hex): the reader takes no object for a column's value.
    """
    keys = [f"{_text(name)}: " for name in names]
    lines = (
        ", ".join([key + _json(value) for key, value in zip(keys, row, strict=True)])
        for row in rows
    )
    # Half of a surrogate pair, which UTF-8 has not, comes out as JSON's own escape.
    data = "".join([f"{{{line}}}\n" for line in lines]).encode(errors="backslashreplace")
    frame: bytes = ZSTD.compress(data, asbytes=True)
    return frame


def _plain(value: Any) -> str:
    return value.hex() if isinstance(value, bytes | bytearray | memoryview) else str(value)


_text = JSONEncoder(ensure_ascii=False, default=_plain).encode
_WRITERS: dict[type, Callable[[Any], str]] = {
    NoneType: lambda _: "null",
    bool: lambda value: "true" if value else "false",
    int: str,
    str: _text,
    float: lambda value: repr(value) if isfinite(value) else _text(repr(value)),
    Decimal: lambda value: f"{value:f}" if value.is_finite() else _text(str(value)),
}


def _json(value: Any) -> str:
    return _WRITERS.get(type(value), _other)(value)


def _other(value: Any) -> str:
    nested = isinstance(value, dict | list | tuple)
    return _text(_text(value) if nested else _plain(value))
