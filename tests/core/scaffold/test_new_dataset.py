"""What the scaffold makes of tables, most of them awkward: each loads by what was written."""

import gzip
import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from catalog.kinds import Dataset, DeclarationError
from core import home as places
from core.errors import SourceRefused, UsageError
from core.load import loading
from core.load.recording import Loaded
from core.scaffold.making import ColumnSeen, NewDataset, new_dataset
from core.sources import landing
from tests.conftest import ROOT
from tests.core.alerting.local_receiver import serve
from tests.core.sources.api_server import say

TODAY = date(2026, 2, 1)
DAYS = [date(2026, 1, 1) + timedelta(days=number) for number in range(40)]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """A project with nothing in it but the deployments."""
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(ROOT / "prefect.yaml", root)
    shutil.copy(ROOT / "pyproject.toml", root)
    monkeypatch.setattr(places, "PROJECT", root)
    monkeypatch.chdir(root)
    return root


def csv(root: Path, text: str, name: str = "orders.csv", encoding: str = "utf-8") -> str:
    (root / name).write_bytes(text.encode(encoding))
    return name


def table(header: str, row: str, days: list[date] = DAYS, each: int = 1) -> str:
    """Rows for each of the days; `{n}` counts them."""
    rows = [row.format(day=day, n=n) for n, day in enumerate(d for d in days for _ in range(each))]
    return "\n".join([header, *rows, ""])


def declared(name: str = "orders") -> Dataset:
    """What was written, by its file."""
    spec = spec_from_file_location(f"made_{name}", f"catalog/datasets/{name}.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.dataset


def written(name: str = "orders") -> str:
    return Path(f"catalog/datasets/{name}.py").read_text()


def loaded(made: NewDataset) -> Loaded:
    """The load of the sample's days by what was written, unedited."""
    dataset = declared(made.name)
    found = loading.load(dataset, made.interval, landing.land(dataset, made.interval))
    assert found.refused == ()
    return found


def of(made: NewDataset, column: str) -> ColumnSeen:
    return next(each for each in made.columns if each.name == column)


def new(where: str, **options: Any) -> NewDataset:
    made = new_dataset("orders", where, today=TODAY, **options)
    assert loaded(made).rows_good == made.rows - sum(made.bad.values())
    return made


def test_digits_with_leading_zeros_are_text_and_hold_their_form(root: Path):
    made = new(csv(root, table("id,day", "{n:05},{day}")))

    assert of(made, "id").kind == "string"
    assert of(made, "id").oddities == ("digits with leading zeros, so text",)
    assert r'"id": Column(str, Check.str_matches(r"^\d{5}$"))' in written()


def test_words_for_nothing_among_numbers_and_dates_are_declared_and_said(root: Path):
    text = table("day,amount,paid,shop", "{day},{n}.5,{day},s{n}")
    text = text.replace(",7.5,2026-01-08", ",NA,0000-00-00").replace(",s9", ",NA")
    made = new(csv(root, text), day="day")

    assert declared().source.na_values == ("NA", "0000-00-00")
    assert (of(made, "amount").kind, of(made, "amount").nulls) == ("float", 1)
    assert of(made, "amount").oddities == ("'NA' in 1 row, taken for nothing",)
    assert (of(made, "paid").kind, of(made, "shop").nulls) == ("datetime", 0)
    assert "NA" in loading.lake.read("orders")["shop"].to_pylist()


def test_other_words_among_numbers_make_them_text(root: Path):
    made = new(csv(root, table("day,amount", "{day},{n}.5").replace(",7.5", ",<5")))

    assert of(made, "amount").kind == "string"
    assert of(made, "amount").oddities == ("numbers but for '<5' in 1 row, so text",)


def test_integers_beyond_two_to_the_53_survive_and_longer_ones_are_text(root: Path):
    made = new(
        csv(root, table("day,big,huge", "{day},90071992547409{n:02},123456789012345678901{n}"))
    )

    assert (of(made, "big").kind, of(made, "huge").kind) == ("int", "string")
    assert of(made, "big").seen.startswith("9,007,199,254,740,9")
    rows = loading.lake.read("orders")
    assert sorted(rows["big"].to_pylist())[0] == 9007199254740900
    assert rows["huge"].to_pylist()[0].startswith("123456789012345678901")


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["13/01/2026", "01/02/2026"], "%d/%m/%Y"),
        (["01/13/2026", "02/01/2026"], "%m/%d/%Y"),
        (["13.01.26 07:30", "01.02.26 23:59"], "%d.%m.%y %H:%M"),
        (["Jan 13 2026", "Feb 1 2026"], "%b %d %Y"),
        (["13.01.2026", "01.02.2026"], "%d.%m.%Y"),
        (["2026-Jan", "2026-Feb"], "%Y-%b"),
        (["20260113", "20260201"], "%Y%m%d"),
    ],
)
def test_a_date_format_that_alone_fits_is_declared(root: Path, texts: list[str], form: str):
    new(csv(root, "\n".join(["day,n", *(f"{text},1" for text in texts), ""])))

    assert declared().source.date_formats == {"day": form}


