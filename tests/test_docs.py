"""What the docs show is what there is: declarations, links, anchors, commands, the reference."""

import re
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog import kinds
from flows.verbs import VERBS, app
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("[!.]*/*.md")])
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/datasets.md").read_text(), re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("(")[0].strip()[:20])
def test_the_declarations_in_the_docs_are_taken(block: str) -> None:
    names = {name: getattr(kinds, name) for name in kinds.__all__}
    exec(block, {**names, "dataclass": dataclass, "Path": Path})


@EVERY_PAGE
def test_links_lead_to_files_and_headings_that_there_are(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", page.read_text()))
    gone = []
    for link in links:
        file, _, anchor = link.partition("#")
        to = page.parent / file if file else page
        if "://" in link:
            continue
        if not to.exists() or (anchor and anchor not in anchors(to)):
            gone.append(link)
    assert gone == []


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    heads = re.findall(r"^#+ (.*)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    texts = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head) for head in heads]
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in texts}


@EVERY_PAGE
def test_commands_are_ones_that_there_are(page: Path) -> None:
    wrong = [said for command in commands(page.read_text()) if (said := mistake(command))]
    assert wrong == []


def commands(text: str) -> Iterator[str]:
    """What stands in code: a line of a block up to a wide gap or a comment, or between ticks."""
    for line in re.findall(r"^(?: {4}|\$ )(\S.*)$", text, re.MULTILINE):
        yield re.split(r"\s{2,}| #", line)[0]
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", FENCED.sub("", text))


def mistake(command: str) -> str:
    """What is wrong with it; empty where nothing is, or nothing is known of such a command."""
    if target := re.match(r"make ([a-z]+)$", command):
        makefile = (ROOT / "Makefile").read_text()
        return "" if re.search(rf"^{target[1]}:", makefile, re.MULTILINE) else command
    if script := re.search(r"python ([\w/]+\.py)", command):
        return "" if (ROOT / script[1]).exists() else command
    if not (found := re.search(r"(?:python -m flows|^dayloop) ([a-z][a-z-]*)(.*)", command)):
        return ""
    verb, rest = found[1], re.sub(r"'[^']*'|\"[^\"]*\"", "TEXT", found[2])
    if verb not in VERBS:
        return command
    taken = app[verb].assemble_argument_collection()
    options = {name for each in taken for name in each.names} | {"--help", "--json"}
    given = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest))
    return "" if given <= options else f"{command}: {given - options}"


def test_a_command_that_there_is_not_is_found() -> None:
    for wrong in ("make runn", "python docs/nothing.py", "python -m flows etl sales --dya 1"):
        assert mistake(wrong)
    assert mistake("python -m flows elt sales") and mistake("dayloop elt")
    assert not mistake("python -m flows etl sales --day 1998-04-01 --json")


def test_the_reference_is_what_the_code_says() -> None:
    written = runpy.run_path(str(ROOT / "docs/reference.py"))

    assert (ROOT / "docs/reference.md").read_text() == written["text"](), "python docs/reference.py"


def test_every_variable_that_the_code_reads_is_in_the_reference() -> None:
    settings = runpy.run_path(str(ROOT / "docs/reference.py"))["SETTINGS"]
    folders = ("catalog", "core", "tasks", "flows", "deployments")
    code = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    read = {name for file in code for name in re.findall(r"\bDAYLOOP_[A-Z_]+", file.read_text())}

    assert read == {name for name in settings if name.startswith("DAYLOOP_")}


def test_the_settings_of_the_readme_are_in_the_reference() -> None:
    settings = runpy.run_path(str(ROOT / "docs/reference.py"))["SETTINGS"]

    named = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(named) <= settings.keys()
