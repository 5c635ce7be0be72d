"""What the docs show is what there is: their declarations are made, their links lead somewhere."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from catalog import kinds
from tests.conftest import ROOT

PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/datasets.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("(")[0].strip()[:20])
def test_the_declarations_in_the_docs_are_taken(block: str) -> None:
    names = {name: getattr(kinds, name) for name in kinds.__all__}
    exec(block, {**names, "dataclass": dataclass, "Path": Path})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    gone = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert gone == []
