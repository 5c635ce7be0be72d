"""What is true: the datasets and models, each one file, found by itself.

`catalog/datasets/sales.py` declares `dataset = Dataset(name="sales", ...)`, and
`catalog/models/churn.py` declares `model = Model(name="churn", ...)`. Names are read from
the file names; a file is imported only when its dataset or model is asked for.
"""

from contextlib import suppress
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path

from catalog.kinds import Dataset, DeclarationError, Model

ROOT = Path(__file__).parent


class UnknownName(LookupError):
    """There is no dataset or model of that name."""


def dataset_names() -> tuple[str, ...]:
    """The names of all datasets, sorted."""
    return _names("datasets")


def model_names() -> tuple[str, ...]:
    """The names of all models, sorted."""
    return _names("models")


@cache
def dataset(name: str) -> Dataset:
    """The dataset of that name, checked.

    Raises:
        UnknownName: there is none.
        DeclarationError: its file cannot be right; names file and field.
    """
    found = _load("datasets", "dataset", name)
    assert isinstance(found, Dataset)
    for each in found.upstream:
        _check_order(name, each, (name,))
    known = {each: dataset(each) for each in found.upstream if each in dataset_names()}
    try:
        found.check_upstream(known)
    except DeclarationError as error:
        raise DeclarationError(f"catalog/datasets/{name}.py: {error}") from error
    return found


def datasets_in_order() -> tuple[str, ...]:
    """The names of all datasets, each after those it is checked against."""
    order: dict[str, None] = {}

    def add(name: str) -> None:
        with suppress(DeclarationError):  # whoever asks for that dataset hears of it
            for each in dataset(name).upstream:
                add(each)
        order.setdefault(name)

    for name in dataset_names():
        add(name)
    return tuple(order)


@cache
def model(name: str) -> Model:
    """The model of that name, checked against the datasets it reads.

    Raises:
        UnknownName: there is none.
        DeclarationError: its file cannot be right; names file and field.
    """
    found = declared_model(name)
    known = {each: dataset(each) for each in found.inputs if each in dataset_names()}
    try:
        found.check_inputs(known)
    except DeclarationError as error:
        raise DeclarationError(f"catalog/models/{name}.py: {error}") from error
    return found


def declared_model(name: str) -> Model:
    """The model as its file has it: quick, as no dataset is read to check it against.

    Raises:
        UnknownName: there is none.
        DeclarationError: its file cannot be right; names file and field.
    """
    found = _load("models", "model", name)
    assert isinstance(found, Model)
    return found


def require_dataset(name: str) -> None:
    """Raises UnknownName where there is no such dataset; imports nothing."""
    _require("datasets", "dataset", name)


def require_model(name: str) -> None:
    """Raises UnknownName where there is no such model; imports nothing."""
    _require("models", "model", name)


def _check_order(name: str, upstream: str, path: tuple[str, ...]) -> None:
    """Raises DeclarationError where a dataset is, in the end, checked against itself."""
    if upstream in path:
        ring = " → ".join((*path, upstream))
        raise DeclarationError(f"catalog/datasets/{name}.py: references go round: {ring}")
    if upstream in dataset_names():
        found = _load("datasets", "dataset", upstream)
        assert isinstance(found, Dataset)
        for each in found.upstream:
            _check_order(name, each, (*path, upstream))


def _names(folder: str) -> tuple[str, ...]:
    files = (ROOT / folder).glob("*.py")
    return tuple(sorted(file.stem for file in files if not file.stem.startswith("_")))


def _require(folder: str, kind: str, name: str) -> None:
    names = _names(folder)
    if name not in names:
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there is {', '.join(names) or 'none'}"
        raise UnknownName(f"no {kind} '{name}'; {hint}")


def _load(folder: str, kind: str, name: str) -> Dataset | Model:
    _require(folder, kind, name)
    file = f"catalog/{folder}/{name}.py"
    try:
        found = getattr(import_module(f"catalog.{folder}.{name}"), kind, None)
    except DeclarationError as error:
        raise DeclarationError(f"{file}: {error}") from error
    except Exception as error:  # whatever its code raises: a missing field, a slip of the pen
        raise DeclarationError(f"{file}: {type(error).__name__}: {_first_line(error)}") from error
    if not isinstance(found, Dataset if kind == "dataset" else Model):
        raise DeclarationError(f"{file}: must declare `{kind} = {kind.capitalize()}(...)`")
    if found.name != name:
        raise DeclarationError(f"{file}: name: '{found.name}' is not the file's name '{name}'")
    return found


def _first_line(error: Exception) -> str:
    place = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return place + (text.strip().splitlines() or ["no reason given"])[0]
