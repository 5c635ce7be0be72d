"""A hash of what rows say, whatever their order or files: the data's own version."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]
NULL = np.uint64(0x9E3779B97F4A7C15)
START = np.uint64(0xD1B54A32D192ED03)  # from zero a row of zeros would hash to zero: never counted


def row_hashes(rows: pa.Table) -> Hashes:
    """One 64-bit hash a row over all columns; equal rows hash alike on every machine."""
    total = np.full(rows.num_rows, START)
    for column in rows.columns:
        total = _mix(total * np.uint64(31) + _mix(_column(column)))
    return total


def equal(some: pa.Table, others: pa.Table) -> bool:
    """Whether both hold the same rows, in whatever order."""
    if some.num_rows != others.num_rows:
        return False
    return bool(row_hashes(some).sum() == row_hashes(others).sum())


def sum_by_day(hashes: Hashes, days: pa.ChunkedArray) -> dict[int, int]:
    """Day (days since 1970) to the sum of its rows' hashes modulo 2**64."""
    numbers, position = np.unique(days.cast(pa.int32()).to_numpy(), return_inverse=True)
    sums = np.zeros(len(numbers), dtype=np.uint64)
    np.add.at(sums, position, hashes)
    return {int(day): int(value) for day, value in zip(numbers, sums, strict=True)}


def _column(column: pa.ChunkedArray) -> Hashes:
    values = column.combine_chunks()
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    if pa.types.is_string(values.type):
        encoded = values.dictionary_encode()
        words = np.array(encoded.dictionary.to_pylist(), dtype=object)
        of_word = pd.util.hash_array(words, categorize=False) if len(words) else np.zeros(1, "u8")
        hashes = of_word[encoded.indices.fill_null(0).to_numpy()]
    elif pa.types.is_floating(values.type):
        number = values.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
        number = np.where(np.isnan(number), np.nan, number + 0.0)  # -0.0 equals 0.0, one NaN
        hashes = number.view(np.uint64)
    else:
        whole = values.cast(pa.int32()) if pa.types.is_date32(values.type) else values
        number = whole.cast(pa.int64()).fill_null(0)
        hashes = number.to_numpy(zero_copy_only=False).view(np.uint64)
    if values.null_count:
        hashes = np.where(values.is_null().to_numpy(zero_copy_only=False), NULL, hashes)
    return np.asarray(hashes, dtype=np.uint64)


def _mix(value: Hashes) -> Hashes:
    # The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
