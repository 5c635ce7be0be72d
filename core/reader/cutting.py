"""Where records end: a line end within quotes ends none, and quotes may be malformed."""

import numpy as np
import numpy.typing as npt

from catalog.kinds import Source
from core.reader.refusing import refuse

Spans = tuple[tuple[int, int], ...]
Marks = npt.NDArray[np.int64]
NO_MARKS: Marks = np.zeros(0, np.int64)


def last_record(
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
    spans = sorted({*malformed, *stray_returns(data, marks)})
    return end, tuple(span for span in spans if final or span[1] < end)


def stray_returns(data: bytes, marks: Marks) -> Spans:
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