def test_a_date_that_is_day_first_or_month_first_is_said_and_not_guessed(root: Path):
    where = csv(root, "day,n\n01/02/2026,1\n03/04/2026,2\n")
    with pytest.raises(UsageError, match="read as %d/%m/%Y or %m/%d/%Y, so text until"):
        new_dataset("orders", where, today=TODAY)
    assert not Path("catalog").exists()

    made = new(where, date_format="%d/%m/%Y")

    assert (made.interval.start, made.interval.end) == (date(2026, 2, 1), date(2026, 4, 4))


def test_an_ambiguous_date_beside_a_plain_one_is_text(root: Path):
    made = new(csv(root, "day,shipped\n2026-01-01,01/02/2026\n2026-01-02,03/04/2026\n"))

    assert of(made, "shipped").kind == "string"
    assert "%d/%m/%Y or %m/%d/%Y" in of(made, "shipped").oddities[0]


@pytest.mark.parametrize(
    ("row", "decimal", "thousands"),
    [
        ('{day};{n},50;"1.234,{n:02}"', ",", "."),
        ("{day};{n};1 234,{n:02}", ",", " "),
        ('{day};{n}.5;"1,234.{n:02}"', ".", ","),
        ("{day};{n}.5;1'234", ".", "'"),
    ],
)
def test_the_form_of_numbers_is_declared(root: Path, row: str, decimal: str, thousands: str):
    made = new(csv(root, table("day;amount;total", row)))

    source = declared().source
    assert (source.delimiter, source.decimal, source.thousands) == (";", decimal, thousands)
    assert of(made, "total").kind in ("int", "float")
    assert {int(total) for total in loading.lake.read("orders")["total"].to_pylist()} == {1234}


def test_numbers_that_two_forms_read_differently_are_text_and_said(root: Path):
    made = new(csv(root, table("day;amount", "{day};{n},123")))

    assert of(made, "amount").kind == "string"
    assert "with a decimal comma or between thousands" in of(made, "amount").oddities[0]


def test_tabs_and_bars_are_recognised(root: Path):
    for mark, name in (("\t", "a.tsv"), ("|", "a.txt")):
        new(csv(root, table("day,n", "{day},{n}").replace(",", mark), name))
        assert declared().source.delimiter == mark
        for file in ("catalog/datasets/orders.py", "tests/catalog/datasets/test_dataset_orders.py"):
            Path(file).unlink()


def test_text_that_is_not_utf8_is_read_as_cp1252_and_said(root: Path):
    made = new(csv(root, table("day,city", "{day},Zürich"), encoding="cp1252"))

    assert declared().source.encoding == "cp1252"
    assert any("not UTF-8" in note for note in made.notes)


