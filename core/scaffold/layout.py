"""Texts and calls as Python, as the formatter would leave them."""

from collections.abc import Mapping, Sequence
from json import dumps

WIDTH = 100
INDENT = 4


def fit(
    head: str, parts: Sequence[str], tail: str = ")", *, indent: int = 0, broken: bool = False
) -> str:
    """`head`, the parts and `tail` on one line where they fit, a comma after it; else a line each.

    Args:
        head: what opens the brackets, and what stands before it.
        parts: what stands in them.
        tail: what closes them, and what follows.
        indent: of the line.
        broken: a line each, though one would do.
    """
    flat = head + ", ".join(parts) + tail
    if not broken and "\n" not in flat and indent + len(flat) < WIDTH:
        return flat
    inner = " " * (indent + INDENT)
    return head + "\n" + "".join(f"{inner}{part},\n" for part in parts) + " " * indent + tail


def literal(head: str, value: str | tuple[str, ...] | Mapping[str, str], *, indent: int) -> str:
    """A text, or a tuple or dict of texts, behind `head`."""
    if isinstance(value, str):
        return head + quoted(value)
    if isinstance(value, tuple):
        return fit(head + "(", [*map(quoted, value)], ")" if value[1:] else ",)", indent=indent)
    parts = [f"{quoted(name)}: {quoted(text)}" for name, text in value.items()]
    return fit(head + "{", parts, "}", indent=indent)


def number(value: float) -> str:
    """A number: 5_000, 0.05."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return f"{int(value):_}"
    return repr(value)


def quoted(text: str) -> str:
    """A text, which may be anybody's, in the quotes that the formatter would take."""
    single = '"' in text and "'" not in text
    if text.isprintable():
        shown = text.replace("\\", r"\\") if single else dumps(text, ensure_ascii=False)[1:-1]
    else:
        shown = text.encode("unicode_escape").decode().replace('"', '"' if single else r"\"")
    return f"'{shown}'" if single else f'"{shown}"'
