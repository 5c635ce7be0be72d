"""Where rows come from: files, HTTP APIs, databases, and whatever a team adds.

No secret stands in a declaration: a source names the environment variable, or the Prefect
Secret block, that holds it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from re import fullmatch, search
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from catalog.declaring import is_known, require, require_types

EXTENSION = r"\.(?:(?:csv|tsv|txt|jsonl)(?:\.gz|\.zst)?|parquet|json)\Z"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"


def extension(name: str) -> str:
    """How a file's name ends, as far as it says what is in it; empty where it does not."""
    found = search(EXTENSION, name)
    return found[0] if found else ""


def format_of(name: str) -> Literal["delimited", "jsonl", "parquet", "json"]:
    """What a file's name says is in it; `json` are the pages of an API."""
    kind = extension(name).split(".")[1]
    formats = {"jsonl": "jsonl", "parquet": "parquet", "json": "json"}
    return formats.get(kind, "delimited")  # type: ignore[return-value]


def compression_of(name: str) -> Literal["gzip", "zstd"] | None:
    """What a file's name says it is packed with."""
    if name.endswith(".gz"):
        return "gzip"
    return "zstd" if name.endswith(".zst") else None


@dataclass(frozen=True)
class Arrival:
    """One file's worth of what a source sent.

    Attributes:
        name: for people, without secrets; it ends in what the bytes are: .csv, .jsonl.gz …
        chunks: the bytes as they come; each is kept before anything looks at it.
        day: the day it is for; None where it holds, or may hold, several.
    """

    name: str
    chunks: Iterable[bytes]
    day: date | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """What every source says about the form of what it sends.

    Another kind of source is a subclass with one method, `pull`.

    Attributes:
        delimiter: the character between fields of delimited text.
        encoding: how text is encoded.
        date_formats: for each date column that is not ISO 8601, its strptime format.
        timezone: of times that name no offset; a date without a time is a day in UTC.
        decimal: what stands before the decimals of numbers in delimited text.
        thousands: what may stand between groups of three digits there; empty for nothing.
        na_values: words that stand for nothing there, in columns of any type but text.
        records: of JSON pages, where the list of rows stands in one: keys with dots between
            them; empty where the page is the list.
        max_bytes: what unpacks to more is refused.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    date_formats: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"
    decimal: str = field(default=".", repr=False)  # as `contract_hash` knows
    thousands: str = field(default="", repr=False)
    na_values: tuple[str, ...] = field(default=(), repr=False)
    records: str = ""
    max_bytes: int = 16 << 30

    def __post_init__(self) -> None:
        require_types(self, "source.")
        require(
            len(self.delimiter) == 1 and self.delimiter.isascii(),
            "source.delimiter",
            "must be one ASCII character",
        )
        require(
            self.delimiter not in '"\r\n\0', "source.delimiter", "must not be a quote or line end"
        )
        require(
            is_known("".encode, self.encoding), "source.encoding", f"no encoding '{self.encoding}'"
        )
        require(is_known(ZoneInfo, self.timezone), "source.timezone", f"no zone '{self.timezone}'")
        require(self.decimal in (".", ","), "source.decimal", "must be '.' or ','")
        require(
            self.thousands == "" or (len(self.thousands) == 1 and not self.thousands.isalnum()),
            "source.thousands",
            "must be one character that is no letter or digit, or empty",
        )
        require(self.thousands != self.decimal, "source.thousands", "must not be source.decimal")
        require(isinstance(self.na_values, tuple), "source.na_values", "must be a tuple of texts")
        require(self.max_bytes > 0, "source.max_bytes", "must be above 0")

    @property
    def daily(self) -> bool:
        """Whether what it sends is of one day each, and says which."""
        return False

    def pull(self, start: date, end: date, secret: Callable[[str], str]) -> Iterator[Arrival]:
        """What upstream has for the days from start up to, but not including, end.

        Days it has nothing for are left out. An OSError means that it may be had later.

        Args:
            start: the first day, UTC.
            end: the day after the last one.
            secret: looks up a secret by the name of its environment variable.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class File(Source):
    """Files that are landed byte for byte.

    A file's name says what it is: csv, tsv or txt (delimited text) or jsonl (one JSON object
    a line), each plain, gz or zst; parquet; or json, with a list of objects at `records`. In
    delimited text the first column may have no name in the header: it is called `unnamed`.

    Attributes:
        path: where it is, relative to the project, or on an object store (`s3://`, `gs://`,
            `abfs://`); `*` and `?` match several files, within one folder's name; `{day}`
            stands for the ISO date where upstream sends files of one day each.
    """

    path: str

    def __post_init__(self) -> None:
        super().__post_init__()
        require(bool(self.path), "source.path", "must not be empty")
        said = f"'{self.path}' is not csv, tsv, txt or jsonl (plain, gz or zst), json or parquet"
        require(bool(extension(self.path)), "source.path", said)

    @property
    def daily(self) -> bool:
        """Whether upstream sends files of one day each."""
        return "{day}" in self.path