def test_nulls_make_a_column_nullable_and_whole_numbers_stay_whole(root: Path):
    text = table("day,n,note,empty", "{day},{n},x,").replace(",5,x,", ",,,")
    made = new(csv(root, text))

    assert (of(made, "n").kind, of(made, "n").nulls) == ("int", 1)
    assert '"n": Column(pd.Int64Dtype(), Check.in_range(0, 500), nullable=True)' in written()
    assert of(made, "empty").oddities == ("empty in all rows, so its type is a guess",)


def test_a_constant_is_said_and_is_no_rule(root: Path):
    made = new(csv(root, table("day,country", "{day},CH")))

    assert of(made, "country").oddities == ()
    assert of(made, "country").seen == "always 'CH'"
    assert '"country": Column(str),' in written()
    assert "- `country`: always 'CH'." in written()


def test_a_set_of_values_that_all_came_early_is_closed(root: Path):
    states = ["open", "paid", "sent"]
    rows = [
        f"{day},{states[n % 3]},{n % 3 + 1},{'new' if n > 35 else 'old'}"
        for n, day in enumerate(DAYS)
    ]
    new(csv(root, "\n".join(["day,state,stars,plan", *rows, ""])))

    assert 'Check.isin(["open", "paid", "sent"])' in written()
    assert '"stars": Column(int, Check.in_range(1, 3))' in written()
    assert '"plan": Column(str),' in written()  # "new" came late: there may be others


def test_ranges_leave_room_and_keep_the_sign(root: Path):
    new(csv(root, table("day,amount,change", "{day},{n}.25,-{n}")))

    assert '"amount": Column(float, Check.in_range(0, 500))' in written()
    assert '"change": Column(int, Check.in_range(-500, 500))' in written()


def test_no_column_of_dates_is_one_line_that_says_what_to_do(root: Path):
    with pytest.raises(UsageError, match="has no column of dates, and a table is loaded by day"):
        new_dataset("orders", csv(root, "id,amount\n1,2\n"), today=TODAY)


def test_text_that_is_cut_by_spaces_is_said(root: Path):
    with pytest.raises(UsageError, match="has one column, 'day n'; is it cut by something else"):
        new_dataset("orders", csv(root, "day n\n2026-01-01 5\n"))


def test_years_are_dates_where_a_person_says_so(root: Path):
    made = new(csv(root, "year,n\n2024,1\n2025,2\n2026,3\n"), day="year")

    assert declared().source.date_formats == {"year": "%Y"}
    assert (made.interval.start, declared().min_rows) == (date(2024, 1, 1), 0)


def test_a_date_that_stands_for_none_is_said(root: Path):
    where = csv(root, table("day,until", "{day},9999-12-31"))
    assert new(where).day == "day"
    with pytest.raises(UsageError, match="'day' goes from 0001-01-01 to 2026-02-09: one of them"):
        new_dataset("again", csv(root, table("day,n", "{day},1") + "0001-01-01,1\n"))


def test_a_file_of_misformed_rows_is_refused_and_nothing_is_written(root: Path):
    text = table("day,n", "{day},1") + "2026-01-01,1,2,3\n" * 60
    with pytest.raises(SourceRefused, match="60 of 100 rows are misformed"):
        new_dataset("orders", csv(root, text))
    assert not Path("catalog").exists()


def test_some_misformed_rows_are_counted(root: Path):
    made = new(csv(root, table("day,n", "{day},1", each=20) + "2026-02-09,1,2,3\n"))

    assert made.bad == {"wrong number of fields": 1}
    assert declared().max_bad_share == 0.05


def test_dates_with_a_zone_are_instants_and_those_without_are_said(root: Path):
    made = new(csv(root, table("at,seen", "{day}T23:30:00-05:00,{day} 10:00:00")), day="at")

    assert made.interval.start == date(2026, 1, 2)
    assert of(made, "at").oddities == ()
    assert "name no offset" in of(made, "seen").oddities[0]
    assert made.other_days == ("seen",)


