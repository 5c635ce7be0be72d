"""Which form a sample's numbers are in, and what stands among them for nothing."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from core.reader.converting import to_type, with_point, without

Form = tuple[str, str]  # what stands before the decimals, and between groups of three digits
PLAIN: Form = (".", "")
FORMS: tuple[Form, ...] = (PLAIN, (",", "."), (".", ","), (",", " "), (",", "\u00a0"), (".", "'"))
LIKE_ONE = "^[-+]?[0-9][-+0-9.,' \u00a0eE]*$"
MOST_TRIED = 10_000  # texts of a column, for the form of its numbers
CODE = r"^(-?0[0-9]|\+)"  # leading zeros are part of a code, not of a number
LONG = r"^-?[0-9]{16,}$"  # a float would change some of them
# What people and programs write for nothing; any other word may be a value.
MISSING = {
    "na", "n/a", "#n/a", "nan", "null", "(null)", "none", "nil", "\\n", "-", "--", "?", ".",
    "missing", "unknown", "0000-00-00", "0000-00-00 00:00:00",
}  # fmt: skip


def form(columns: Iterable[pa.Array]) -> Form:
    """The form by which most columns are numbers.

    The plain one where no other makes more of them, or two do that read them differently.
    """
    some = (texts[:: len(texts) // MOST_TRIED + 1] for texts in columns)
    known = [texts for each in some if _like_one(texts := without_missing(each))]
    read = {form: [of_form(texts, form) for texts in known] for form in FORMS}
    counts = {form: sum(found is not None for found in read[form]) for form in FORMS}
    best = [form for form in FORMS if counts[form] == max(counts.values())]
    alike = all(read[form] == read[best[0]] for form in best)
    return best[0] if alike else PLAIN


def _like_one(texts: pa.Array) -> bool:
    return pc.all(pc.match_substring_regex(texts, LIKE_ONE)).as_py() is True


def without_missing(texts: pa.Array) -> pa.Array:
    """The texts, null where they are a word for nothing."""
    words = pc.value_counts(texts).field(0).to_pylist()
    return without(texts, [word for word in words if word and word.lower() in MISSING])


def of_form(texts: pa.Array, form: Form) -> tuple[str, pa.Array] | None:
    """The texts as numbers or booleans, and which; None where not all are."""
    if pc.all(pc.is_in(pc.ascii_lower(texts), pa.array(["true", "false", None]))).as_py():
        return "bool", to_type(texts, "bool", None, "UTC")[0]
    if pc.any(pc.match_substring_regex(texts, CODE)).as_py():
        return None
    plain = with_point(texts, *form)
    for kind in ("int", "float"):
        values, codes = to_type(plain, kind, None, "UTC")
        exact = kind == "int" or not pc.any(pc.match_substring_regex(plain, LONG)).as_py()
        if codes is None and exact:
            return kind, values
    return None
