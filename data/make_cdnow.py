"""Makes `cdnow.csv.gz` again: `python data/make_cdnow.py` (needs pip and the package index)."""

import csv
import gzip
import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "lifetimes==0.11.3"
MEMBER = "lifetimes/datasets/CDNOW_master.txt"
MEMBER_SHA256 = "eff6889ed364c5199d6eacbbeb7a6d559971df4406ac876f322c373f00a072ef"
TARGET = Path(__file__).with_name("cdnow.csv.gz")


def original() -> bytes:
    """The file as the package ships it, its sha256 checked."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE]
        subprocess.run(pip, check=True)
        wheel = next(Path(folder).glob("*.whl"))
        data = zipfile.ZipFile(wheel).read(MEMBER)
    if hashlib.sha256(data).hexdigest() != MEMBER_SHA256:
        sys.exit(f"{PACKAGE} no longer holds the file that this sample was made of")
    return data


def as_csv(data: bytes) -> bytes:
    """White space to commas, yyyymmdd to ISO dates, a header in words of today."""
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\n")
    out.writerow(["customer_id", "date", "cds", "amount"])
    for line in data.decode("ascii").splitlines()[1:]:
        if fields := line.split():
            customer, day, cds, amount = fields
            out.writerow([customer, f"{day[:4]}-{day[4:6]}-{day[6:]}", cds, amount])
    return text.getvalue().encode()


if __name__ == "__main__":
    TARGET.write_bytes(gzip.compress(as_csv(original()), 9, mtime=0))
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes")