def test_the_likeliest_day_is_the_one_without_gaps_that_is_no_later_event(root: Path):
    text = table("updated_at,ordered_at,paid_at", "{day},{day},{day}")
    made = new(
        csv(root, text.replace("2026-01-05,2026-01-05,2026-01-05", "2026-01-05,2026-01-05,"))
    )

    assert (made.day, made.other_days) == ("ordered_at", ("updated_at", "paid_at"))


def test_rows_without_their_day_are_put_aside_and_tolerated_as_the_sample_has_them(root: Path):
    text = table("day,n", "{day},{n}", each=10).replace("2026-01-05,44", ",44")
    made = new(csv(root, text), day="day")

    assert made.bad == {"day not_nullable": 1}
    assert declared().max_bad_share == 0.1
    assert "# the sample's worst day has 10.0%" in written()


def test_a_key_is_a_rule_and_its_repeats_are_counted(root: Path):
    where = csv(root, table("day,id", "{day},{n}", each=10).replace(",399", ",398"))
    made = new(where, key=["id"])

    assert declared().key == ("id",)
    assert made.bad == {"key": 1}


def test_a_key_that_cannot_be_one_is_said(root: Path):
    where = csv(root, "day,id\n2026-01-01,\n2026-01-02,5\n")
    with pytest.raises(UsageError, match="'id' is empty in some rows, so it is no key"):
        new_dataset("orders", where, key=["id"])
    with pytest.raises(UsageError, match="no column 'nr'; there is day, id"):
        new_dataset("orders", where, key=["nr"])


def test_a_column_that_no_two_rows_share_is_offered_as_the_key(root: Path):
    assert new(csv(root, table("day,order_id", "{day},{n}"))).unique == ("order_id",)


def test_sixty_columns_are_sixty_lines(root: Path):
    names = [f"measure_{number}" for number in range(60)]
    header = ",".join(["day", *names])
    new(csv(root, table(header, ",".join(["{day}", *["{n}.5"] * 60]))))

    assert len(declared().columns) == 61
    assert len(written().splitlines()) < 90


def test_an_empty_file_and_one_without_rows_are_one_line(root: Path):
    with pytest.raises(SourceRefused, match="is empty, there is not even a header"):
        new_dataset("orders", csv(root, ""))
    with pytest.raises(UsageError, match="has no rows; take a sample that has some"):
        new_dataset("orders", csv(root, "day,n\n"))
    with pytest.raises(UsageError, match="no file nowhere.csv; look at the path or address"):
        new_dataset("orders", "nowhere.csv")
    with pytest.raises(UsageError, match="no name of the header has a letter"):
        new_dataset("orders", csv(root, "2026-01-01,5\n2026-01-02,6\n"))
    with pytest.raises(SourceRefused, match="column 2 of the header has no name"):
        new_dataset("orders", csv(root, "2026-01-01,\n2026-01-02,6\n"))
    assert not Path("catalog").exists()


def test_daily_files_and_patterns_are_declared_as_they_are(root: Path):
    for day in DAYS[:3]:
        csv(root, f"at,n\n{day}T10:00:00Z,1\n", f"orders_{day}.csv")

    made = new("orders_{day}.csv")

    assert 'path="orders_{day}.csv"' in written()
    assert (made.rows, made.interval.start) == (3, DAYS[0])


def test_folders_may_be_of_a_day_and_other_names_are_left_alone(root: Path):
    for folder in ("2026-01-01", "2026-01-02", "2026-13-99"):
        (root / "in" / folder).mkdir(parents=True)
        csv(root, f"at,n\n{folder}T10:00:00Z,1\n", f"in/{folder}/o_1.csv")

    assert new("in/{day}/o_*.csv").rows == 2
    with pytest.raises(UsageError, match="there is no file out/{day}.csv; {day} stands for an ISO"):
        new_dataset("others", "out/{day}.csv")


def test_a_column_that_some_file_lacks_may_be_missing(root: Path):
    csv(root, "day,n\n2026-01-01,1\n", "a_1.csv")
    csv(root, "day,n,extra\n2026-01-02,1,x\n", "a_2.csv")

    new("a_*.csv")

    assert '"extra": Column(str, nullable=True, required=False)' in written()


