"""Model artifacts: a joblib file and the manifest that vouches for it, immutable.

A version lies at `models/<model>/<fingerprint>/`: what it was made of names it, so two runs
that make the same model write the same place: the first to finish stands, whole, and nothing is
ever written over it. A killed run leaves nothing that a later one trips over.

Where `DAYLOOP_SIGNING_KEY` is set, manifests are signed with it (HMAC-SHA256), and a model whose
manifest is not is refused. It may hold several keys, separated by commas: the first one signs,
each is good to verify, so that a key can be replaced.
"""

import hashlib
import hmac
import io
import json
import os
import platform
import re
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from typing import Any

from catalog.declaring import NAME
from core import home
from core.errors import ArtifactRefused, UsageError

MODEL_FILE, MANIFEST_FILE, SIGNATURE_FILE = "model.joblib", "manifest.json", "manifest.hmac"
LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib")
SIGNING_KEY = "DAYLOOP_SIGNING_KEY"
ZLIB_LEVEL = 3
_PLACE = re.compile(rf"models/{NAME}/[A-Za-z0-9_][A-Za-z0-9_.-]{{0,63}}")


@dataclass(frozen=True)
class Artifact:
    """A stored model: its place below home and the sha256 of its manifest."""

    path: str
    sha256: str

    def __post_init__(self) -> None:
        if not _PLACE.fullmatch(self.path):
            raise ArtifactRefused(f"{self.path!r} is no place of a model; {_REMEDY}")


def libraries() -> dict[str, str]:
    """The versions a fitted estimator depends on."""
    return {"python": sys.version.split()[0], **{name: installed(name) for name in LIBRARIES}}


def machine() -> str:
    """The processor as numpy's linear algebra sees it: another one may round otherwise."""
    from threadpoolctl import threadpool_info

    kinds = {pool["architecture"] for pool in threadpool_info() if pool.get("architecture")}
    return " ".join([platform.machine(), *sorted(kinds)])


def differences(manifest: dict[str, Any]) -> tuple[str, ...]:
    """What is not as it was when the model was fitted, such as `numpy was 2.3.1, is 2.4.0`."""
    now = {**libraries(), "machine": machine()}
    before = {**now, **manifest["libraries"], "machine": manifest.get("machine", now["machine"])}
    return tuple(
        f"{name} was {before[name]}, is {now[name]}" for name in now if before[name] != now[name]
    )


def place(model: str, fingerprint: str) -> str:
    """Where an artifact lies.

    Raises:
        UsageError: one of the names is none.
    """
    path = f"models/{model}/{fingerprint}"
    if not _PLACE.fullmatch(path):
        raise UsageError(f"{path!r} is no place of a model; check the name of the model")
    return path


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


def dump(estimator: Any) -> bytes:
    """The estimator as a joblib file; the same one has the same bytes in every process.

    Equal texts are written as one: where a model was loaded before, the names of attributes
    are objects of their own, and joblib would write them again.
    """
    from joblib.numpy_pickle import NumpyPickler

    class Pickler(NumpyPickler):  # type: ignore[misc]
        def save(self, obj: Any, *rest: Any, **named: Any) -> None:
            super().save(texts.setdefault(obj, obj) if type(obj) is str else obj, *rest, **named)

    texts: dict[str, str] = {}
    buffer = io.BytesIO()
    Pickler(buffer).dump(estimator)
    return zlib.compress(buffer.getvalue(), ZLIB_LEVEL)


def save(
    model: str,
    fingerprint: str,
    estimator: Any,
    manifest: dict[str, Any],
    beside: Mapping[str, bytes] | None = None,
) -> Artifact:
    """Stores an estimator, its manifest and what else is to lie beside it.

    Where another run was faster, that one's stands.
    """
    if found := find(model, fingerprint):
        return found
    files, path = {MODEL_FILE: dump(estimator), **(beside or {})}, place(model, fingerprint)
    whole = {
        **manifest,
        "fingerprint": fingerprint,
        "libraries": libraries(),
        "machine": machine(),
        "files": {
            name: {"sha256": _sha256(data), "size_bytes": len(data)} for name, data in files.items()
        },
    }
    text = json.dumps(whole, indent=2, sort_keys=True, default=str).encode()
    signed = [(SIGNATURE_FILE, _signature(key, path, text)) for key in _keys()[:1]]
    if home.publish(path, {**files, **dict(signed), MANIFEST_FILE: text}):
        return Artifact(path, _sha256(text))
    if found := find(model, fingerprint):
        return found
    raise ArtifactRefused(f"{path}/{MANIFEST_FILE} is missing; {_REMEDY}, or remove {path}")


