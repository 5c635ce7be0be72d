"""What must hold of the project's own files."""

import gzip
import re
import subprocess
import tomllib
from hashlib import sha256

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

SAMPLE_SHA256 = "ddebe539bc8c9c821846ef145b49699e3d080a4a51e0c97f9b939b6e6e943b67"
# In pieces, so that this file does not find itself.
REGISTRY = re.compile("|".join(("pypi" + r"\.org", "python" + "hosted", "index" + "-url")))


def test_no_file_names_the_address_of_a_package_registry():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert len(files) > 50

    texts = ((file, file.read_bytes().decode("utf-8", "ignore")) for file in files if file.exists())
    assert [str(file) for file, text in texts if REGISTRY.search(text)] == []


def test_every_declared_dependency_is_pinned_with_hashes():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    text = (ROOT / "requirements.txt").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pins = {}
    for line in lines:
        requirement, _, hashes = line.partition("--hash=")
        assert hashes.startswith("sha256:"), f"no hash: {line}"
        found = Requirement(requirement.strip())
        pins[canonicalize_name(found.name)] = str(found.specifier).removeprefix("==")

    for requirement in map(Requirement, declared):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not in requirements.txt: make lock"
        assert requirement.specifier.contains(pins[name]), f"{name} {pins[name]}: make lock"


def test_the_sample_is_the_whole_of_cdnow():
    data = gzip.decompress((ROOT / "data/cdnow.csv.gz").read_bytes())

    assert sha256(data).hexdigest() == SAMPLE_SHA256
    header, *lines = data.decode("ascii").splitlines()
    assert header == "customer_id,date,cds,amount"
    assert len(lines) == 69_659
    assert len({line.split(",")[0] for line in lines}) == 23_570