def test_jsonl_has_types_and_what_has_several_is_left_out(root: Path):
    rows = [
        {"at": f"{day}T10:00:00Z", "n": n, "share": n / 7, "zip": "04109", "new": n > 3,
         "lines": [n], "mixed": n if n % 2 else "x"}
        for n, day in enumerate(DAYS)
    ]  # fmt: skip
    (root / "o.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))

    made = new("o.jsonl.gz")

    kinds = {each.name: each.kind for each in made.columns}
    assert kinds == {"at": "datetime", "n": "int", "share": "float", "zip": "string",
                     "new": "bool", "lines": "", "mixed": ""}  # fmt: skip
    assert list(declared().columns) == ["at", "n", "share", "zip", "new"]


def test_parquet_has_its_types(root: Path):
    at = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=n) for n in range(30)]
    empty = pa.nulls(30, pa.int32())
    columns = {
        "at": at,
        "n": list(range(30)),
        "name": ["x"] * 30,
        "no": empty,
        "tags": [["a"]] * 30,
    }
    pq.write_table(pa.table(columns), root / "o.parquet")

    made = new("o.parquet")

    kinds = {each.name: each.kind for each in made.columns}
    assert kinds == {"at": "datetime", "n": "int", "name": "string", "tags": "", "no": "int"}
    assert of(made, "tags").oddities == ("list<element: string>: left out",)


def test_a_file_of_json_is_read_where_its_list_of_rows_stands(root: Path):
    rows = [{"at": str(day), "n": n} for n, day in enumerate(DAYS)]
    (root / "o.json").write_text(json.dumps({"data": {"orders": rows}}))

    assert new("o.json").rows == 40
    assert declared().source.records == "data.orders"
    (root / "lines.json").write_text('{"at": "2026-01-01"}\n{"at": "2026-01-02"}\n')
    with pytest.raises(SourceRefused, match="an object a line, have it called .jsonl"):
        new_dataset("others", "lines.json")


@pytest.mark.parametrize("index", ["{n}", ""])
def test_the_row_numbers_of_an_export_are_left_out(root: Path, index: str):
    made = new(csv(root, table(",day,n", f"{index},{{day}},1")))

    assert of(made, "unnamed").oddities == ("row numbers, or empty: left out",)
    assert list(declared().columns) == ["day", "n"]


def test_an_index_without_a_name_may_be_the_day(root: Path):
    assert new(csv(root, table(",n", "{day},{n}"))).day == "unnamed"


def test_a_key_that_some_days_lack_may_be_missing(root: Path):
    (root / "o_2026-01-01.jsonl").write_text('{"at": "2026-01-01", "n": 1, "note": "x"}\n')
    (root / "o_2026-01-02.jsonl").write_text('{"at": "2026-01-02", "n": 2}\n')

    new("o_{day}.jsonl")

    assert '"note": Column(str, nullable=True, required=False)' in written()


