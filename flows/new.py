"""New: a dataset's files from a sample of its data. Not a flow: it imports no Prefect."""

from core.scaffold import making
from core.scaffold.making import NewDataset


def new(
    name: str,
    sample: str,
    *,
    key: str = "",
    day: str = "",
    date_format: str = "",
    token: str = "",
) -> NewDataset:
    """Writes a dataset's declaration, its test and its stanzas from a sample.

    Args:
        name: of the dataset, and of its table.
        sample: a file (csv, tsv, txt or jsonl, plain, gz or zst; json; parquet), a pattern with
            `*`, `?` or `{day}` for the ISO date, or the http(s) address of JSON or CSV.
        key: columns that no two rows share, with commas between them.
        day: the column that says to which day a row belongs; the likeliest when left out.
        date_format: strptime format of dates that could be read in several ways.
        token: the environment variable with the API's token.
    """
    return making.new_dataset(
        name,
        sample,
        key=[column.strip() for column in key.split(",") if column.strip()],
        day=day,
        date_format=date_format,
        token=token,
    )
