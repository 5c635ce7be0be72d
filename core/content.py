"""A hash of what rows say, whatever their order or files: the data's own version."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]
NULL = np.uint64(0x9E3779B97F4A7C15)
WITHIN = np.array([2 ** (8 * size) - 1 for size in range(9)], np.uint64)  # masks of so many bytes
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
    numbers = days.cast(pa.int32()).to_numpy()
    if not len(numbers):
        return {}
    first = int(numbers.min())
    sums = np.zeros(int(numbers.max()) - first + 1, np.uint64)
    np.add.at(sums, numbers - first, hashes)
    return {
        first + day: int(sums[day]) for day in np.flatnonzero(np.bincount(numbers - first)).tolist()
    }


def _column(column: pa.ChunkedArray) -> Hashes:
    values = column.combine_chunks()
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        values = values.cast(pa.string())
    if pa.types.is_string(values.type):
        hashes = _texts(values)
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


def _texts(values: pa.Array) -> Hashes:
    """Eight bytes of every text at a time."""
    _, offsets, data = values.buffers()
    ends = np.frombuffer(offsets or bytes(4), np.int32)[values.offset :][: len(values) + 1]
    text = np.frombuffer(data or b"", np.uint8)[: ends[-1]]
    padded = np.append(text, np.zeros(8, np.uint8))
    words = np.ndarray(len(text) + 1, "<u8", padded, strides=(1,))  # one begins at every byte
    sizes = np.diff(ends)
    hashes = START + sizes.astype(np.uint64)
    if len(sizes) and (sizes == sizes[0]).all():  # codes often are: no rows to be picked out
        for done in range(0, int(sizes[0]), 8):
            word = words[ends[0] + done :: sizes[0]][: len(sizes)]
            hashes = _mix(hashes * np.uint64(31) + (word & WITHIN[min(sizes[0] - done, 8)]))
        return hashes
    at = np.flatnonzero(sizes)
    start, left = ends[at], sizes[at]
    while len(at):
        word = words[start] & WITHIN[np.minimum(left, 8)]
        hashes[at] = _mix(hashes[at] * np.uint64(31) + word)
        more = left > 8
        at, start, left = at[more], start[more] + 8, left[more] - 8
    return hashes


def _mix(value: Hashes) -> Hashes:
    # The finalizer of SplitMix64 (Steele, Lea and Flood, 2014), in two arrays' memory.
    value = value ^ (value >> np.uint64(30))
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= value >> np.uint64(27)
    value *= np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    return value
