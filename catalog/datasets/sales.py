"""CDNOW purchases, January 1997 to June 1998: the sample that `make run` uses.

Oddities of the source, seen 2026-11-22:
- 80 purchases of 0.00 are real (free discs), so an amount of zero is not an error.
- 255 rows equal another one: two equal orders on one day. There is no key.
- New customers stop in March 1997: the daily rows fall from about 400 to about 70.
- Customer numbers have leading zeros; they are text.
"""

from pandera.pandas import Check, Column, DataFrameSchema

from catalog.kinds import Dataset, File

schema = DataFrameSchema(
    {
        "customer_id": Column(str, Check.str_matches(r"^\d{5}$")),
        "date": Column("datetime64[us, UTC]"),
        "cds": Column(int, Check.in_range(1, 200)),
        "amount": Column(float, Check.in_range(0, 5_000)),
    },
    checks=Check(lambda rows: rows["amount"] <= 500 * rows["cds"], name="price_of_a_disc"),
)

dataset = Dataset(
    name="sales",
    owner="shop@example.com",
    description="CDNOW purchases: customer, day, number of discs, dollars",
    source=File(path="data/cdnow.csv.gz"),
    schema=schema,
    day="date",
    max_bad_share=0.05,  # a quiet day has 44 rows: two bad ones are let through, not more
    min_rows=20,
)
