"""Python as the formatter would lay it out, so that a file it has never seen is in its form."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 100
INDENT = 4


@dataclass(frozen=True)
class Call:
    """Something in brackets: `head`, the parts, `tail`.

    Attributes:
        literal: a list or dict: once it breaks, a line for each part.
        broken: breaks, though it may fit.
    """

    head: str
    parts: "Sequence[str | Call]"
    tail: str = ")"
    literal: bool = False
    broken: bool = False


def lay(part: str | Call, indent: int = 0, before: int = 0, after: int = 0) -> str:
    """The text of a part.

    Args:
        part: what to write.
        indent: of the line it begins on.
        before: how far into the line it begins.
        after: how many characters follow on its last line.
    """
    if isinstance(part, str):
        return part
    flat = part.head + ", ".join(lay(each) for each in part.parts) + part.tail
    if not _breaks(part) and before + len(flat) + after <= WIDTH:
        return flat
    inner = indent + INDENT
    line = ", ".join(lay(each) for each in part.parts)
    if not part.literal and not _breaks(part) and inner + len(line) <= WIDTH:
        return f"{part.head}\n{' ' * inner}{line}\n{' ' * indent}{part.tail}"
    lines = "".join(f"{' ' * inner}{lay(each, inner, inner, 1)},\n" for each in part.parts)
    alone = len(part.parts) == 1 and isinstance(part.parts[0], Call) and not part.literal
    if alone:
        lines = f"{' ' * inner}{lay(part.parts[0], inner, inner)}\n"
    return f"{part.head}\n{lines}{' ' * indent}{part.tail}"


def _breaks(part: str | Call) -> bool:
    return isinstance(part, Call) and (part.broken or any(map(_breaks, part.parts)))
