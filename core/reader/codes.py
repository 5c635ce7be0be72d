"""Why a value was refused: one code a row, and the masks they are made of."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

RULES = (
    "",
    NOT_A_NUMBER := "not a number",
    NOT_AN_INTEGER := "not an integer",
    OUT_OF_RANGE := "out of range",
    NOT_FINITE := "not finite",
    NOT_A_BOOLEAN := "not a boolean",
    NOT_A_DATE := "not a date",
    AMBIGUOUS_DATE := "ambiguous date",
    NO_SUCH_LOCAL_TIME := "no such local time",
    LOCAL_TIME_TWICE := "local time that happens twice",
    TOO_PRECISE := "finer than a microsecond",
    NOT_TEXT := "not text",
    NUL_CHARACTER := "NUL character",
    FIELD_COUNT := "wrong number of fields",
    MALFORMED_QUOTES := "malformed quotes",
    STRAY_RETURN := "stray carriage return",
    NOT_JSON := "not a JSON object",
)
HEAD_ROWS = 1_000
CODES = {rule: code for code, rule in enumerate(RULES)}

Codes = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]
Converted = tuple[pa.Array, Codes | None]


def nul_codes(texts: pa.Array, codes: Codes | None = None) -> Codes | None:
    """Codes with the texts that have a NUL in them."""
    if np.frombuffer(texts.buffers()[2] or b"", np.uint8).min(initial=1):
        return codes
    return coded(pc.match_substring(texts, "\0"), NUL_CHARACTER, codes)


def coded(failed: Any, rule: str, codes: Codes | None = None) -> Codes | None:
    """Codes with the rule where the mask (pyarrow or numpy) is set; None stays for no failure."""
    mask = as_mask(failed)
    if not mask.any():
        return codes
    codes = np.zeros(len(mask), np.int8) if codes is None else codes
    codes[mask & (codes == 0)] = CODES[rule]
    return codes


def merged(codes: Codes | None, others: Codes | None) -> Codes | None:
    """Codes of failures that exclude each other, as one."""
    if codes is None or others is None:
        return others if codes is None else codes
    return np.maximum(codes, others)


def as_mask(mask: Any) -> Mask:
    """A boolean pyarrow array as numpy, null counting as False."""
    if isinstance(mask, np.ndarray):
        return mask
    return np.asarray(pc.fill_null(mask, False).to_numpy(zero_copy_only=False), np.bool_)


def only_where(mask: Mask, values: pa.Array) -> pa.Array:
    """The values, null where the mask is not set."""
    return pc.if_else(pa.array(mask), values, pa.scalar(None, values.type))


def trial_cast(texts: pa.Array, to: pa.DataType) -> pa.Array:
    """Casts, or raises ArrowInvalid: soon where bad texts are many, for each costs it a message."""
    texts[:HEAD_ROWS].cast(to)
    return texts.cast(to)