@dataclass(frozen=True, kw_only=True)
class PageNumber:
    """Pages are asked for by number until one has no rows.

    Attributes:
        param: the query parameter.
        first: the number of the first page.
    """

    param: str = "page"
    first: int = 1


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Each page names the next one, the last one none (null, empty or absent).

    Attributes:
        param: the query parameter that takes the cursor.
        path: where in the page it stands: keys with dots between them.
    """

    param: str
    path: str


@dataclass(frozen=True)
class LinkHeader:
    """Each answer names the next page in its header `Link: <…>; rel="next"` (RFC 8288)."""


@dataclass(frozen=True, kw_only=True)
class Http(Source):
    """An HTTP API.

    `{day}` in the address or a parameter stands for the ISO date, and each day is asked for
    by itself; else `{start}` and `{end}` stand for the interval's first day and the day after
    its last.

    Attributes:
        url: the address, without secrets.
        params: query parameters.
        format: `json` (pages of objects), `jsonl` or `csv`.
        pages: how the next page is found; None where there is one.
        token: the environment variable, or Secret block, with the token; empty for none.
        header: that takes the token; `Authorization` as a bearer's.
        deadline_seconds: for all pages of an interval or day together, retries included.
        max_pages: an API that offers more for an interval or day is refused.
        end_marker: what the body ends with, for a server that says neither how long it is
            nor where it ends.
    """

    url: str
    params: Mapping[str, str] = field(default_factory=dict)
    format: Literal["json", "jsonl", "csv"] = "json"
    pages: PageNumber | Cursor | LinkHeader | None = None
    token: str = ""
    header: str = "Authorization"
    deadline_seconds: float = 600.0
    max_bytes: int = 1 << 30
    max_pages: int = 1_000
    end_marker: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            bool(fullmatch(r"https?://[^/\s@?#]+(/[^\s?#]*)?", self.url)),
            "source.url",
            "must be http(s)://host/path, without user, password, query or fragment",
        )
        has_port = is_known(lambda url: urlsplit(url).port, self.url)
        require(has_port, "source.url", "names a port that there is not")
        require(
            self.format in ("json", "jsonl", "csv"),
            "source.format",
            f"'{self.format}' is none of json, jsonl, csv",
        )
        require(
            self.format == "json" or not isinstance(self.pages, Cursor),
            "source.pages",
            "a cursor stands in JSON pages only",
        )
        _require_secret_name(self.token, "source.token")
        is_header = bool(fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", self.header))
        require(is_header, "source.header", "must be the name of a header")
        require(self.deadline_seconds > 0, "source.deadline_seconds", "must be above 0")
        require(self.max_pages >= 1, "source.max_pages", "must be 1 or more")

    @property
    def daily(self) -> bool:
        """Whether each day is asked for by itself."""
        return any("{day}" in text for text in (self.url, *self.params.values()))


@dataclass(frozen=True, kw_only=True)
class Sql(Source):
    """A query to a database, through SQLAlchemy.

    Attributes:
        database: the environment variable, or Secret block, with SQLAlchemy's URL; or the
            URL itself where it holds no secret: `sqlite:///shop.db`, relative to the project.
        query: a SELECT; `:start` and `:end` are the interval's first day and the day after
            its last.
    """

    database: str
    query: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.database.startswith("sqlite:///"):
            require(bool(self.database), "source.database", "must not be empty")
            _require_secret_name(self.database, "source.database")
        for name in (":start", ":end"):
            require(
                bool(search(rf"(?<!:){name}\b", self.query)), "source.query", f"must use {name}"
            )


def _require_secret_name(name: str, field_name: str) -> None:
    require(
        not name or bool(fullmatch(VARIABLE, name)),
        field_name,
        "must be the name of an environment variable, not the secret itself",
    )