def test_an_api_is_asked_and_its_list_of_rows_found(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ORDERS_TOKEN", "hush")
    rows = [{"at": f"{day}T10:00:00Z", "total": n} for n, day in enumerate(DAYS[:10])]
    with serve() as server:
        server.behave = say({"count": 10, "data": {"orders": rows}})
        url = f"http://127.0.0.1:{server.port}/orders"
        made = new(f"{url}?from={{start}}&limit=500", token="ORDERS_TOKEN")

        asked = server.seen[0]
    source = declared().source
    assert (source.records, source.token) == ("data.orders", "ORDERS_TOKEN")
    assert source.params == {"from": "{start}", "limit": "500"}
    assert "exactly 10 rows" in made.notes[0]
    assert asked.headers["authorization"] == "Bearer hush"
    assert "hush" not in written()
    assert ruff("check", "--ignore=I001") and ruff("format", "--check")


def test_an_api_that_sends_csv_is_declared_so(root: Path):
    with serve() as server:
        server.behave = say(table("day,n", "{day},{n}"))
        new(f"http://127.0.0.1:{server.port}/export")

    assert declared().source.format == "csv"


def test_a_secret_in_an_address_is_refused_without_being_repeated(root: Path):
    with pytest.raises(UsageError, match="the parameter 'api_key'") as error:
        new_dataset("orders", "https://api.example.com/orders?api_key=hush")
    assert "hush" not in str(error.value)


def test_nothing_is_overwritten_and_no_name_is_taken_that_cannot_be(root: Path):
    where = csv(root, table("day,n", "{day},{n}"))
    new(where)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}

    with pytest.raises(UsageError, match="catalog/datasets/orders.py is there already"):
        new_dataset("orders", where)
    with pytest.raises(UsageError, match="'class' is a word of Python's own"):
        new_dataset("class", where)
    with pytest.raises(DeclarationError, match="one of the loop's own tables"):
        new_dataset("ledger", where)

    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def ruff(*words: str) -> bool:
    """Whether it finds nothing in what was written; only the imports it cannot tell apart here."""
    program = Path(sys.executable).with_name("ruff")
    done = subprocess.run([program, *words, "catalog", "tests"], capture_output=True, text=True)
    print(done.stdout)
    return done.returncode == 0


def test_what_is_written_is_formatted_and_checked_as_the_project_is(root: Path):
    names = ["quote'd", 'double"d', "back\\slash", "ünïcode", "a" * 70, "a" * 71, "b" * 64]
    for number in range(1, len(names)):
        header = ";".join(["when", *(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in names)])
        values = ";".join(f"{{n}}{mark}" for mark in ("", "", " x", " y", ".5", "", " z"))
        text = table(header, f"13/01/2026 10:{{n:02}};{values}")
        new_dataset(f"{'long_' * number}name", csv(root, text, f"{'x' * 12 * number}.csv"))

    assert ruff("check", "--ignore=I001") and ruff("format", "--check")


NASTY = [
    '"""',
    "'''",
    '\\"',
    "{day}",
    r"\N{DASH}",
    '", __import__("os").abort(), "',
    "\t\u3000\U0001f600\ue000",
]


def test_a_sample_cannot_write_code(root: Path):
    doubled = [text.replace('"', '""') for text in NASTY]
    header = ",".join(["day", *(f'"x{text}"' for text in doubled)])
    texts = ",".join(f'"{text}"' for text in doubled)
    rows = [f"{day},{texts if n % 3 else ','.join('5' * len(NASTY))}" for n, day in enumerate(DAYS)]

    new(csv(root, "\n".join([header, *rows, ""])))

    assert [name[1:] for name in declared().columns if name != "day"] == NASTY


def test_numbers_may_be_huge_tiny_or_zero(root: Path):
    new(csv(root, table("day,huge,tiny,zero,big", "{day},-{n}e300,{n}e-9,0.0,{n}e17")))

    assert '"huge": Column(float),' in written()
    assert '"tiny": Column(float, Check.in_range(0, 5e-07)),' in written()
    assert '"zero": Column(float),' in written()
    assert '"big": Column(float, Check.ge(0)),' in written()


def test_the_readme_shows_what_is_written(root: Path):
    first, lines = date(2026, 1, 1), ["order_id,customer,ordered_at,total,coupon"]
    for day in range(90):
        for n in range(97 + day * 37 % 80):
            at = f"{first + timedelta(days=day)}T{n % 24:02}:00:00Z"
            coupon = f"SPRING-{len(lines)}" if n % 19 == 7 else ""
            lines.append(f"{len(lines)},{len(lines) * 7 % 900:05},{at},{n * 3}.90,{coupon}")
    Path("incoming").mkdir()
    csv(root, "\n".join([*lines, ""]), "incoming/orders.csv")

    new_dataset("orders", "incoming/orders.csv", key=["order_id"], today=date(2026, 4, 1))

    assert f"```python\n{written()}```" in (ROOT / "README.md").read_text()
