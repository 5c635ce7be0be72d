"""Model artifacts: a joblib file and the manifest that vouches for it, immutable.

A version lies at `models/<model>/<fingerprint>/`: what it was made of names it, so two runs
that make the same model write the same place: the first to finish stands, whole, and nothing is
ever written over it. A killed run leaves nothing that a later one trips over.
"""

import hashlib
import io
import json
import sys
from dataclasses import dataclass
from importlib.metadata import version as installed
from typing import Any

from core import home
from core.errors import ArtifactRefused

MODEL_FILE, MANIFEST_FILE = "model.joblib", "manifest.json"
LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib")
ZLIB_LEVEL = 3


@dataclass(frozen=True)
class Artifact:
    """A stored model: its place below home and the sha256 of its manifest."""

    path: str
    sha256: str


def libraries() -> dict[str, str]:
    """The versions a fitted estimator depends on."""
    return {"python": sys.version.split()[0], **{name: installed(name) for name in LIBRARIES}}


def place(model: str, fingerprint: str) -> str:
    """Where an artifact lies."""
    return f"models/{model}/{fingerprint}"


def find(model: str, fingerprint: str) -> Artifact | None:
    """The artifact of that fingerprint, where it is stored whole.

    Raises:
        ArtifactRefused: it is there, but damaged.
    """
    path = place(model, fingerprint)
    if not home.exists(f"{path}/{MANIFEST_FILE}"):
        return None
    found = Artifact(path, _sha256(_read(f"{path}/{MANIFEST_FILE}")))
    if manifest(found).get("fingerprint") != fingerprint:
        raise ArtifactRefused(f"{path}/{MANIFEST_FILE} is of another model; {_REMEDY}")
    return found


def save(model: str, fingerprint: str, estimator: Any, manifest: dict[str, Any]) -> Artifact:
    """Stores an estimator and its manifest; where another run was faster, that one's stands."""
    import joblib

    if found := find(model, fingerprint):
        return found
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer, compress=("zlib", ZLIB_LEVEL))
    data = buffer.getvalue()
    path = place(model, fingerprint)
    files = {MODEL_FILE: {"sha256": _sha256(data), "size_bytes": len(data)}}
    whole = {**manifest, "fingerprint": fingerprint, "libraries": libraries(), "files": files}
    text = json.dumps(whole, indent=2, sort_keys=True, default=str).encode()
    if home.publish(path, {MODEL_FILE: data, MANIFEST_FILE: text}):
        return Artifact(path, _sha256(text))
    if found := find(model, fingerprint):
        return found
    raise ArtifactRefused(f"{path}/{MANIFEST_FILE} is missing; {_REMEDY}, or remove {path}")


def manifest(artifact: Artifact) -> dict[str, Any]:
    """The manifest, its sha256 checked.

    Raises:
        ArtifactRefused: it is missing or not the one that was registered.
    """
    path = f"{artifact.path}/{MANIFEST_FILE}"
    data = _read(path)
    if _sha256(data) != artifact.sha256:
        raise ArtifactRefused(f"{path} is not the one that was registered; {_REMEDY}")
    try:
        found: dict[str, Any] = json.loads(data)
    except ValueError as error:
        raise ArtifactRefused(f"{path} is not a manifest; {_REMEDY}") from error
    return found


def _read(path: str) -> bytes:
    try:
        return home.read_bytes(path)
    except FileNotFoundError as error:
        raise ArtifactRefused(f"{path} is missing; {_REMEDY}") from error
    except OSError as error:
        said = error.strerror or error
        raise ArtifactRefused(f"{path} cannot be read: {said}; {_REMEDY}") from error


def load(artifact: Artifact) -> tuple[Any, dict[str, Any]]:
    """The estimator and its manifest. Not a byte is unpickled before its sha256 is checked.

    Raises:
        ArtifactRefused: a file is missing or changed, or scikit-learn is another release.
    """
    import joblib

    known = manifest(artifact)
    path = f"{artifact.path}/{MODEL_FILE}"
    data = _read(path)
    if _sha256(data) != known["files"][MODEL_FILE]["sha256"]:
        raise ArtifactRefused(f"{path} has been changed since it was stored; {_REMEDY}")
    theirs, ours = known["libraries"]["scikit-learn"], installed("scikit-learn")
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        raise ArtifactRefused(
            f"{path} was made with scikit-learn {theirs} and this is {ours}; retrain, or install "
            "the version it was made with"
        )
    return joblib.load(io.BytesIO(data)), known


_REMEDY = "roll back to an earlier version, or restore the file from a backup"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
