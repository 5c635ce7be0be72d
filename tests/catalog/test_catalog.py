import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import catalog
from catalog.kinds import DeclarationError

ROOT = Path(catalog.__file__).parent


class Copy:
    """A throw-away catalog: copies of the real files, rewritten."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, file: str, text: str) -> None:
        (self.root / file).write_text(text)
        importlib.invalidate_caches()

    def rewrite(self, file: str, old: str, new: str, to: str = "") -> None:
        text = (ROOT / file).read_text()
        assert old in text
        self.write(to or file, text.replace(old, new))


def forget() -> None:
    catalog.dataset.cache_clear()
    catalog.model.cache_clear()
    for name in [each for each in sys.modules if each.startswith(("catalog.d", "catalog.m"))]:
        del sys.modules[name]


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copy]:
    known = {name: module for name, module in sys.modules.items() if name.startswith("catalog.")}
    for folder in ("datasets", "models"):
        (tmp_path / folder).mkdir()
        for file in ("__init__.py", "sales.py", "churn.py"):
            if (ROOT / folder / file).exists():
                (tmp_path / folder / file).write_text((ROOT / folder / file).read_text())
    monkeypatch.setattr(catalog, "ROOT", tmp_path)
    monkeypatch.setattr(catalog, "__path__", [str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    forget()
    yield Copy(tmp_path)
    forget()
    sys.modules.update(known)


def refused(kind: Any, name: str) -> str:
    with pytest.raises(DeclarationError) as error:
        kind(name)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_files_are_the_catalog(copy: Copy) -> None:
    copy.rewrite("datasets/sales.py", 'name="sales"', 'name="returns"', to="datasets/returns.py")
    copy.write("models/_shared.py", "")
    assert catalog.dataset_names() == ("returns", "sales")
    assert catalog.model_names() == ("churn",)
    assert catalog.dataset("returns").name == "returns"


def test_the_shipped_catalog_is_right() -> None:
    for name in catalog.dataset_names():
        assert catalog.dataset(name).name == name
    for name in catalog.model_names():
        assert catalog.model(name).name == name


def test_an_unknown_name_comes_with_a_hint() -> None:
    with pytest.raises(catalog.UnknownName, match="no dataset 'sale'; did you mean 'sales'?"):
        catalog.dataset("sale")
    with pytest.raises(catalog.UnknownName, match="no model 'xyzzy'; there is churn"):
        catalog.model("xyzzy")
    with pytest.raises(catalog.UnknownName):
        catalog.dataset("../models/churn")


DATASETS = [
    ("max_bad_share=0.05", "max_bad_share=-0.05", "max_bad_share: must be at least 0"),
    ('day="date"', 'day="when"', "day: no column 'when' in the schema"),
    ('name="sales"', 'name="sale"', "name: 'sale' is not the file's name 'sales'"),
    ("dataset = Dataset(", "data = Dataset(", r"must declare `dataset = Dataset\(\.\.\.\)`"),
    ("min_rows=20", "min_row=20", "TypeError: .*min_row'"),
    ('    owner="shop@example.com",\n', "", "TypeError: .*'owner'"),
    ("min_rows=20,", "min_rows=20", ""),
    ("min_rows=20,\n)", "min_rows=20,\n", "SyntaxError: line "),
    ("from catalog.kinds", "from catalog.kind", "ModuleNotFoundError: .*catalog.kind"),
]


@pytest.mark.parametrize(("old", "new", "problem"), DATASETS)
def test_a_wrong_dataset_is_one_line_naming_file_and_field(
    copy: Copy, old: str, new: str, problem: str
) -> None:
    copy.rewrite("datasets/sales.py", old, new)
    if problem:
        said = refused(catalog.dataset, "sales")
        assert re.match(f"catalog/datasets/sales.py: {problem}", said)
    else:
        assert catalog.dataset("sales")


MODELS = [
    ("horizon_days=90", "horizon_days=0", "horizon_days: must be within 1 and"),
    ('"sales": ("customer_id", ', '"sale": ("customer_id", ', "features: must take"),
    ('"date", "amount")', '"date", "price")', "inputs: dataset 'sales' has no column 'price'"),
    ('name="churn"', 'name="churned"', "name: 'churned' is not the file's name 'churn'"),
    ("model = Model(", "models = Model(", r"must declare `model = Model\(\.\.\.\)`"),
    ("gate=Gate(floor=0.75)", "gate=Gate(floor=75)", "gate.floor: must be within 0 and 1"),
    ("metric=", "metrics=", "TypeError: .*metrics"),
    ("horizon_days=90", "horizon_days=1 / 0", "ZeroDivisionError"),
]


@pytest.mark.parametrize(("old", "new", "problem"), MODELS)
def test_a_wrong_model_is_one_line_naming_file_and_field(
    copy: Copy, old: str, new: str, problem: str
) -> None:
    copy.rewrite("models/churn.py", old, new)
    assert re.match(f"catalog/models/churn.py: {problem}", refused(catalog.model, "churn"))


def test_a_model_of_an_unknown_dataset_is_one_line(copy: Copy) -> None:
    text = (ROOT / "models/churn.py").read_text().replace('inputs={"sales"', 'inputs={"sale"')
    for function in ("as_of: pd.Timestamp, ", "customers: pd.Index, "):
        text = text.replace(f"{function}sales:", f"{function}sale:")
    copy.write("models/churn.py", text)
    assert refused(catalog.model, "churn") == ("catalog/models/churn.py: inputs: no dataset 'sale'")


def test_a_mistake_in_a_dataset_is_not_blamed_on_its_model(copy: Copy) -> None:
    copy.rewrite("datasets/sales.py", "min_rows=20", "min_rows=-1")
    assert refused(catalog.model, "churn").startswith("catalog/datasets/sales.py: min_rows: ")


def test_a_mistake_put_right_is_forgotten(copy: Copy) -> None:
    copy.rewrite("datasets/sales.py", "min_rows=20", "min_rows=-1")
    refused(catalog.dataset, "sales")
    copy.rewrite("datasets/sales.py", "min_rows=20", "min_rows=21")
    assert catalog.dataset("sales").min_rows == 21