def manifest(artifact: Artifact) -> dict[str, Any]:
    """The manifest, its sha256 and, where there is a key, its signature checked.

    Raises:
        ArtifactRefused: it is missing, not the one that was registered, or not signed.
    """
    path, data = f"{artifact.path}/{MANIFEST_FILE}", _registered(artifact)
    if keys := _keys():
        if not home.exists(f"{artifact.path}/{SIGNATURE_FILE}"):
            raise ArtifactRefused(
                f"{path} is not signed, and {SIGNING_KEY} is set; approve its version, which signs "
                f"it, or remove {artifact.path} and retrain"
            )
        _require_signature(artifact, data, keys)
    try:
        found: dict[str, Any] = json.loads(data)
    except ValueError as error:
        raise ArtifactRefused(f"{path} is not a manifest; {_REMEDY}") from error
    return found


def sign(artifact: Artifact) -> None:
    """Signs a manifest that was stored before there was a key; without a key, nothing.

    Raises:
        ArtifactRefused: it is not the one that was registered, or another key has signed it.
    """
    data = _registered(artifact)
    for key in _keys()[:1]:
        if home.exists(f"{artifact.path}/{SIGNATURE_FILE}"):
            _require_signature(artifact, data, _keys())
        else:
            home.write_bytes(
                f"{artifact.path}/{SIGNATURE_FILE}", _signature(key, artifact.path, data)
            )


def _keys() -> list[bytes]:
    given = os.environ.get(SIGNING_KEY, "").split(",")
    return [key.strip().encode() for key in given if key.strip()]


def _signature(key: bytes, path: str, manifest: bytes) -> bytes:
    # With its path: a signed model is not another one's, wherever it is copied to.
    return hmac.new(key, path.encode() + b"\n" + manifest, "sha256").hexdigest().encode()


def _require_signature(artifact: Artifact, manifest: bytes, keys: list[bytes]) -> None:
    path = f"{artifact.path}/{SIGNATURE_FILE}"
    given = _read(path)
    good = (_signature(key, artifact.path, manifest) for key in keys)
    if not any(hmac.compare_digest(given, each) for each in good):
        raise ArtifactRefused(f"{path} is of no key in {SIGNING_KEY}; {_REMEDY}, or add its key")


def _registered(artifact: Artifact) -> bytes:
    path = f"{artifact.path}/{MANIFEST_FILE}"
    data = _read(path)
    if _sha256(data) != artifact.sha256:
        raise ArtifactRefused(f"{path} is not the one that was registered; {_REMEDY}")
    return data


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
    files = {name: read_file(artifact, known, name) for name in known["files"]}
    if not is_of_this_release(known):
        theirs, ours = known["libraries"]["scikit-learn"], installed("scikit-learn")
        raise ArtifactRefused(
            f"{artifact.path} was made with scikit-learn {theirs} and this is {ours}; retrain, or "
            "install the version it was made with"
        )
    return joblib.load(io.BytesIO(files[MODEL_FILE])), known


def read_file(artifact: Artifact, manifest: dict[str, Any], name: str) -> bytes:
    """A file that the manifest vouches for.

    Raises:
        ArtifactRefused: it is missing or changed.
    """
    path = f"{artifact.path}/{name}"
    data = _read(path)
    if _sha256(data) != manifest["files"][name]["sha256"]:
        raise ArtifactRefused(f"{path} has been changed since it was stored; {_REMEDY}")
    return data


def is_of_this_release(manifest: dict[str, Any]) -> bool:
    """Whether this scikit-learn may unpickle it: of another one it may score otherwise."""
    theirs, ours = manifest["libraries"]["scikit-learn"], installed("scikit-learn")
    return bool(theirs.split(".")[:2] == ours.split(".")[:2])


_REMEDY = "roll back to an earlier version, or restore the file from a backup"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
