"""Rows as a parser hands them on, and rows as JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from json import dumps

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.reader.codes import Converted


@dataclass(frozen=True)
class Broken:
    """Rows that have no columns to speak of: wrong field count, malformed quotes, no JSON.

    Attributes:
        numbers: of the rows in the file, from 1, ascending.
        rules: why, a row each.
        texts: the rows as they stand in the file.
    """

    numbers: npt.NDArray[np.int64]
    rules: pa.Array
    texts: pa.Array


@dataclass(frozen=True)
class Parsed:
    """Some rows of a file, typed; what `reading` makes a block of.

    Attributes:
        numbers: of the rows in the file, from 1.
        columns: each declared column, typed, with its codes.
        texts: what stands in a column of the rows at these positions.
        raw: these rows as JSON.
        broken: the rows among them that could not be parsed at all.
    """

    numbers: npt.NDArray[np.int64]
    columns: dict[str, Converted]
    texts: Callable[[str, pa.Array], pa.Array]
    raw: Callable[[pa.Array], pa.Array]
    broken: Broken | None = None


def rows_as_json(columns: Mapping[str, pa.Array]) -> pa.Array:
    """Each row as a JSON object of texts, numbers, booleans and instants."""
    parts, before = [], "{"
    for name, values in columns.items():
        texts, quote = values.cast(pa.string()), ""
        if pa.types.is_string(values.type):
            texts, quote = _escaped(texts), '"'
        elif pa.types.is_timestamp(values.type):
            texts, quote = pc.replace_substring(texts, " ", "T"), '"'
        if values.null_count:
            texts = pc.binary_join_element_wise(quote, texts, quote, "")
            texts, quote = pc.fill_null(texts, "null"), ""
        parts += [f'{before}"{_escape(name)}":{quote}', texts]
        before = f"{quote},"
    return pc.binary_join_element_wise(*parts, before[:-1] + "}", "")


def _escaped(texts: pa.Array) -> pa.Array:
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    if ((data < 32) | (data == ord('"')) | (data == ord("\\"))).any():
        words = (word and _escape(word) for word in texts.to_pylist())
        return pa.array(words, pa.string())
    return texts


def _escape(text: str) -> str:
    return dumps(text, ensure_ascii=False)[1:-1]


def cut(texts: pa.Array, characters: int) -> pa.Array:
    """Texts cut to so many characters."""
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    return pc.utf8_slice_codeunits(texts, 0, characters) if longest > characters else texts
