"""Top categories: the values that make up a good part of a day's rows."""

import pyarrow as pa
import pyarrow.compute as pc

from core.series import LEAST_SHARE, SHARE_OF

FEWEST_ROWS = 5  # a value of fewer is no category, and may be a person
LONGEST = 60  # characters that are kept of a value


def shares(values: pa.Array) -> dict[str, float]:
    """The share of each frequent value of a day's column among its values, nulls left out.

    Frequent is one in twenty and at least five rows, so there are at most twenty. Of a value
    that is not named is known that it had less.

    Returns:
        By metric: `share of <value>`.
    """
    values = values.drop_null()
    counted = values.value_counts()
    least = max(LEAST_SHARE * len(values), FEWEST_ROWS)
    frequent = counted.filter(pc.greater_equal(counted.field("counts"), least)).to_pylist()
    frequent.sort(key=lambda each: each["counts"])  # of two that are cut to one, the larger stays
    return {
        SHARE_OF + str(each["values"])[:LONGEST]: each["counts"] / len(values) for each in frequent
    }
