"""The registry: which versions of a model there are, which one serves, and who said so.

It is a list of events, and every change is a compare-and-set on the model's whole list, so
that many processes at once lose nothing and number without a gap.
"""

from datetime import datetime
from typing import Literal

from core.errors import ModelRefused, UsageError
from core.models import artifacts, events
from core.models.artifacts import Artifact
from core.models.events import TABLE, Decisions, Record, history
from core.models.versions import CLOSED, Version, champion_of, previous_of, version_of, versions_of

__all__ = ["TABLE", "Record", "Version", "history"]
GATE = "gate"


def versions(model: str) -> list[Version]:
    """All versions of a model, oldest first."""
    return versions_of(history(model))


def champion(model: str) -> Version | None:
    """The version that serves."""
    return next((each for each in versions(model) if each.state == "champion"), None)


def find(model: str, artifact: Artifact) -> Version | None:
    """The version that is this artifact, where it is registered."""
    return next((each for each in versions(model) if each.artifact == artifact), None)


def get(model: str, number: int) -> Version:
    """The version of that number.

    Raises:
        UsageError: there is none.
    """
    return version_of(model, history(model), number)


def register(
    model: str,
    artifact: Artifact,
    *,
    by: str,
    reason: str,
    promote_over: int | None = None,
    now: datetime | None = None,
) -> int:
    """Gives an artifact its version number; the same artifact keeps the one it has.

    Args:
        model: whose.
        artifact: the stored model.
        by: who registers it.
        reason: why; both go on the record.
        promote_over: makes it the champion too, in the same change, so that no kill comes
            between; the value is the champion it was judged against, 0 for none.
        now: the clock.

    Raises:
        ModelRefused: the artifact was changed, or the champion is not that one any more.
    """
    if promote_over is not None:
        _verify(artifact)

    def decide(before: list[Record]) -> Decisions:
        known = {event.path: event for event in before}
        number = max((event.version for event in before), default=0) + 1
        registered: Decisions = [(number, "registered", artifact)]
        if artifact.path in known:
            if known[artifact.path].sha256 != artifact.sha256:
                raise ModelRefused(
                    f"{artifact.path} has been changed since it was registered; restore it from a "
                    "backup"
                )
            number, registered = known[artifact.path].version, []
            if promote_over is not None:
                return _promotion(model, before, number, promote_over)
        if promote_over is None:
            return registered
        _require_champion(model, before, number, promote_over)
        return [*registered, (number, "promoted", artifact)]

    after, _ = events.append(model, decide, by, reason, now)
    return next(event.version for event in after if event.path == artifact.path)


def promote(
    model: str,
    version: int,
    *,
    by: str,
    reason: str,
    over: int | None = None,
    only_approved: bool = False,
    now: datetime | None = None,
) -> bool:
    """Makes a version the champion; returns whether it was not so already.

    Args:
        model: whose.
        version: its number.
        by: who decides.
        reason: why; both go on the record.
        over: the champion the decision was made against (0 for none); another one by now
            refuses it. None does not ask.
        only_approved: refuses a version that nobody has approved.
        now: the clock.

    Raises:
        ModelRefused: the version is rejected, retired, damaged or not approved, it scores its
            golden rows otherwise, or the champion has changed.
        UsageError: there is no such version, or nobody or nothing was named.
    """
    _require_reason(by, reason)
    _verify(get(model, version).artifact)

    def decide(before: list[Record]) -> Decisions:
        return _promotion(model, before, version, over, only_approved)

    return events.append(model, decide, by, reason, now)[1]


def _promotion(
    model: str, before: list[Record], version: int, over: int | None, only_approved: bool = False
) -> Decisions:
    found = _require_open(model, before, version)
    if over is not None:
        _require_champion(model, before, version, over)
    if found.state == "champion":
        return []
    if only_approved and not found.is_approved:
        raise ModelRefused(
            f"{model} {version} is not approved, and its gate is `manual`; first: python -m flows "
            f'approve {model} {version} --by NAME --reason "..."'
        )
    return [(version, "promoted", found.artifact)]


def _require_open(model: str, before: list[Record], version: int) -> Version:
    found = version_of(model, before, version)
    if found.state in CLOSED:
        raise ModelRefused(f"{model} {version} is {found.state} and cannot serve; retrain")
    return found


def _require_champion(model: str, before: list[Record], version: int, over: int) -> None:
    serving = champion_of(before)
    if serving not in (over, version):
        raise ModelRefused(
            f"{model}: the champion is now {serving or 'none'}, not {over or 'none'} as when "
            f"{version} was judged; retrain to compare it with the new one"
        )


def approve(model: str, version: int, *, by: str, reason: str, now: datetime | None = None) -> bool:
    """Records that somebody vouches for a version; returns whether they had not done so before.

    It is of this very artifact. A manifest from before there was a signing key is signed.

    Raises:
        ModelRefused: it is rejected, retired or damaged, or scores its golden rows otherwise.
        UsageError: there is no such version, or nobody or nothing was named.
    """
    _require_reason(by, reason)
    artifact = _require_open(model, history(model), version).artifact
    artifacts.sign(artifact)
    _verify(artifact)

    def decide(before: list[Record]) -> Decisions:
        found = _require_open(model, before, version)
        known = any((event.event, event.by) == ("approved", by) for event in found.events)
        return [] if known else [(version, "approved", found.artifact)]

    return events.append(model, decide, by, reason, now)[1]


def rollback(model: str, *, by: str, reason: str, now: datetime | None = None) -> int:
    """Makes the champion before this one serve again; returns its version.

    Raises:
        ModelRefused: there is none, or it is damaged or scores its golden rows otherwise.
    """
    _require_reason(by, reason)
    earlier = previous_of(model, history(model))
    _verify(get(model, earlier).artifact)

    def decide(before: list[Record]) -> Decisions:
        if previous_of(model, before) != earlier:
            raise ModelRefused(f"{model}: the champion has just changed; look and try again")
        return [(earlier, "rolled_back", version_of(model, before, earlier).artifact)]

    events.append(model, decide, by, reason, now)
    return earlier


def close(
    model: str,
    version: int,
    event: Literal["rejected", "retired"],
    *,
    by: str,
    reason: str,
    now: datetime | None = None,
) -> bool:
    """Rejects or retires a version for good; returns whether it was not closed already."""
    _require_reason(by, reason)

    def decide(before: list[Record]) -> Decisions:
        found = version_of(model, before, version)
        return [] if found.state in CLOSED else [(version, event, found.artifact)]

    return events.append(model, decide, by, reason, now)[1]


def _require_reason(by: str, reason: str) -> None:
    if not by.strip() or not reason.strip():
        raise UsageError("say who decides (--by) and why (--reason): it goes on the record")


def _verify(artifact: Artifact) -> None:
    """That it is, byte for byte, what was registered, and scores as when it was trained."""
    from core.models import golden

    estimator, manifest = artifacts.load(artifact)
    golden.require(estimator, manifest)
